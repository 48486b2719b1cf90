"""Energy deposits in a source's own grid -> an event: crop, sum, label, threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lartpc_challenge.events import Event
from lartpc_challenge.format import GRID_SHAPE, GRID_SIZE, Cycle, SemanticLabel
from organizer.simulate.voxels import read_out, tally


@dataclass(frozen=True)
class Deposits:
    """What a source knows of an event. D is the number of deposits; a voxel may have several.

    cell (D, 3) int64, x, y, z in 3 mm voxels from anywhere; energy (D,) float, MeV; label (D,)
    SemanticLabel of what left it. `remark`: what the user should know about the source.
    """

    event_id: int
    cell: np.ndarray
    energy: np.ndarray
    label: np.ndarray
    remark: str = ""


def restrict_labels(label: np.ndarray, cycle: Cycle) -> np.ndarray:
    """`label` as uint8 with protons among `other` where the cycle does not tell them apart."""
    label = label.astype(np.uint8)
    if SemanticLabel.PROTON not in cycle.labels:
        label[label == SemanticLabel.PROTON] = SemanticLabel.OTHER
    return label


def to_event(deposits: Deposits, cycle: Cycle, threshold_mev: float) -> Event:
    """The busiest 192^3 voxels of an event; those with more than `threshold_mev`.

    Energies must be finite. A voxel's label is the class that left most energy in it. Voxels come
    in order of x, y, z.
    """
    energy = deposits.energy.astype(np.float64)
    label = restrict_labels(deposits.label, cycle)
    cell = deposits.cell - crop_origin(deposits.cell, energy)
    inside = ((cell >= 0) & (cell < GRID_SIZE)).all(axis=1)
    key = np.ravel_multi_index(tuple(cell[inside].T), GRID_SHAPE)
    no_origin = np.zeros(len(key), np.int64)
    tallied = tally(key, energy[inside], label[inside], no_origin)
    total = tallied.parts.sum(axis=(1, 2))
    voxels = read_out(tallied, total, total > threshold_mev)
    return Event(deposits.event_id, voxels.coords, voxels.energy, voxels.label)


def crop_origin(cell: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """(3,) int64: the lowest voxel of a 192^3 cube that holds as much energy as can be found.

    Cells (D, 3) within the grid stay where they are. Otherwise one axis after the other takes its
    best window, given the other two, until no energy is gained: a local optimum, whatever the
    size of the detector. What the cube holds stands in its middle.
    """
    if not len(cell) or (cell.min() >= 0 and cell.max() < GRID_SIZE):
        return np.zeros(3, np.int64)
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
