"""Space-filling curves: orders of voxels in which successive voxels are near in space."""

from __future__ import annotations

import torch

_BITS = 8  # coordinates lie in 0..255


def z_order(coords: torch.Tensor) -> torch.Tensor:
    """Return the positions (n,) int64 of coords (n, 3) on the Z curve (G. Morton, 1966)."""
    return _interleaved(list(coords.long().unbind(1)))


def hilbert(coords: torch.Tensor) -> torch.Tensor:
    """Return the positions (n,) int64 on Hilbert's curve, whose successive cells share a face.

    J. Skilling, AIP Conf. Proc. 707 (2004) 381: undo the rotations of the coarser cubes, then take
    the Gray code.
    """
    x = list(coords.long().unbind(1))
    for bit in range(_BITS - 1, 0, -1):
        below = (1 << bit) - 1
        for axis in range(3):
            is_set = (x[axis] >> bit & 1).bool()
            swapped = (x[0] ^ x[axis]) & below
            x[axis] = torch.where(is_set, x[axis], x[axis] ^ swapped)
            x[0] = torch.where(is_set, x[0] ^ below, x[0] ^ swapped if axis else x[0])
    x[1] = x[1] ^ x[0]
    x[2] = x[2] ^ x[1]
    turned = torch.zeros_like(x[0])
    for bit in range(_BITS - 1, 0, -1):
        turned = torch.where((x[2] >> bit & 1).bool(), turned ^ ((1 << bit) - 1), turned)
    return _interleaved([along ^ turned for along in x])


def _interleaved(x: list[torch.Tensor]) -> torch.Tensor:
    """Return the bits of three coordinates alternately, the highest first."""
    code = torch.zeros_like(x[0])
    for bit in range(_BITS - 1, -1, -1):
        for along in x:
            code = code << 1 | along >> bit & 1
    return code
