"""Distribute a source's deposits over voxels of the wanted size.

The energy of a segment is divided among the voxels that it crosses, by length. The energy of a
voxel of another size is divided among the voxels that it overlaps, by volume. Voxels of the wanted
size are not changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lartpc_challenge.format import ChallengeError
from organizer.convert.deposits import Segments, SourceEvent, Voxels

SAME_SIZE = 1e-3  # relative difference; after 192 voxels this is a fifth of a voxel
_BLOCK_PIECES = 1 << 20
_MOST_CELLS = float(1 << 62)


@dataclass(frozen=True)
class Pieces:
    """P parts of deposits, each in one voxel.

    row (P,) int64: index of the deposit. cell (P, 3) int64: the voxel. share (P,) float64: part of
    the deposit's energy.
    """

    row: np.ndarray
    cell: np.ndarray
    share: np.ndarray


@dataclass(frozen=True)
class Cells:
    """The energy of an event in C voxels of the wanted size, before crop and threshold.

    cell (C, 3) int64: sorted by x, y, z, without repeats. parts_mev (n_labels, C) float64: the
    energy of each label; row 0 is the energy without a class.
    """

    cell: np.ndarray
    parts_mev: np.ndarray


def is_same_size(place: Voxels | Segments, voxel_mm: float) -> bool:
    """Return whether the source's voxels have the wanted size."""
    return isinstance(place, Voxels) and bool(
        (np.abs(place.grid.voxel_mm - voxel_mm) <= SAME_SIZE * voxel_mm).all()
    )


def lattice_mm(place: Voxels | Segments) -> np.ndarray:
    """Return the lower corner (3,) of voxel 0, 0, 0 of `cut`, in the source's mm."""
    return place.grid.origin_mm if isinstance(place, Voxels) else np.zeros(3)


def cut(place: Voxels | Segments, voxel_mm: float) -> Iterator[Pieces]:
    """Cut deposits into pieces within one voxel each; yield blocks of limited size.

    The shares of every deposit add up to 1.
    """
    if isinstance(place, Segments):
        way = np.abs(np.floor(place.start_mm / voxel_mm) - np.floor(place.end_mm / voxel_mm))
        for rows in _blocks(way.sum(axis=1) + 1):
            start, end = place.start_mm[rows] / voxel_mm, place.end_mm[rows] / voxel_mm
            segment, cell, share = split_by_cell(start, end)
            yield Pieces(segment + rows.start, cell, share)
    elif is_same_size(place, voxel_mm):
        n = len(place.index)
        yield Pieces(np.arange(n), place.index, np.ones(n))
    else:
        ratio = place.grid.voxel_mm / voxel_mm
        most = np.prod(np.floor(ratio) + 2)
        for rows in _blocks(np.full(len(place.index), most)):
            row, cell, share = split_voxels(place.index[rows], ratio)
            yield Pieces(row + rows.start, cell, share)


def tally(event: SourceEvent, voxel_mm: float, label_of_kind: np.ndarray) -> Cells:
    """Sum an event's energy by voxel and label. label_of_kind: `taxonomy.label_of_kind`."""
    n_labels = int(label_of_kind.max()) + 1
    label = np.zeros(len(event.energy_mev), np.int64)
    if event.kind is not None:
        label = label_of_kind[event.kind].astype(np.int64)
    energy = event.energy_mev.astype(np.float64)
    low, shape = _bounding_box(event, voxel_mm)
    keys, parts = [], []
    for pieces in cut(event.place, voxel_mm):
        offset = pieces.cell - low
        key = (offset[:, 0] * shape[1] + offset[:, 1]) * shape[2] + offset[:, 2]
        weight = energy[pieces.row] * pieces.share
        found, part = _sums(key, label[pieces.row][None], weight[None], n_labels)
        keys.append(found)
        parts.append(part)
    if len(keys) > 1:  # several blocks may share a voxel
        labels = np.arange(n_labels)[:, None]
        key, part = _sums(np.concatenate(keys), labels, np.concatenate(parts, axis=1), n_labels)
    elif keys:
        key, part = keys[0], parts[0]
    else:
        key, part = np.zeros(0, np.int64), np.zeros((n_labels, 0))
    return Cells(np.column_stack(np.unravel_index(key, tuple(shape))) + low, part)


def _sums(
    key: np.ndarray, label: np.ndarray, weight: np.ndarray, n_labels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the unique keys (m,), ascending, and the sums (n_labels, m) of their weights.

    key: (n,). weight: (k, n), weights of the labels in `label`, (1, n) or (k, 1).
    """
    order = np.argsort(key, kind="stable")
    key = key[order]
    is_new = np.ones(len(key), bool)
    is_new[1:] = key[1:] != key[:-1]
    found = key[is_new]
    place = np.cumsum(is_new) - 1
    label = label[:, order] if label.shape[1] > 1 or len(key) == 1 else label
    flat = (label * len(found) + place).ravel()
    summed = np.bincount(flat, weight[:, order].ravel(), minlength=n_labels * len(found))
    return found, summed.reshape(n_labels, len(found))


def _bounding_box(event: SourceEvent, voxel_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest cell (3,) int64 of the pieces of `cut`, and their extent per axis."""
    place = event.place
    if not len(event.energy_mev):
        return np.zeros(3, np.int64), np.ones(3, np.int64)
    if isinstance(place, Segments):
        ends = np.concatenate([place.start_mm, place.end_mm])
        low, high = ends.min(axis=0) / voxel_mm, ends.max(axis=0) / voxel_mm
    else:
        scale = 1.0 if is_same_size(place, voxel_mm) else place.grid.voxel_mm / voxel_mm
        low, high = place.index.min(axis=0) * scale, (place.index.max(axis=0) + 1) * scale
    low, high = np.floor(low) - 1, np.floor(high) + 2  # rounding moves a border by less than 1
    if np.prod(high - low) > _MOST_CELLS:
        km = (high - low).max() * voxel_mm / 1e6
        raise ChallengeError(
            f"event {event.event_id}: its deposits are {km:.3g} km apart; a coordinate or its unit "
            "is wrong"
        )
    return low.astype(np.int64), (high - low).astype(np.int64)


def _blocks(pieces: np.ndarray) -> Iterator[slice]:
    """Yield slices of deposits with about _BLOCK_PIECES pieces. pieces: (D,), per deposit."""
    start, end = 0, np.cumsum(pieces)
    while start < len(pieces):
        done = end[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(end, done + _BLOCK_PIECES, side="right")))
        yield slice(start, stop)
        start = stop


def split_voxels(index: np.ndarray, ratio: np.ndarray) -> tuple[np.ndarray, ...]:
    """Cut voxels `index` (D, 3) int64 that are `ratio` (3,) times as large as the wanted ones.

    Returns for each overlap: row (P,) int64, cell (P, 3) int64, and share (P,) of the volume, whose
    sum is 1 for every voxel.
    """
    row, cells, share = np.arange(len(index)), [], np.ones(len(index))
    for axis in range(3):
        low, high = index[row, axis] * ratio[axis], (index[row, axis] + 1) * ratio[axis]
        first = np.floor(low).astype(np.int64)
        steps = np.arange(int(np.floor(ratio[axis])) + 2)
        start = first[:, None] + steps
        overlap = np.minimum(high[:, None], start + 1) - np.maximum(low[:, None], start)
        where, step = np.nonzero(overlap > 1e-9 * ratio[axis])
        share = share[where] * overlap[where, step] / ratio[axis]
        row, cells = row[where], [cell[where] for cell in cells]
        cells.append(start[where, step])
    return row, np.column_stack(cells), share


def split_by_cell(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the cells that straight segments cross, exactly.

    start, end: (S, 3) in units of cells. Returns for each piece within a cell: segment (P,) int64,
    cell (P, 3) int64, and share (P,) of the segment's length, whose sum is 1 for every segment.
    """
    low, high = np.floor(np.minimum(start, end)), np.floor(np.maximum(start, end))
    rows = np.arange(len(start))
    segments, fractions = [rows, rows], [np.zeros(len(start)), np.ones(len(start))]
    for axis in range(3):
        # Planes low + 1 ... high are between the ends; compute the fraction at each crossing.
        crossings = (high - low)[:, axis].astype(np.int64)
        segment = np.repeat(rows, crossings)
        nth = np.arange(len(segment)) - np.repeat(np.cumsum(crossings) - crossings, crossings)
        plane = low[segment, axis] + 1 + nth
        segments.append(segment)
        fractions.append((plane - start[segment, axis]) / (end - start)[segment, axis])
    segment, fraction = np.concatenate(segments), np.concatenate(fractions)
    order = np.lexsort((fraction, segment))
    segment, fraction = segment[order], fraction[order]
    piece = np.flatnonzero(segment[1:] == segment[:-1])
    middle = (fraction[piece] + fraction[piece + 1]) / 2
    segment = segment[piece]
    place = start[segment] + (end - start)[segment] * middle[:, None]
    return segment, np.floor(place).astype(np.int64), np.diff(fraction)[piece]
