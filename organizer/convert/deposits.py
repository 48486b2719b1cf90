"""What a reader yields: the energy deposits of one event, in the source's own coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NOT_KNOWN = -1  # a run or subrun that the source does not number


@dataclass(frozen=True)
class Grid:
    """A source's voxels. voxel_mm, origin_mm (3,) float64: edges; lower corner of 0, 0, 0."""

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
    """One event of a source. D is the number of deposits; they keep the source's order.

    entry: the event's place in the file, from 0. number: run, subrun and event as the source
    numbers them. energy_mev (D,) float. kind (D,) uint8 `taxonomy.Kind`, None if the source has no
    classes. vertex_mm (3,) where the interaction was, if known. remarks: what a user should know of
    the source. n_events: of the whole file, if that is known without reading it.
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
    """What a user can say of a source that the file does not, or not clearly.

    energy, labels: names of the products (producers, trees) to read. taxonomy: which numbering the
    labels have. voxel_mm: the edge of its voxels, for formats that do not keep it.
    """

    energy: str | None = None
    labels: str | None = None
    taxonomy: str | None = None
    voxel_mm: float | None = None
