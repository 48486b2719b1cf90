"""The result of a reader: the energy deposits of one event, in the source's coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

MM_PER_CM = 10.0
NOT_KNOWN = -1  # a number that the source does not have


@dataclass(frozen=True)
class Grid:
    """A source's grid. voxel_mm, origin_mm: (3,) float64, edges; lower corner of voxel 0, 0, 0."""

    voxel_mm: np.ndarray
    origin_mm: np.ndarray


@dataclass(frozen=True)
class Voxels:
    """Deposits in voxels of a grid: index (D, 3) int64, x, y, z."""

    index: np.ndarray
    grid: Grid


@dataclass(frozen=True)
class Segments:
    """Deposits along straight lines: start_mm, end_mm (D, 3) float64, x, y, z."""

    start_mm: np.ndarray
    end_mm: np.ndarray


@dataclass(frozen=True)
class SourceEvent:
    """One event of a source with D deposits in the source's order.

    entry: index of the event in the file, from 0. number: run, subrun and event number of the
    source. energy_mev (D,) float. kind (D,) uint8 `taxonomy.Kind`; None if the source has no
    classes. vertex_mm (3,): the interaction's vertex, if known. remarks: notes for the user.
    n_events: of the whole file, if it is known without reading it.
    """

    entry: int
    event_id: int
    number: tuple[int, int, int]
    place: Voxels | Segments
    energy_mev: np.ndarray
    kind: np.ndarray | None
    vertex_mm: np.ndarray | None = None
    remarks: tuple[str, ...] = ()
    n_events: int | None = None


@dataclass(frozen=True)
class ReadOptions:
    """The user's information on a source that its file does not contain.

    energy, labels: names of the products (producers, trees) to read. taxonomy: numbering of the
    labels. voxel_mm: edge of its voxels, for formats without it.
    """

    energy: str | None = None
    labels: str | None = None
    taxonomy: str | None = None
    voxel_mm: float | None = None


def grouped(number: np.ndarray) -> dict[int, np.ndarray]:
    """Return number -> its rows in `number` (n,), ascending; the numbers are in ascending order."""
    order = np.argsort(number, kind="stable")
    found, first = np.unique(number[order], return_index=True)
    return dict(zip(found.astype(np.int64).tolist(), np.split(order, first[1:])))


def look_up(number: np.ndarray, known: np.ndarray, value: np.ndarray, missing: float) -> np.ndarray:
    """Return the value of each number (n,); `missing` if it is not in `known`.

    known: (m,), without repeats. value: (m,), its values.
    """
    if np.array_equal(number, known):  # true for nearly all voxels of LArCV
        return value
    if not len(known):
        return np.full(len(number), missing)
    order = np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known, number, sorter=order), len(known) - 1)
    row = order[at]
    return np.where(known[row] == number, value[row], missing)


def known_names(names: Iterable[str], known: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return our name -> the file's name of its columns that are known, in whatever case.

    known: our name -> its other names, in lower case.
    """
    there = {name.lower(): name for name in names}
    found = {ours: [there[n] for n in theirs if n in there] for ours, theirs in known.items()}
    return {ours: theirs[0] for ours, theirs in found.items() if theirs}
