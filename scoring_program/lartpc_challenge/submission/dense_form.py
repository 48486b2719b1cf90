"""Reads the dense form of 2018: /pred (N, 192, 192, 192), row i for the test file's i-th event.

Only the chunks that hold a voxel of a test event are read, so what stands in the others, and on
empty voxels, is not looked at: it does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lartpc_challenge.format import GRID_SHAPE, SubmissionError
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.h5_guard import GuardedDataset, GuardedFile
from lartpc_challenge.submission.labels import file_title, find_not_labels, not_labels
from lartpc_challenge.submission.problems import Cases, Problems

MAX_BLOCKS = 200_000  # that are read, chunks mostly: each costs a tenth of a millisecond
MAX_BLOCK_BYTES = 32 << 30  # of all of them: 1,000 events of 2018, each a chunk of uint32
_BLOCK_VOXELS = 1 << 20


def check_dense(file: GuardedFile, pred: GuardedDataset, manifest: Manifest) -> None:
    """Raise SubmissionError unless `pred` holds the manifest's events, in its order."""
    expected = (manifest.n_events, *GRID_SHAPE)
    with Problems(file.name) as problems:
        if pred.shape != expected:
            problems.add(
                f"pred has shape {pred.shape}, expected {expected}",
                f"Write one dense array for each event of {file_title(manifest)}, in its order.",
            )
        elif b"event_id" in file.names and not _same_order(file, manifest):
            problems.add(
                f"event_id differs from that of {file_title(manifest)}",
                "Row i of a dense pred is that file's i-th event: write it in that order.",
            )


def _same_order(file: GuardedFile, manifest: Manifest) -> bool:
    """Whether an event_id, which needn't be there, says what the test file says."""
    (event_id,) = file.datasets("event_id")
    return event_id.shape == manifest.event_id.shape and np.array_equal(
        event_id.read_all(), manifest.event_id
    )


def read_dense(
    pred: GuardedDataset, manifest: Manifest, coords: np.ndarray, out: np.ndarray
) -> None:
    """Fill out (M,) uint8 with the labels of the manifest's voxels, which lie at coords (M, 3).

    Raises SubmissionError where a value is no label, or where too much would have to be read.
    """
    name = pred.file_name
    _check_cost(pred, sum(len(place.spots) for place in _places(pred, manifest, coords)))
    bad = Cases()
    for place in _places(pred, manifest, coords):
        values = _look_up(pred, place)
        bad.add(
            find_not_labels(values, manifest.cycle),
            lambda i, place=place, values=values: _word(manifest, place.voxels[i], values[i]),
        )
        out[place.rows] = values
    what, advice = not_labels(manifest.cycle)
    with Problems(name) as problems:
        problems.add_cases(what, bad, advice)


def _check_cost(pred: GuardedDataset, n_blocks: int) -> None:
    """Raise SubmissionError where it would take minutes to read so many blocks."""
    n_bytes = n_blocks * pred.block_bytes
    if n_blocks > MAX_BLOCKS or n_bytes > MAX_BLOCK_BYTES:
        raise SubmissionError(
            f"{pred.file_name}: {n_blocks:,} blocks of {pred.block_bytes:,} bytes would have to be "
            f"unpacked, expected at most {MAX_BLOCKS:,} and {MAX_BLOCK_BYTES >> 30} GiB. "
            "Write the sparse form (pred, event_id, offset): it takes a second or two."
        )


def _word(manifest: Manifest, place: np.ndarray, value) -> str:
    row, x, y, z = place.tolist()
    return f"{value} in event {manifest.event_id[row]} at ({x}, {y}, {z})"


def _row_blocks(offset: np.ndarray, depth: int) -> Iterator[range]:
    """Cut the events into blocks of about _BLOCK_VOXELS, between chunks `depth` rows deep."""
    start, n_events = 0, len(offset) - 1
    while start < n_events:
        stop = int(np.searchsorted(offset, offset[start] + _BLOCK_VOXELS, side="right")) - 1
        stop = max(stop, start + 1)
        if stop < n_events and stop - start >= depth:
            stop -= stop % depth
        yield range(start, stop)
        start = stop


class _Place(NamedTuple):
    """Some whole events: where their voxels stand in the manifest, in `pred`, and in its blocks.

    voxels (n, 4): event, x, y, z. order (n,): the voxels block by block; bounds: where each block's
    begin in it. spots (k, 4): the blocks' corners.
    """

    rows: slice
    voxels: np.ndarray
    order: np.ndarray
    bounds: np.ndarray
    spots: np.ndarray


def _places(pred: GuardedDataset, manifest: Manifest, coords: np.ndarray) -> Iterator[_Place]:
    shape, step = np.array(pred.shape), np.array(pred.block_shape)
    n_steps = tuple((-(-shape // step)).tolist())
    for events in _row_blocks(manifest.offset, pred.block_shape[0]):
        rows = slice(*manifest.offset[[events.start, events.stop]].tolist())
        lengths = np.diff(manifest.offset[events.start : events.stop + 1])
        event = np.repeat(np.arange(events.start, events.stop), lengths)
        voxels = np.column_stack([event, coords[rows]])
        key = np.asarray(np.ravel_multi_index(tuple((voxels // step).T), n_steps))
        order = np.argsort(key, kind="stable")
        bounds = np.flatnonzero(np.diff(key[order], prepend=-1))
        spots = np.column_stack(np.unravel_index(key[order[bounds]], n_steps)) * step
        yield _Place(rows, voxels, order, bounds, spots)


def _look_up(pred: GuardedDataset, place: _Place) -> np.ndarray:
    """(n,): the values at the voxels, each block read once."""
    values = np.empty(len(place.voxels), pred.dtype)
    stops = [*place.bounds[1:].tolist(), len(place.order)]
    for first, stop, corner in zip(place.bounds.tolist(), stops, place.spots.tolist()):
        mine = place.order[first:stop]
        block = pred.read_block(tuple(corner))
        values[mine] = block[tuple((place.voxels[mine] - corner).T)]
    return values
