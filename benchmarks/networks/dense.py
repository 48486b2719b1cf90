"""The network on full grids, with torch's own convolutions."""

from __future__ import annotations

import torch
from torch import nn

from baseline.config import Config
from baseline.dataset import Ragged
from baseline.model import input_features


class Network(nn.Module):
    """A dense network on a cube of `side` voxels per event; coordinates are wrapped into it.

    Its cost is proportional to the volume of the cube, so the cost for the whole detector can be
    computed from a smaller cube if it does not fit into memory.
    """

    def __init__(self, config: Config, n_classes: int, side: int = 192):
        super().__init__()
        self.side = side
        torch.backends.cudnn.allow_tf32 = False  # fp32, as the baseline here
        self.stem = nn.Conv3d(8, config.filters, 3, padding=1, bias=False)
        self.levels = _Level(config.filters, 0, config)
        self.norm = _norm(config.filters)
        self.head = nn.Conv3d(config.filters, n_classes, 1)

    def forward(self, events: Ragged) -> torch.Tensor:
        x, y, z = (events.coords % self.side).long().T
        shape = (len(events), 8, *[self.side] * 3)
        grid = torch.zeros(shape, device=x.device)
        grid[events.event, :, x, y, z] = input_features(events.energy)
        grid = self.head(self.norm(self.levels(self.stem(grid))))
        return grid[events.event, :, x, y, z]


class _Block(nn.Module):
    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.path = nn.Sequential(
            _norm(n_in),
            nn.Conv3d(n_in, n_out, 3, padding=1, bias=False),
            _norm(n_out),
            nn.Conv3d(n_out, n_out, 3, padding=1, bias=False),
        )
        self.skip = nn.Identity() if n_in == n_out else nn.Conv3d(n_in, n_out, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.skip(x) + self.path(x)


class _Level(nn.Module):
    def __init__(self, channels: int, level: int, config: Config):
        super().__init__()
        self.encode = nn.Sequential(*(_Block(channels, channels) for _ in range(config.blocks)))
        self.inner = None
        if level + 1 == config.depth:
            return
        coarse = channels + config.filters
        self.inner = nn.Sequential(
            _norm(channels),
            nn.Conv3d(channels, coarse, 2, 2, bias=False),
            _Level(coarse, level + 1, config),
            _norm(coarse),
            nn.ConvTranspose3d(coarse, channels, 2, 2, bias=False),
        )
        widths = [2 * channels, *[channels] * (config.blocks - 1)]
        self.decode = nn.Sequential(*(_Block(n, channels) for n in widths))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.encode(x)
        return x if self.inner is None else self.decode(torch.cat([x, self.inner(x)], 1))


def _norm(channels: int) -> nn.Module:
    return nn.Sequential(nn.BatchNorm3d(channels, eps=1e-4), nn.ReLU())
