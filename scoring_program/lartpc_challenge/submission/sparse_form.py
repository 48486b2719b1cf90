"""Reads the preferred form: event_id (N,), offset (N+1,) and pred (M,), ragged as test files are.

Events may come in any order, an event's voxels in the test file's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.h5_guard import GuardedDataset, GuardedFile
from lartpc_challenge.submission.labels import find_not_labels, note_not_labels
from lartpc_challenge.submission.problems import Cases, Problems


def read_sparse(
    file: GuardedFile,
    pred: GuardedDataset,
    manifest: Manifest,
    out: np.ndarray,
    problems: Problems,
    lock: Callable[[], None],
) -> None:
    """Fill out (M,) uint8 with the labels of the manifest's voxels. `lock`: see `read_into`."""
    lock()
    columns = {name: file.dataset(name, problems) for name in ("event_id", "offset")}
    problems.check()
    for dataset, shape in (
        (columns["event_id"], (manifest.n_events,)),
        (columns["offset"], (manifest.n_events + 1,)),
        (pred, (manifest.n_voxels,)),
    ):
        if dataset.shape != shape:
            problems.add(
                f"{dataset.name} has shape {dataset.shape}, expected {shape}",
                f"Cycle {manifest.cycle.number}'s test file has {manifest.n_events:,} events with "
                f"{manifest.n_voxels:,} voxels: is it what was predicted? Cover each of them once.",
            )
    problems.check()
    event_id, offset = columns["event_id"].read_all(), columns["offset"].read_all()
    rows = _check_events(event_id, manifest, problems)
    offset = _check_offset(event_id, offset, rows, manifest, problems)

    def word(place: int, value) -> str:
        event = int(np.searchsorted(offset, place, side="right")) - 1
        return f"{value} in event {event_id[event]}, voxel {place - offset[event]}"

    labels = _read_labels(pred, manifest, word, problems)
    starts = manifest.offset[rows]
    for start, first, last in zip(starts.tolist(), offset[:-1].tolist(), offset[1:].tolist()):
        out[start : start + last - first] = labels[first:last]


def _check_events(event_id: np.ndarray, manifest: Manifest, problems: Problems) -> np.ndarray:
    """(N,) rows in test-file order of the submission's events: each of them once."""
    rows = manifest.rows(event_id)
    advice = f"Copy event_id from cycle {manifest.cycle.number}'s test file."
    times = np.bincount(rows[rows >= 0], minlength=manifest.n_events)
    for what, events in (
        ("names events that the test file does not hold", event_id[rows < 0]),
        ("names events more than once", manifest.event_id[times > 1]),
        ("lacks events of the test file", manifest.event_id[times == 0]),
    ):
        cases = Cases()
        cases.add(events, lambda event: f"event {event}")
        problems.add_cases(f"event_id {what}", cases, advice)
    problems.check()
    return rows


def _check_offset(
    event_id: np.ndarray,
    offset: np.ndarray,
    rows: np.ndarray,
    manifest: Manifest,
    problems: Problems,
) -> np.ndarray:
    """`offset` as int64, with every event as long as in the test file."""
    offset = offset.astype(np.int64)
    if offset[0] != 0:
        problems.add(f"offset starts at {offset[0]}, expected 0")
    found, expected = np.diff(offset), np.diff(manifest.offset)[rows]
    cases = Cases()
    cases.add(
        np.flatnonzero(found != expected),
        lambda i: f"{found[i]} for event {event_id[i]} (expected {expected[i]})",
    )
    problems.add_cases(
        "offset gives events another number of voxels than the test file",
        cases,
        "Event i is pred[offset[i]:offset[i + 1]]: a value for each voxel of the test file.",
    )
    problems.check()
    return offset


def _read_labels(
    pred: GuardedDataset, manifest: Manifest, word: Callable[[int, int], str], problems: Problems
) -> np.ndarray:
    """(M,) uint8: all of `pred`; word(place, value) speaks of a value that is no label."""
    labels, bad = np.empty(pred.shape, np.uint8), Cases()
    for start, block in pred.read_blocks():
        bad.add(
            find_not_labels(block, manifest.cycle),
            lambda i, block=block, start=start: word(start + i, block[i]),
        )
        labels[start : start + len(block)] = block
    note_not_labels(problems, bad, manifest.cycle)
    problems.check()
    return labels
