"""The layers of spconv 2.3, for CUDA cards and CPUs. The only file that imports spconv."""

from __future__ import annotations

import logging
import warnings
from importlib.metadata import PackageNotFoundError, version

import torch
from torch import nn

from baseline.dataset import Ragged

# spconv and its build tool use what Python and torch deprecate; that is not the user's to mend.
logging.getLogger("torch.fx._symbolic_trace").setLevel(logging.ERROR)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from spconv import constants
    from spconv.core import ConvAlgo
    from spconv.pytorch import SparseConv3d, SparseConvTensor, SparseInverseConv3d, SubMConv3d

# From here on spconv numbers a batch's cells by other code, which wraps silently at 2^32 and which
# nobody has tried on a card.
_MOST_CELLS = 2**31


class Spconv:
    """A baseline.backends.Backend."""

    def __init__(self, device: torch.device):
        # The default algorithm needs a GPU; both keep weights alike.
        self._algorithm = ConvAlgo.Native if device.type == "cpu" else None
        self.name = f"spconv {_version()}"

    def submanifold(self, n_in: int, n_out: int, level: int) -> nn.Module:
        # spconv's own bias raises on a CPU; the norm behind has one anyway.
        common = {"bias": False, "algo": self._algorithm}
        return SubMConv3d(n_in, n_out, 3, indice_key=f"level{level}", **common)

    def down(self, n_in: int, n_out: int, level: int) -> nn.Module:
        common = {"bias": False, "algo": self._algorithm}
        return SparseConv3d(n_in, n_out, 2, 2, indice_key=f"stride{level}", **common)

    def up(self, n_in: int, n_out: int, level: int) -> nn.Module:
        common = {"bias": False, "algo": self._algorithm}
        return SparseInverseConv3d(n_in, n_out, 2, f"stride{level}", **common)

    def locate(self, events: Ragged, features: torch.Tensor, side: int) -> SparseConvTensor:
        # Of another type, or not contiguous, indices would give silently wrong results.
        index = torch.cat([events.event[:, None].int(), events.coords.int()], 1).contiguous()
        return SparseConvTensor(features, index, [side] * 3, len(events))

    def most_events(self, side: int) -> int:
        return (_MOST_CELLS - 1) // side**3

    def allow_tf32(self, allowed: bool) -> None:
        constants.SPCONV_ALLOW_TF32 = allowed  # read whenever a kernel is called


def _version() -> str:
    for package in ("spconv-cu126", "spconv-triton", "spconv"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return "of unknown version"
