"""Random events from one event: what physics (nearly) leaves alone, on the batch's own device.

The 48 symmetries of the cube are exact integer maps; interpolation would smear dE/dx.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import torch

from lartpc_challenge.format import GRID_SIZE

from .config import Config
from .dataset import Ragged

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
    """Each event turned by its orientation (N,) int64 in 0..47 and moved by its shift (N, 3)."""
    event, device = events.event, events.coords.device
    coords = events.coords.gather(1, AXES.to(device)[orientation][event])
    mirrored = MIRRORED.to(device)[orientation][event]
    coords = torch.where(mirrored, GRID_SIZE - 1 - coords, coords)
    return replace(events, coords=coords + shift.to(torch.int32)[event])


def fixed_view(events: Ragged, view: int, n_views: int, period: int) -> Ragged:
    """View 0..n_views-1 of events for averaged predictions, the same for every event."""
    drawn = torch.Generator().manual_seed(view)
    shift = (
        torch.randint(period, (3,), generator=drawn) if view else torch.zeros(3, dtype=torch.int64)
    )
    orientation = torch.full((len(events),), view * N_ORIENTATIONS // n_views)
    device = events.coords.device
    return reorient(events, orientation.to(device), shift.expand(len(events), 3).to(device))


def augment(events: Ragged, config: Config, period: int, generator: torch.Generator) -> Ragged:
    """Events as training sees them: turned, moved by 0..period-1 voxels, scaled, thinned, cut.

    period: of the network's strides; it can't tell other shifts apart. generator: on the device.
    """
    n, draw = len(events), {"generator": generator, "device": events.coords.device}
    if config.symmetries:
        orientation = torch.randint(N_ORIENTATIONS, (n,), **draw)
        events = reorient(events, orientation, torch.randint(period, (n, 3), **draw))
    if config.energy_jitter:
        scale = torch.exp(config.energy_jitter * torch.randn(n, **draw))
        events = replace(events, energy=events.energy * scale[events.event])
    if config.voxel_dropout:
        events = events.keep(torch.rand(events.n_voxels, **draw) >= config.voxel_dropout)
    for _ in range(config.dead_slabs):
        events = events.keep(~_in_slab(events, draw))
    return events


# Widths of the dead slabs, in voxels.
_SLAB = (1, 4)


def _in_slab(events: Ragged, draw: dict) -> torch.Tensor:
    """(M,) bool: voxels of a random slab an event; half of the events have none."""
    n, device = len(events), events.coords.device
    width = torch.randint(_SLAB[0], _SLAB[1] + 1, (n,), **draw)
    width = width * torch.randint(2, (n,), **draw)
    axis, first = torch.randint(3, (n,), **draw), torch.randint(GRID_SIZE, (n,), **draw)
    event = events.event
    along = events.coords.gather(1, axis.to(device)[event, None])[:, 0] - first[event]
    return (along >= 0) & (along < width[event])
