"""Choose the cube of 192^3 voxels that is cut from a large event.

densest   the cube with most energy
vertex    the cube around the interaction's vertex, if the source has it
tiles     as many adjacent cubes as needed, one event each; no voxel is lost
"""

from __future__ import annotations

import numpy as np

from lartpc_challenge.format import GRID_SIZE, ChallengeError
from organizer.convert.deposits import SourceEvent
from organizer.convert.placing import lattice_mm

CROPS = ("densest", "vertex", "tiles")


def corners(
    crop: str, event: SourceEvent, cell: np.ndarray, energy: np.ndarray, voxel_mm: float
) -> list[np.ndarray]:
    """Return the lowest voxel (3,) int64 of each cube to cut.

    cell: (C, 3) int64, energy: (C,) MeV, of the event's voxels. Raises ChallengeError if `crop` is
    "vertex" and the event has no vertex.
    """
    if crop == "tiles":
        return tile_corners(cell)
    if crop == "densest":
        return [crop_origin(cell, energy)]
    if event.vertex_mm is None:
        raise ChallengeError(
            f"event {event.event_id}: the source has no vertex; choose --crop densest or tiles"
        )
    middle = np.floor((event.vertex_mm - lattice_mm(event.place)) / voxel_mm).astype(np.int64)
    return [middle - GRID_SIZE // 2]


def inside(cell: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Return (C,) bool: whether cells (C, 3) are in the cube at `corner` (3,)."""
    x, y, z = ((cell[:, i] >= corner[i]) & (cell[:, i] < corner[i] + GRID_SIZE) for i in range(3))
    return x & y & z


def tile_corners(cell: np.ndarray) -> list[np.ndarray]:
    """Return the corners of adjacent cubes, none of them empty, that contain all cells (C, 3)."""
    if not len(cell) or (cell.min() >= 0 and cell.max() < GRID_SIZE):
        return [np.zeros(3, np.int64)]
    low, extent = cell.min(axis=0), np.ptp(cell, axis=0) + 1
    n_tiles = -(-extent // GRID_SIZE)
    first = low - (n_tiles * GRID_SIZE - extent) // 2
    tiles = np.unique((cell - first) // GRID_SIZE, axis=0)
    return list(first + tiles * GRID_SIZE)


def crop_origin(cell: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Return the lowest voxel (3,) int64 of a 192^3 cube with as much energy as possible.

    If all cells (D, 3) are in the grid, it is 0, 0, 0. Otherwise the best window is found for one
    axis after the other, with the other two fixed, until the energy no longer increases: a local
    optimum. The voxels are centred in the cube.
    """
    if not len(cell) or (cell.min() >= 0 and cell.max() < GRID_SIZE):
        return np.zeros(3, np.int64)
    low, extent = cell.min(axis=0), np.ptp(cell, axis=0) + 1
    if (extent <= GRID_SIZE).all():
        return low - (GRID_SIZE - extent) // 2
    origin = np.zeros(3, np.int64)
    within = np.ones(cell.shape, bool)
    held, found = -np.inf, 0.0
    while found > held:
        held = found
        for axis in range(3):
            others = np.delete(within, axis, axis=1).all(axis=1)
            origin[axis] = _best_window(cell[others, axis], energy[others])
            from_origin = cell[:, axis] - origin[axis]
            within[:, axis] = (from_origin >= 0) & (from_origin < GRID_SIZE)
        found = energy[within.all(axis=1)].sum()
    return origin


def _best_window(position: np.ndarray, energy: np.ndarray) -> int:
    """Return the start of the 192 voxels along an axis with most energy, centred on them."""
    order = np.argsort(position)
    position, below = position[order], np.concatenate([[0.0], np.cumsum(energy[order])])
    end = np.searchsorted(position, position + GRID_SIZE)
    start = np.argmax(below[end] - below[:-1])
    return int(position[start] + position[end[start] - 1] + 1 - GRID_SIZE) // 2
