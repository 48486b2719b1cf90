"""Read the preferred form: event_id (N,), offset (N+1,) and pred (M,), as in a test file.

The events may be in any order. The voxels of an event must be in the test file's order.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.h5_guard import GuardedDataset, GuardedFile
from lartpc_challenge.submission.labels import add_not_labels, file_title, find_not_labels
from lartpc_challenge.submission.problems import Cases, Problems

MAX_CHUNKS = 100_000  # per data set; a chunk takes tens of microseconds


def read_sparse(
    file: GuardedFile, pred: GuardedDataset, manifest: Manifest, out: np.ndarray
) -> None:
    """Read the labels of all test voxels into `out` (M,) uint8, in test-file order.

    Raises SubmissionError for other events, lengths or values than expected.
    """
    event_id, offset = file.datasets("event_id", "offset")
    _check_length(event_id, offset, pred, manifest)
    _check_chunks(event_id, offset)
    event_id, offset = event_id.read_all(), offset.read_all().astype(np.int64)
    rows = _find_events(event_id, manifest, file.name)
    _check_offset(event_id, offset, rows, pred.shape[0], manifest, file.name)
    _check_chunks(pred)

    def word(place: int, value: int) -> str:
        event = int(np.searchsorted(offset, place, side="right")) - 1
        return f"{value} in event {event_id[event]}, voxel {place - offset[event]}"

    labels = _read_labels(pred, manifest, word)
    # Copy events together that follow one another in both files: mostly these are all.
    begins = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
    bounds = offset[np.append(begins, len(rows))]
    for start, first, last in zip(manifest.offset[rows[begins]], bounds, bounds[1:]):
        out[start : start + last - first] = labels[first:last]


def _check_length(
    event_id: GuardedDataset, offset: GuardedDataset, pred: GuardedDataset, manifest: Manifest
) -> None:
    """Raise SubmissionError unless the numbers of events and offsets are as in the test file."""
    title, n_events = file_title(manifest), manifest.n_events
    with Problems(pred.file_name) as problems:
        if event_id.shape == (manifest.n_voxels,) != (n_events,):
            problems.add(
                f"event_id has a number per voxel, {pred.shape[0]:,}, expected one per event, "
                f"{n_events:,}",
                f"Copy event_id and offset from {title}.",
            )
        elif event_id.shape != (n_events,) and len(event_id.shape) == 1:
            problems.add(
                f"covers {event_id.shape[0]:,} events with {pred.shape[0]:,} voxels, expected the "
                f"{n_events:,} events with {manifest.n_voxels:,} voxels of {title}",
                f"Did you predict another file, or a part? {_asked(manifest)}.",
            )
        else:
            for dataset, expected in ((event_id, (n_events,)), (offset, (n_events + 1,))):
                if dataset.shape != expected:
                    problems.add(
                        f"{dataset.name} has shape {dataset.shape}, expected {expected}",
                        f"Copy event_id and offset from {title}.",
                    )


def _check_chunks(*columns: GuardedDataset) -> None:
    with Problems(columns[0].file_name) as problems:
        for column in columns:
            if column.shape[0] > MAX_CHUNKS * column.block_shape[0]:
                problems.add(
                    f"{column.name} has more than {MAX_CHUNKS:,} chunks, of "
                    f"{column.block_shape[0]:,} values each",
                    "Write larger chunks, or let h5py choose: chunks=True.",
                )


def _asked(manifest: Manifest) -> str:
    return f"Expected are all events of {file_title(manifest)} of cycle {manifest.cycle.number}"


def _find_events(event_id: np.ndarray, manifest: Manifest, where: str) -> np.ndarray:
    """Return the index (N,) of each submitted event in the test file.

    Raises SubmissionError unless every event of the test file occurs exactly once.
    """
    rows, title = manifest.rows(event_id), file_title(manifest)
    is_known = rows >= 0
    times = np.bincount(rows[is_known], minlength=manifest.n_events)
    with Problems(where) as problems:
        if len(rows) and not is_known.any():
            problems.add(
                f"none of its {len(rows):,} events is in {title}",
                f"Did you predict another file? {_asked(manifest)}; copy its event_id.",
            )
            return rows
        for what, events in (
            (f"names events that are not in {title}", event_id[~is_known]),
            ("names events more than once", manifest.event_id[times > 1]),
            (f"lacks events of {title}", manifest.event_id[times == 0]),
        ):
            cases = Cases()
            cases.add(events, lambda event: f"event {event}")
            problems.add_cases(f"event_id {what}", cases, f"Copy event_id from {title}.")
    return rows


def _check_offset(
    event_id: np.ndarray,
    offset: np.ndarray,
    rows: np.ndarray,
    n_pred: int,
    manifest: Manifest,
    where: str,
) -> None:
    """Raise SubmissionError unless every event and `pred` have the lengths of the test file."""
    title = file_title(manifest)
    found, expected = np.diff(offset), np.diff(manifest.offset)[rows]
    cases = Cases()
    cases.add(
        np.flatnonzero(found != expected),
        lambda i: f"{found[i]} for event {event_id[i]} (expected {expected[i]})",
    )
    with Problems(where) as problems:
        if offset[0] != 0:
            problems.add(f"offset starts at {offset[0]}, expected 0")
        problems.add_cases(
            f"offset gives events another number of voxels than {title}",
            cases,
            f"Copy event_id and offset from {title}: its event i is pred[offset[i]:offset[i + 1]], "
            "one label per voxel.",
        )
        if not cases.count and n_pred != manifest.n_voxels:
            problems.add(
                f"pred has shape ({n_pred},), expected ({manifest.n_voxels},)",
                f"Write one label per voxel of {title}, event after event.",
            )


def _read_labels(
    pred: GuardedDataset, manifest: Manifest, word: Callable[[int, int], str]
) -> np.ndarray:
    """Read all of `pred` as (M,) uint8; word(place, value) describes a wrong value.

    Raises SubmissionError for values that are not labels of the cycle.
    """
    labels, bad = np.empty(pred.shape, np.uint8), Cases()
    for start, block in pred.read_blocks():
        bad.add(
            find_not_labels(block, manifest.cycle),
            lambda i, block=block, start=start: word(start + i, block[i]),
        )
        labels[start : start + len(block)] = block
    with Problems(pred.file_name) as problems:
        add_not_labels(problems, bad, manifest.cycle)
    return labels
