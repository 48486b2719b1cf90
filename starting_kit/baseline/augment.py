"""Augmentation: events are rotated, mirrored and shifted, which (nearly) leaves physics unchanged.

The 48 symmetries of the cube map voxels to voxels; interpolation would smear dE/dx. All is computed
on the device of the batch.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import torch

from baseline.dataset import Ragged
from lartpc_challenge.format import GRID_SIZE

# Orientation o sends coordinate a to place AXES[o].index(a), mirrored where MIRRORED[o]; 0 is none.
_SYMMETRIES = [
    (axes, mirrored)
    for axes in itertools.permutations(range(3))
    for mirrored in itertools.product((False, True), repeat=3)
]
AXES = torch.tensor([axes for axes, _ in _SYMMETRIES])
MIRRORED = torch.tensor([mirrored for _, mirrored in _SYMMETRIES])
N_ORIENTATIONS = len(_SYMMETRIES)


def reorient(events: Ragged, orientation: torch.Tensor, shift: torch.Tensor) -> Ragged:
    """Rotate each event to its orientation (N,) int64 in 0..47, and shift it by `shift` (N, 3)."""
    event, device = events.event, events.coords.device
    coords = events.coords.gather(1, AXES.to(device)[orientation][event])
    mirrored = MIRRORED.to(device)[orientation][event]
    coords = torch.where(mirrored, GRID_SIZE - 1 - coords, coords)
    return replace(events, coords=coords + shift.to(torch.int32)[event])


def fixed_view(events: Ragged, view: int, n_views: int, period: int) -> Ragged:
    """Return view 0..n_views-1 of the events for averaged predictions, the same for every event."""
    drawn = torch.Generator().manual_seed(view)
    shift = (
        torch.randint(period, (3,), generator=drawn) if view else torch.zeros(3, dtype=torch.int64)
    )
    orientation = torch.full((len(events),), view * N_ORIENTATIONS // n_views)
    device = events.coords.device
    return reorient(events, orientation.to(device), shift.expand(len(events), 3).to(device))


def random_view(events: Ragged, period: int, generator: torch.Generator) -> Ragged:
    """Return the events, each in a random orientation and randomly shifted.

    period: the product of the network's strides. Shifts are 0..period-1 voxels per axis, since a
    shift by a period does not change the network's result. generator: on the events' device.
    """
    n, draw = len(events), {"generator": generator, "device": events.coords.device}
    orientation = torch.randint(N_ORIENTATIONS, (n,), **draw)
    return reorient(events, orientation, torch.randint(period, (n, 3), **draw))
