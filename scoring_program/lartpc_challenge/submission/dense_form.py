"""Reads the dense form of 2018: /pred (N, 192, 192, 192), row i for the test file's i-th event.

Only the chunks that hold a voxel of a test event are read, so what stands in the others, and on
empty voxels, is not looked at: it does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from lartpc_challenge.format import GRID_SHAPE
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.h5_guard import GuardedDataset, GuardedFile
from lartpc_challenge.submission.labels import file_title, find_not_labels, note_not_labels
from lartpc_challenge.submission.problems import Cases, Problems

_BLOCK_VOXELS = 1 << 20


def read_dense(
    file: GuardedFile,
    pred: GuardedDataset,
    manifest: Manifest,
    out: np.ndarray,
    problems: Problems,
    lock: Callable[[], None],
) -> None:
    """Fill out (M,) uint8 with the labels of the manifest's voxels. `lock`: see `read_into`."""
    expected = (manifest.n_events, *GRID_SHAPE)
    if pred.shape != expected:
        problems.add(
            f"pred has shape {pred.shape}, expected {expected}",
            f"Write one dense array for each event of {file_title(manifest)}, in its order.",
        )
        problems.check()
    _check_order(file, manifest, problems)
    coords = manifest.coords()
    lock()
    bad = Cases()
    for rows in _row_blocks(manifest.offset, pred.block_shape[0]):
        voxels = slice(manifest.offset[rows.start], manifest.offset[rows.stop])
        row = np.repeat(
            np.arange(rows.start, rows.stop), np.diff(manifest.offset[rows.start : rows.stop + 1])
        )
        place = np.column_stack([row, coords[voxels]])
        values = _look_up(pred, place)
        bad.add(
            find_not_labels(values, manifest.cycle),
            lambda i, place=place, values=values: _word(manifest, place[i], values[i]),
        )
        out[voxels] = values
    note_not_labels(problems, bad, manifest.cycle)
    problems.check()


def _check_order(file: GuardedFile, manifest: Manifest, problems: Problems) -> None:
    """An event_id beside a dense pred is not needed; one in another order would be misread."""
    if b"event_id" not in file.names:
        return
    event_id = file.dataset("event_id", problems)
    problems.check()
    if (
        event_id.shape != manifest.event_id.shape
        or (event_id.read_all() != manifest.event_id).any()
    ):
        problems.add(
            f"event_id differs from that of {file_title(manifest)}",
            "Row i of a dense pred is that file's i-th event: write it in that order.",
        )
        problems.check()


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


def _look_up(pred: GuardedDataset, place: np.ndarray) -> np.ndarray:
    """(n,): the values at place (n, 4), each chunk read once."""
    values = np.empty(len(place), pred.dtype)
    shape, step = np.array(pred.shape), np.array(pred.block_shape)
    spot = place // step
    key = np.ravel_multi_index(tuple(spot.T), tuple(-(-shape // step)))
    order = np.argsort(key, kind="stable")
    first = np.flatnonzero(np.diff(key[order], prepend=-1))
    for mine in np.split(order, first[1:]):
        corner = spot[mine[0]] * step
        block = pred.read_block(tuple(corner.tolist()))
        values[mine] = block[tuple((place[mine] - corner).T)]
    return values
