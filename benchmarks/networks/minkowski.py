"""The network on MinkowskiEngine 0.5 (C. Choy et al., arXiv:1904.08755)."""

from __future__ import annotations

import MinkowskiEngine as ME  # type: ignore[import-not-found]  # built by hand
import torch
from torch import nn

from baseline.config import Config
from baseline.dataset import Ragged
from baseline.model import input_features


class Network(nn.Module):
    """The network. MinkowskiEngine reorders voxels; the logits are in the events' order."""

    def __init__(self, config: Config, n_classes: int):
        super().__init__()
        self.stem = _convolution(8, config.filters)
        self.levels = _Level(config.filters, 0, config)
        self.head = nn.Sequential(
            _norm(config.filters), ME.MinkowskiLinear(config.filters, n_classes)
        )

    def forward(self, events: Ragged) -> torch.Tensor:
        index = torch.cat([events.event[:, None].int(), events.coords], 1)
        field = ME.TensorField(input_features(events.energy), index)
        return self.head(self.levels(self.stem(field.sparse()))).slice(field).F


class _Block(nn.Module):
    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.path = nn.Sequential(
            _norm(n_in), _convolution(n_in, n_out), _norm(n_out), _convolution(n_out, n_out)
        )
        same = n_in == n_out
        self.skip = nn.Identity() if same else ME.MinkowskiLinear(n_in, n_out, bias=False)

    def forward(self, x):
        return self.skip(x) + self.path(x)


class _Level(nn.Module):
    def __init__(self, channels: int, level: int, config: Config):
        super().__init__()
        self.encode = nn.Sequential(*(_Block(channels, channels) for _ in range(config.blocks)))
        self.inner = None
        if level + 1 == config.depth:
            return
        coarse = channels + config.filters
        halves = {"kernel_size": 2, "stride": 2, "dimension": 3}
        self.inner = nn.Sequential(
            _norm(channels),
            ME.MinkowskiConvolution(channels, coarse, **halves),
            _Level(coarse, level + 1, config),
            _norm(coarse),
            ME.MinkowskiConvolutionTranspose(coarse, channels, **halves),
        )
        widths = [2 * channels, *[channels] * (config.blocks - 1)]
        self.decode = nn.Sequential(*(_Block(n, channels) for n in widths))

    def forward(self, x):
        x = self.encode(x)
        return x if self.inner is None else self.decode(ME.cat(x, self.inner(x)))


def _convolution(n_in: int, n_out: int) -> nn.Module:
    return ME.MinkowskiConvolution(n_in, n_out, kernel_size=3, dimension=3)


def _norm(channels: int) -> nn.Module:
    return nn.Sequential(ME.MinkowskiBatchNorm(channels, eps=1e-4), ME.MinkowskiReLU())
