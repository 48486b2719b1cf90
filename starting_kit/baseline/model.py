"""A sparse UResNet: residual blocks in a U of grids, computed only where an event has voxels.

Topology as SparseConvNet's UNet with residual blocks (B. Graham et al., arXiv:1711.10275; for
LArTPC L. Domine and K. Terao, arXiv:1903.05663). Its convolutions are a backend's (backends/).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from baseline.backends import Backend, Voxels
from baseline.backends.torch import PlainTorch
from baseline.config import Config
from baseline.dataset import Ragged
from lartpc_challenge.format import GRID_SIZE, ChallengeError

# fp16 can't hold the default of 1e-5 beside variances of order 1.
_NORM_EPSILON = 1e-4
# In fp16 spconv's kernels load 8 channels at a time: fewer inputs are padded with zeros.
_INPUT_CHANNELS = 8


def input_features(energy: torch.Tensor) -> torch.Tensor:
    """Return the network's input (M, 8) float32: log-energy, energy, a constant, and zeros."""
    columns = (torch.log(energy / 0.5), energy, torch.ones_like(energy))
    return nn.functional.pad(torch.stack(columns, 1), (0, _INPUT_CHANNELS - len(columns)))


class UResNet(nn.Module):
    """The network: events in, logits of every voxel out.

    backend: computes the convolutions (plain PyTorch if None). Weights do not depend on it.
    """

    def __init__(self, config: Config, n_classes: int, backend: Backend | None = None):
        super().__init__()
        self.backend = backend or PlainTorch()
        self.period = 2 ** (config.depth - 1)
        # Room for every shift that the strides can tell apart, and even grids at every level.
        self.side = GRID_SIZE + self.period
        channels = config.filters
        self.stem = self.backend.submanifold(_INPUT_CHANNELS, channels, 0)
        self.levels = _Level(channels, 0, config, self.backend)
        self.norm = _Norm(channels)
        self.head = nn.Linear(channels, n_classes)

    @property
    def most_events(self) -> int:
        """The number of events that a batch can hold."""
        return self.backend.most_events(self.side)

    def forward(self, events: Ragged) -> torch.Tensor:
        """Return (M, n_classes) logits. The events' coords lie in 0..side-1; at least one voxel."""
        x = self.locate(events, input_features(events.energy).to(self.head.weight.dtype))
        return self.head(self.norm(self.levels(self.stem(x)).features))

    def locate(self, events: Ragged, features: torch.Tensor) -> Voxels:
        """Place features (M, channels) at the events' voxels, as the layers take them.

        Raises ValueError without voxels, ChallengeError for more than `most_events` events.
        """
        if events.n_voxels == 0:
            raise ValueError("a batch needs at least one voxel")
        if len(events) > self.most_events:
            raise ChallengeError(
                f"with {self.backend.name} a batch can hold {self.most_events} events, not "
                f"{len(events)}; lower --batch-events, or use --backend torch"
            )
        return self.backend.locate(events, features, self.side)


class _Norm(nn.BatchNorm1d):
    """Batch norm and ReLU on features (rows, channels)."""

    def __init__(self, channels: int):
        super().__init__(channels, eps=_NORM_EPSILON)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if len(input) == 1 and self.training:  # one row has no variance
            return nn.functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            ).relu_()
        return super().forward(input).relu_()


class _Block(nn.Module):
    """Pre-activation: x + conv(norm(conv(norm(x)))), x through a matrix where widths differ."""

    def __init__(self, n_in: int, n_out: int, level: int, backend: Backend):
        super().__init__()
        self.norms = nn.ModuleList([_Norm(n_in), _Norm(n_out)])
        self.convolutions = nn.ModuleList(
            [backend.submanifold(n, n_out, level) for n in (n_in, n_out)]
        )
        self.skip = nn.Identity() if n_in == n_out else nn.Linear(n_in, n_out, bias=False)

    def forward(self, x: Voxels) -> Voxels:
        kept = self.skip(x.features)
        for norm, convolution in zip(self.norms, self.convolutions):
            x = convolution(x.replace_feature(norm(x.features)))
        return x.replace_feature(x.features + kept)


class _Level(nn.Module):
    """Blocks at one grid, the coarser levels inside, and blocks on both together."""

    def __init__(self, channels: int, level: int, config: Config, backend: Backend):
        super().__init__()
        blocks = [_Block(channels, channels, level, backend) for _ in range(config.blocks)]
        self.encode = nn.Sequential(*blocks)
        self.inner = None
        if level + 1 == config.depth:
            return
        coarse = channels + config.filters
        self.down_norm, self.up_norm = _Norm(channels), _Norm(coarse)
        self.down = backend.down(channels, coarse, level)
        self.inner = _Level(coarse, level + 1, config, backend)
        self.up = backend.up(coarse, channels, level)
        widths = [2 * channels, *[channels] * (config.blocks - 1)]
        self.decode = nn.Sequential(*(_Block(n, channels, level, backend) for n in widths))

    def forward(self, x: Voxels) -> Voxels:
        x = self.encode(x)
        if self.inner is None:
            return x
        below = self.inner(self.down(x.replace_feature(self.down_norm(x.features))))
        above = self.up(below.replace_feature(self.up_norm(below.features)))
        return self.decode(x.replace_feature(torch.cat([x.features, above.features], 1)))


@contextlib.contextmanager
def arithmetic(model: UResNet, precision: str) -> Iterator[None]:
    """Compute in one of config.PRECISIONS on a GPU; a CPU computes in fp32 whatever it says.

    Under fp16, what is not autocast uses TF32: spconv's convolutions outside of training.
    """
    # TF32 stays as set: the backward pass, which follows outside, is to use it too.
    tf32 = precision != "fp32"
    torch.backends.cuda.matmul.allow_tf32 = tf32
    model.backend.allow_tf32(tf32)
    half = precision == "fp16" and model.head.weight.is_cuda
    with torch.autocast("cuda", torch.float16, enabled=half):
        yield
