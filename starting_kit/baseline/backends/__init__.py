"""Sparse convolutions by spconv or by PyTorch alone: one interface, the same weights.

All keep a kernel as (out, k, k, k, in), so that a checkpoint of one runs with the others. Nothing
here imports spconv before it is chosen.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn

from lartpc_challenge.format import ChallengeError

if TYPE_CHECKING:
    from baseline.dataset import Ragged

# The newest cards for which spconv 2.3.8 holds compiled kernels (compute capability).
_NEWEST_FOR_SPCONV = (9, 0)


class Voxels(Protocol):
    """Features (rows, channels) at the voxels of one level of the network's grids."""

    @property
    def features(self) -> torch.Tensor:
        """(rows, channels) float: the features of each voxel."""
        ...

    @property
    def indices(self) -> torch.Tensor:
        """(rows, 4) integers: event, x, y, z of each voxel."""
        ...

    def replace_feature(self, features: torch.Tensor, /) -> Voxels:
        """Return other features at the same voxels."""
        ...


class Backend(Protocol):
    """Make the three kinds of layers of the network; each turns Voxels into Voxels.

    Level 0 is the detector's grid; the grid of a level has half as many cells along each axis as
    the one before. Layers have no bias. The voxels of level 0 keep the order of the events.
    """

    name: str

    def submanifold(self, n_in: int, n_out: int, level: int) -> nn.Module:
        """Make a 3^3 convolution whose output has the voxels of its input."""
        ...

    def down(self, n_in: int, n_out: int, level: int) -> nn.Module:
        """Make a 2^3 convolution with stride 2 from `level` to the next coarser one."""
        ...

    def up(self, n_in: int, n_out: int, level: int) -> nn.Module:
        """Make a transposed 2^3 convolution from the next grid to the voxels of `level`."""
        ...

    def locate(self, events: Ragged, features: torch.Tensor, side: int) -> Voxels:
        """Place features (M, channels) at the events' voxels; coords lie in 0..side-1."""
        ...

    def most_events(self, side: int) -> int:
        """Return how many events one batch can hold."""
        ...

    def allow_tf32(self, allowed: bool) -> None:
        """Set whether fp32 products may be computed in TF32 on a GPU."""
        ...


def open_backend(name: str, device: torch.device) -> Backend:
    """Return the backend spconv, spconv-triton, torch or auto, for networks on `device`.

    auto: spconv if it can be imported and has kernels for `device`, an NVIDIA card; else torch.
    Raises ChallengeError if the backend can't be imported or does not compute on `device`.
    """
    if name == "auto":
        with contextlib.suppress(ImportError):
            if _suits_spconv(device):
                return _spconv(device)
        name = "torch"
    if name == "torch":
        from baseline.backends.torch import PlainTorch

        return PlainTorch()
    if name == "spconv-triton" and device.type == "cpu":
        raise ChallengeError("spconv-triton computes on GPUs alone; use --backend torch")
    try:
        return _spconv(device, name.replace("-", "_"))
    except ImportError as reason:
        package = "spconv-cu126" if name == "spconv" else name
        raise ChallengeError(
            f"the backend {name} can't be imported ({reason}); install {package}, or use "
            "--backend torch"
        ) from reason


def _spconv(device: torch.device, package: str = "spconv") -> Backend:
    from baseline.backends.spconv import Spconv

    return Spconv(device, package)


def _suits_spconv(device: torch.device) -> bool:
    if device.type != "cuda" or torch.version.cuda is None:  # None: a card of AMD
        return False
    return torch.cuda.get_device_capability(device) <= _NEWEST_FOR_SPCONV
