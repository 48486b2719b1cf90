"""A sparse UResNet: residual blocks in a U of grids, computed only where an event has voxels.

Topology as SparseConvNet's UNet with residual blocks (B. Graham et al., arXiv:1711.10275; for
LArTPC L. Domine and K. Terao, arXiv:1903.05663). The only file that knows spconv.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

import torch
from torch import nn

from baseline.config import Config
from baseline.dataset import Ragged
from lartpc_challenge.format import GRID_SIZE, ChallengeError

# spconv and its build tool use what Python and torch deprecate; that is not the user's to mend.
logging.getLogger("torch.fx._symbolic_trace").setLevel(logging.ERROR)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from spconv import constants
    from spconv.core import ConvAlgo
    from spconv.pytorch import SparseConv3d, SparseConvTensor, SparseInverseConv3d, SubMConv3d

# fp16 can't hold the default of 1e-5 beside variances of order 1.
_NORM_EPSILON = 1e-4
# In fp16 spconv's kernels load 8 channels at a time: fewer inputs are padded with zeros.
_INPUT_CHANNELS = 8
# spconv numbers a batch's cells in 32 bits and wraps silently beyond.
_MOST_CELLS = 2**32


def input_features(energy: torch.Tensor) -> torch.Tensor:
    """(M, 8) float32: log-energy, energy and a constant, of order 1, then zeros."""
    columns = (torch.log(energy / 0.5), energy, torch.ones_like(energy))
    return nn.functional.pad(torch.stack(columns, 1), (0, _INPUT_CHANNELS - len(columns)))


class UResNet(nn.Module):
    """Logits of every voxel.

    device_type: "cpu" or "cuda", where it will compute. spconv's default algorithm needs a GPU;
    both keep weights as (out, 3, 3, 3, in), so that a checkpoint from one runs on the other.
    """

    def __init__(self, config: Config, n_classes: int, device_type: str = "cpu"):
        super().__init__()
        algorithm = ConvAlgo.Native if device_type == "cpu" else None
        self.period = 2 ** (config.depth - 1)
        # Room for every shift that the strides can tell apart, and even grids at every level.
        self.grid = [GRID_SIZE + self.period] * 3
        channels = config.filters
        self.stem = _submanifold(_INPUT_CHANNELS, channels, 0, algorithm)
        self.levels = _Level(channels, 0, config, algorithm)
        self.norm = _Norm(channels)
        self.head = nn.Linear(channels, n_classes)

    @property
    def most_events(self) -> int:
        """Events that a batch can hold before spconv's index wraps."""
        return (_MOST_CELLS - 1) // self.grid[0] ** 3

    def forward(self, events: Ragged) -> torch.Tensor:
        """(M, n_classes) logits; events' coords in 0..grid-1, at least one voxel."""
        x = self.locate(events, input_features(events.energy).to(self.head.weight.dtype))
        return self.head(self.norm(self.levels(self.stem(x)).features))

    def locate(self, events: Ragged, features: torch.Tensor) -> SparseConvTensor:
        """features (M, channels) at the events' voxels, with indices as spconv must have them."""
        if events.n_voxels == 0:
            raise ValueError("a batch needs at least one voxel")
        if len(events) > self.most_events:
            raise ChallengeError(f"a batch can hold {self.most_events} events, not {len(events)}")
        index = torch.cat([events.event[:, None].int(), events.coords.int()], 1).contiguous()
        return SparseConvTensor(features, index, self.grid, len(events))


class _Norm(nn.BatchNorm1d):
    """Batch norm and ReLU on features (rows, channels)."""

    def __init__(self, channels: int):
        super().__init__(channels, eps=_NORM_EPSILON)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        if len(features) == 1 and self.training:  # one row has no variance
            return nn.functional.batch_norm(
                features, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            ).relu()
        return super().forward(features).relu()


class _Block(nn.Module):
    """Pre-activation: x + conv(norm(conv(norm(x)))), x through a matrix where widths differ."""

    def __init__(self, n_in: int, n_out: int, level: int, algorithm):
        super().__init__()
        self.norms = nn.ModuleList([_Norm(n_in), _Norm(n_out)])
        self.convolutions = nn.ModuleList(
            [_submanifold(n, n_out, level, algorithm) for n in (n_in, n_out)]
        )
        self.skip = nn.Identity() if n_in == n_out else nn.Linear(n_in, n_out, bias=False)

    def forward(self, x: SparseConvTensor) -> SparseConvTensor:
        kept = self.skip(x.features)
        for norm, convolution in zip(self.norms, self.convolutions):
            x = convolution(x.replace_feature(norm(x.features)))
        return x.replace_feature(x.features + kept)


class _Level(nn.Module):
    """Blocks at one grid, the coarser levels inside, and blocks on both together."""

    def __init__(self, channels: int, level: int, config: Config, algorithm):
        super().__init__()
        blocks = [_Block(channels, channels, level, algorithm) for _ in range(config.blocks)]
        self.encode = nn.Sequential(*blocks)
        self.inner = None
        if level + 1 == config.depth:
            return
        coarse, key = channels + config.filters, f"stride{level}"
        self.down_norm, self.up_norm = _Norm(channels), _Norm(coarse)
        self.down = SparseConv3d(channels, coarse, 2, 2, bias=False, indice_key=key, algo=algorithm)
        self.inner = _Level(coarse, level + 1, config, algorithm)
        self.up = SparseInverseConv3d(coarse, channels, 2, key, bias=False, algo=algorithm)
        widths = [2 * channels, *[channels] * (config.blocks - 1)]
        self.decode = nn.Sequential(*(_Block(n, channels, level, algorithm) for n in widths))

    def forward(self, x: SparseConvTensor) -> SparseConvTensor:
        x = self.encode(x)
        if self.inner is None:
            return x
        below = self.inner(self.down(x.replace_feature(self.down_norm(x.features))))
        above = self.up(below.replace_feature(self.up_norm(below.features)))
        return self.decode(x.replace_feature(torch.cat([x.features, above.features], 1)))


def _submanifold(n_in: int, n_out: int, level: int, algorithm) -> SubMConv3d:
    # spconv's own bias raises on a CPU; the norm behind has one anyway.
    return SubMConv3d(n_in, n_out, 3, bias=False, indice_key=f"level{level}", algo=algorithm)


@contextlib.contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """Compute in one of config.PRECISIONS on a GPU; a CPU computes in fp32 whatever it says."""
    # TF32 stays as set: the backward pass, which follows outside, is to use it too.
    tf32 = precision == "tf32"
    constants.SPCONV_ALLOW_TF32 = tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    with torch.autocast(
        "cuda", torch.float16, enabled=precision == "fp16" and device.type == "cuda"
    ):
        yield
