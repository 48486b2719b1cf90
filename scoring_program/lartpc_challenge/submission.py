"""Submissions: the predicted label of every voxel of a test file (FORMAT.md, "Submission").

Write:  write_submission("submission.zip", event_id, offset, pred)
Read:   read_submission("submission.zip", manifest) -> pred (M,) uint8 in test-file voxel order

`read_submission` is the only parser: the local check, the local score and the platforms' workers
all use it. What it accepts or refuses depends on the manifest alone, which is public.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import h5py
import numpy as np

from .coverage import EventIndex, not_labels, note_not_labels
from .csv_form import read_csv
from .dense_form import read_dense
from .events import COMPRESSION, check_offsets, replacing
from .h5_guard import GuardedDataset, GuardedFile, open_guarded
from .problems import Cases, Problems
from .reference import Manifest
from .upload import Upload, open_upload

SUBMISSION_MEMBER = "predictions.h5"


def write_submission(path, event_id, offset, pred) -> None:
    """Write a submission in the preferred form: a zip that holds one HDF5 file.

    event_id (N,) integers; offset (N+1,) integers, from 0 to M; pred (M,) uint8: the labels of
    event i are pred[offset[i]:offset[i + 1]], voxels in the test file's order. Equal arrays give
    equal bytes. Raises ValueError for other arrays, ChallengeError where `path` can't be written.
    """
    event_id, offset, pred = np.asarray(event_id), np.asarray(offset), np.asarray(pred)
    if event_id.ndim != 1 or event_id.dtype.kind not in "iu":
        raise ValueError(f"event_id is {event_id.dtype} {event_id.shape}, expected integers (N,)")
    if event_id.size and not 0 <= int(event_id.min()) <= int(event_id.max()) < 1 << 32:
        raise ValueError("event_id must lie in 0 to 4294967295")
    if pred.ndim != 1 or pred.dtype != np.uint8:
        raise ValueError(f"pred is {pred.dtype} {pred.shape}, expected uint8 (M,)")
    if offset.dtype.kind == "u":
        offset = offset.astype(np.int64)  # a step down between unsigned numbers is a large one up
    check_offsets(offset, len(event_id), len(pred), "submission", ValueError)
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["event_id"] = event_id.astype(np.uint32)
        file["offset"] = offset.astype(np.int64)
        file.create_dataset("pred", data=pred, **(COMPRESSION if len(pred) else {}))
    # A fixed date and system, so that the zip is as reproducible as its content.
    member = zipfile.ZipInfo(SUBMISSION_MEMBER, date_time=(1980, 1, 1, 0, 0, 0))
    member.create_system, member.external_attr = 3, 0o644 << 16
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr(member, content.getvalue())


def read_submission(path, manifest: Manifest) -> np.ndarray:
    """(M,) uint8: the predicted labels in test-file voxel order.

    path: a zip, a bare .h5 or .csv, or the folder into which a platform unpacked one.
    Raises SubmissionError, one line for each kind of problem.
    Runs in this process, without limits: a hostile file belongs into `sandbox.read_guarded`.
    """
    out = np.zeros(manifest.n_voxels, np.uint8)
    read_into(out, path, manifest)
    return out


def read_into(
    out: np.ndarray, path, manifest: Manifest, lock: Callable[[], None] = lambda: None
) -> None:
    """`read_submission` into out (M,) uint8.

    `lock` is called before the first label is read, once all files are open that are needed: from
    there on the reader does without the right to open one.
    """
    with open_upload(path) as upload:
        if upload.is_hdf5:
            _read_hdf5(upload, manifest, out, lock)
        else:
            read_csv(upload, manifest, out, lock)


def _read_hdf5(
    upload: Upload, manifest: Manifest, out: np.ndarray, lock: Callable[[], None]
) -> None:
    with open_guarded(upload.name, upload.stream) as file:
        problems = Problems(upload.name)
        pred = file.dataset("pred", problems)
        problems.check()
        if len(pred.shape) == 4:
            _check_dense_order(file, manifest, problems)
            read_dense(pred, manifest, out, problems, lock)
        else:
            lock()
            _read_sparse(file, pred, manifest, out, problems)


def _check_dense_order(file: GuardedFile, manifest: Manifest, problems: Problems) -> None:
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
            "event_id differs from the test file's",
            "Row i of a dense pred is the test file's i-th event: write it in that order.",
        )
        problems.check()


def _read_sparse(
    file: GuardedFile, pred: GuardedDataset, manifest: Manifest, out: np.ndarray, problems: Problems
) -> None:
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
                f"The test file has {manifest.n_events:,} events with {manifest.n_voxels:,} voxels;"
                " cover each of them once.",
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
    # uint64 beyond int64 wraps to negative numbers, which are no event's either.
    rows = EventIndex(manifest).rows(event_id.astype(np.int64))
    times = np.bincount(rows[rows >= 0], minlength=manifest.n_events)
    for what, events in (
        ("names events that the test file does not hold", event_id[rows < 0]),
        ("names events more than once", manifest.event_id[times > 1]),
        ("lacks events of the test file", manifest.event_id[times == 0]),
    ):
        cases = Cases()
        cases.add(events, lambda event: f"event {event}")
        problems.add_cases(
            f"event_id {what}", cases, "Copy event_id from the test file that belongs to the phase."
        )
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
            not_labels(block, manifest.cycle),
            lambda i, block=block, start=start: word(start + i, block[i]),
        )
        labels[start : start + len(block)] = block
    note_not_labels(problems, bad, manifest.cycle)
    problems.check()
    return labels
