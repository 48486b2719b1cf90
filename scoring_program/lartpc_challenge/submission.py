"""Submissions: the predicted label of every voxel of a test file (FORMAT.md, "Submission").

Write:  write_submission("submission.zip", event_id, offset, pred)
Read:   read_submission("submission.zip", manifest) -> pred (M,) uint8 in test-file voxel order

`read_submission` is the only parser: the local check, the local score and the platforms' workers
all use it. What it accepts or refuses depends on the manifest alone, which is public.
"""

from __future__ import annotations

import io
import zipfile

import h5py
import numpy as np

from .events import COMPRESSION, check_offsets, replacing
from .reference import Manifest

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
    if offset.dtype.kind not in "iu":
        raise ValueError(f"offset is {offset.dtype}, expected integers")
    if pred.ndim != 1 or pred.dtype != np.uint8:
        raise ValueError(f"pred is {pred.dtype} {pred.shape}, expected uint8 (M,)")
    check_offsets(offset, len(event_id), len(pred), "submission", ValueError)
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name, values in (("event_id", event_id.astype(np.uint32)),
                             ("offset", offset.astype(np.int64)), ("pred", pred)):
            file.create_dataset(name, data=values, chunks=None if not values.size else True,
                                **(COMPRESSION if values.size else {}))
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
    with zipfile.ZipFile(path) as archive, h5py.File(
        io.BytesIO(archive.read(SUBMISSION_MEMBER)), "r"
    ) as file:
        return file["pred"][:]
