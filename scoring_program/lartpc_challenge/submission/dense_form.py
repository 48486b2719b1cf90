"""Read the dense form of 2018: /pred (N, 192, 192, 192), row i for the test file's i-th event.

Only the chunks that contain a voxel of a test event are read. The values in other chunks and in
empty voxels are ignored, because they do not count.

Unpacking takes most of the time, 2 s per GiB: an event of uint32 in one chunk takes 60 to 90 ms.
The limits below refuse chunks that no writer chooses before any is unpacked, and the first chunk
with a wrong value or damage ends the reading. So a file takes long only if it scores, or if all is
right up to its last events: then it takes as long as one that scores. No order of reading changes
that, because a chunk must be unpacked to know whether it is right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lartpc_challenge.format import GRID_SHAPE, SubmissionError
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.h5_guard import GuardedDataset, GuardedFile
from lartpc_challenge.submission.labels import add_not_labels, file_title, find_not_labels
from lartpc_challenge.submission.problems import Cases, Problems

# Limits of the blocks (usually chunks) that have to be read, for at least FEW_EVENTS events:
MAX_EVENT_BLOCKS = 200  # per event, about 10 ms; 188 in cycle 3 as the kit of 2018 wrote them
MAX_GROWTH = 2  # all blocks against the array; chunks reach beyond its edges
MAX_BLOCK_BYTES = 72 << 30  # in all: unpacking more does not end within the time limit
FEW_EVENTS = 400
_BLOCK_VOXELS = 1 << 20


def check_dense(file: GuardedFile, pred: GuardedDataset, manifest: Manifest) -> None:
    """Raise SubmissionError unless `pred` holds the test file's events in the same order."""
    expected = (manifest.n_events, *GRID_SHAPE)
    with Problems(file.name) as problems:
        if pred.shape != expected:
            problems.add(
                f"pred has shape {pred.shape}, expected {expected}",
                f"Write one dense array per event of {file_title(manifest)}, in the same order.",
            )
            return
        if b"event_id" in file.names:  # optional in this form
            (event_id,) = file.datasets("event_id")
            if event_id.shape != expected[:1] or (event_id.read_all() != manifest.event_id).any():
                problems.add(
                    f"event_id differs from that of {file_title(manifest)}",
                    "Row i of a dense pred is the i-th event of that file: write them in that "
                    "order.",
                )


def read_dense(
    pred: GuardedDataset, manifest: Manifest, coords: np.ndarray, out: np.ndarray
) -> None:
    """Read the labels of all test voxels into `out`.

    coords: (M, 3) uint8, the voxels in test-file order. out: (M,) uint8, is filled in that order.
    Raises SubmissionError for values that are not labels and for a file that is too slow to read.
    """
    n_blocks = sum(len(place.spots) for place in _places(pred, manifest, coords))
    _check_cost(pred, n_blocks)
    for place in _places(pred, manifest, coords):
        _look_up(pred, place, manifest, out[place.rows])


def _check_cost(pred: GuardedDataset, n_blocks: int) -> None:
    """Raise SubmissionError if reading `n_blocks` blocks takes longer than the array deserves."""
    n_events = max(pred.shape[0], FEW_EVENTS)
    n_bytes = n_blocks * pred.block_bytes
    array_bytes = n_events * math.prod(GRID_SHAPE) * pred.dtype.itemsize
    most_blocks = MAX_EVENT_BLOCKS * n_events
    most_bytes = min(MAX_GROWTH * array_bytes, MAX_BLOCK_BYTES)
    if n_blocks > most_blocks or n_bytes > most_bytes:
        raise SubmissionError(
            f"{pred.file_name}: {n_blocks:,} blocks of {pred.block_bytes:,} bytes would have to be "
            f"unpacked, expected at most {most_blocks:,} and {most_bytes / (1 << 30):.1f} GiB. "
            "Write the sparse form (pred, event_id, offset): it is read in a second or two."
        )


def _row_blocks(offset: np.ndarray, depth: int) -> Iterator[range]:
    """Yield ranges of events with about _BLOCK_VOXELS voxels each.

    depth: events per chunk; a range ends between two chunks where it holds at least one.
    """
    start, n_events = 0, len(offset) - 1
    while start < n_events:
        stop = int(np.searchsorted(offset, offset[start] + _BLOCK_VOXELS, side="right")) - 1
        stop = max(stop, start + 1)
        if stop < n_events and stop - start >= depth:
            stop -= stop % depth
        yield range(start, stop)
        start = stop


class _Place(NamedTuple):
    """The voxels of some whole events, and the k blocks of `pred` that hold them.

    rows: the voxels' slice in test-file order. voxels (n, 4): event, x, y, z. order (n,): indices
    that sort the voxels by block. bounds (k,): the first voxel of each block in that order. spots
    (k, 4): the first corner of each block.
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


def _look_up(pred: GuardedDataset, place: _Place, manifest: Manifest, out: np.ndarray) -> None:
    """Read the labels of the voxels into `out` (n,) uint8. Each block is read once.

    Raises SubmissionError at the first block with a value that is not a label.
    """
    for mine, corner in zip(np.split(place.order, place.bounds[1:]), place.spots.tolist()):
        voxels = place.voxels[mine]
        values = pred.read_block(tuple(corner))[tuple((voxels - corner).T)]
        wrong = find_not_labels(values, manifest.cycle)
        if len(wrong):
            _refuse(pred.file_name, wrong, values, voxels, manifest)
        out[mine] = values


def _refuse(
    where: str, wrong: np.ndarray, values: np.ndarray, voxels: np.ndarray, manifest: Manifest
) -> None:
    """Raise SubmissionError for the values with the indices `wrong`; voxels: event, x, y, z."""

    def word(i: int) -> str:
        row, *place = voxels[i].tolist()
        return f"{values[i]} in event {manifest.event_id[row]} at {tuple(place)}"

    bad = Cases()
    bad.add(wrong, word)
    with Problems(where) as problems:
        add_not_labels(problems, bad, manifest.cycle)
