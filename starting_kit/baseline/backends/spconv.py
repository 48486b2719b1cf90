"""The layers of spconv 2.3, for CUDA cards and CPUs, or of its copy spconv-triton, for cards alone.

The only file that imports them. Both have the same names and weights.
"""

from __future__ import annotations

import logging
import warnings
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import torch
from torch import nn

from baseline.backends import Voxels
from baseline.dataset import Ragged

# From here on spconv numbers a batch's cells by other code, which wraps silently at 2^32 and which
# nobody has tried on a card.
_MOST_CELLS = 2**31


class Spconv:
    """Make spconv's layers: a Backend. package: spconv or spconv_triton; ImportError without it."""

    def __init__(self, device: torch.device, package: str = "spconv"):
        # spconv and its build tool use what Python and torch deprecate, which users can't fix.
        logging.getLogger("torch.fx._symbolic_trace").setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._layers = import_module(f"{package}.pytorch")
            self._constants = import_module(f"{package}.constants")
        # The default algorithm needs a GPU; both keep weights alike. spconv's own bias raises on a
        # CPU; the norm that follows has one anyway.
        algorithm = self._layers.ConvAlgo.Native if device.type == "cpu" else None
        self._options = {"bias": False, "algo": algorithm}
        self.name = f"{package.replace('_', '-')} {_version(package)}"

    def submanifold(self, n_in: int, n_out: int, level: int) -> nn.Module:
        key = f"level{level}"
        return self._layers.SubMConv3d(n_in, n_out, 3, indice_key=key, **self._options)

    def down(self, n_in: int, n_out: int, level: int) -> nn.Module:
        key = f"stride{level}"
        return self._layers.SparseConv3d(n_in, n_out, 2, 2, indice_key=key, **self._options)

    def up(self, n_in: int, n_out: int, level: int) -> nn.Module:
        key = f"stride{level}"
        return self._layers.SparseInverseConv3d(n_in, n_out, 2, key, **self._options)

    def locate(self, events: Ragged, features: torch.Tensor, side: int) -> Voxels:
        # Of another type, or not contiguous, indices would give silently wrong results.
        index = torch.cat([events.event[:, None].int(), events.coords.int()], 1).contiguous()
        return self._layers.SparseConvTensor(features, index, [side] * 3, len(events))

    def most_events(self, side: int) -> int:
        return (_MOST_CELLS - 1) // side**3

    def allow_tf32(self, allowed: bool) -> None:
        vars(self._constants)["SPCONV_ALLOW_TF32"] = allowed  # read whenever a kernel is called


def _version(package: str) -> str:
    for name in (f"{package}-cu126", package):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "of unknown version"
