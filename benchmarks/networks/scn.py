"""The network on SparseConvNet (B. Graham et al., arXiv:1711.10275), by its own U-Net."""

from __future__ import annotations

import sparseconvnet as scn  # type: ignore[import-not-found]  # built by hand
import torch
from torch import nn

from baseline.config import Config
from baseline.dataset import Ragged
from baseline.model import input_features
from lartpc_challenge.format import GRID_SIZE


class Network(nn.Module):
    def __init__(self, config: Config, n_classes: int):
        super().__init__()
        widths = [config.filters * (level + 1) for level in range(config.depth)]
        side = GRID_SIZE + 2 ** (config.depth - 1)
        self.network = scn.Sequential(
            scn.InputLayer(3, torch.LongTensor([side] * 3), mode=0),
            scn.SubmanifoldConvolution(3, 8, config.filters, 3, False),
            scn.UNet(3, config.blocks, widths, residual_blocks=True),
            scn.BatchNormReLU(config.filters),
            scn.OutputLayer(3),
        )
        self.head = nn.Linear(config.filters, n_classes)

    def forward(self, events: Ragged) -> torch.Tensor:
        index = torch.cat([events.coords.long(), events.event[:, None]], 1).cpu()
        return self.head(self.network((index, input_features(events.energy), len(events))))
