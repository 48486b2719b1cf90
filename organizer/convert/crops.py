"""Where the cube of 192^3 voxels is cut from an event, and what that leaves out.

densest   the cube that holds most energy
vertex    the cube around the interaction's vertex, where the source knows it
tiles     as many cubes as the event needs, side by side: an event each, nothing is lost
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
    """The lowest voxels (3,) int64 of the cubes to cut; cell (C, 3) and energy (C,) of the event.

    ChallengeError where `crop` is "vertex" and the event has none.
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
    """(C,) bool: which cells (C, 3) the cube at `corner` (3,) holds."""
    x, y, z = ((cell[:, i] >= corner[i]) & (cell[:, i] < corner[i] + GRID_SIZE) for i in range(3))
    return x & y & z


def tile_corners(cell: np.ndarray) -> list[np.ndarray]:
    """The corners of the cubes, side by side and none empty, that hold all of cells (C, 3)."""
    if not len(cell) or (cell.min() >= 0 and cell.max() < GRID_SIZE):
        return [np.zeros(3, np.int64)]
    low, extent = cell.min(axis=0), np.ptp(cell, axis=0) + 1
    n_tiles = -(-extent // GRID_SIZE)
    first = low - (n_tiles * GRID_SIZE - extent) // 2
    tiles = np.unique((cell - first) // GRID_SIZE, axis=0)
    return list(first + tiles * GRID_SIZE)


def crop_origin(cell: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """(3,) int64: the lowest voxel of a 192^3 cube that holds as much energy as can be found.

    Cells (D, 3) within the grid stay where they are. Otherwise one axis after the other takes its
    best window, given the other two, until no energy is gained: a local optimum, whatever the
    size of the detector. What the cube holds stands in its middle.
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
    """Where to begin 192 voxels of an axis that hold most energy, centred on what they hold."""
    order = np.argsort(position)
    position, below = position[order], np.concatenate([[0.0], np.cumsum(energy[order])])
    end = np.searchsorted(position, position + GRID_SIZE)
    start = np.argmax(below[end] - below[:-1])
    return int(position[start] + position[end[start] - 1] + 1 - GRID_SIZE) // 2
