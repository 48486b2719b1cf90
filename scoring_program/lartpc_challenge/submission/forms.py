"""Write and read submissions in all their forms (FORMAT.md, "Submission").

`read_submission` is the only parser: the local check, the local score and the platforms' workers
all use it. Whether it accepts a submission depends on the manifest alone, which is public.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from lartpc_challenge.cycles import CYCLES, EMPTY, Cycle
from lartpc_challenge.events import COMPRESSION, check_offsets, has_repeats
from lartpc_challenge.files import StrPath, replacing
from lartpc_challenge.format import GRID_SIZE, ChallengeError
from lartpc_challenge.reference import Manifest
from lartpc_challenge.seal import append_seal
from lartpc_challenge.submission.csv_form import read_csv
from lartpc_challenge.submission.dense_form import check_dense, read_dense
from lartpc_challenge.submission.h5_guard import open_guarded
from lartpc_challenge.submission.labels import FROM_ONE, NO_MARKS, empty_advice, pred_advice
from lartpc_challenge.submission.problems import Problems
from lartpc_challenge.submission.sparse_form import read_sparse
from lartpc_challenge.submission.upload import Upload, open_upload

if TYPE_CHECKING:
    import numpy.typing as npt

SUBMISSION_MEMBER = "predictions.h5"
_COPY = "Copy event_id and offset from the test file"


def write_submission(
    path: StrPath, event_id: npt.ArrayLike, offset: npt.ArrayLike, pred: npt.ArrayLike
) -> None:
    """Write a submission in the preferred form: a zip that holds one HDF5 file.

    path: ends with .zip or has no suffix. event_id: (N,) integers. offset: (N+1,) integers,
    ascending from 0 to M. pred: (M,) integers, the labels of event i are
    pred[offset[i]:offset[i + 1]] with voxels in the test file's order. Labels begin at 1
    (argmax + 1). Equal arrays give equal bytes.

    Raises ValueError for arrays of another shape or type and for values that can't be labels,
    ChallengeError if the file can't be written. Warns if more than a third of the labels are 0,
    which is always wrong.
    """
    check_zip_name(path)
    event_id, offset, pred = _checked(event_id, offset, pred)
    n_empty = len(pred) - np.count_nonzero(pred)
    if 3 * n_empty > len(pred):
        warnings.warn(
            f"pred holds 0 for {n_empty:,} of {len(pred):,} voxels, which is always wrong: 0 means "
            f"empty. {FROM_ONE}",
            stacklevel=2,
        )
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["event_id"] = event_id.astype(np.uint32)
        file["offset"] = offset.astype(np.int64)
        storage = COMPRESSION if len(pred) else {}
        file.create_dataset("pred", data=pred.astype(np.uint8), **storage)
    append_seal(content)
    # A fixed date and system: equal content gives equal bytes.
    member = zipfile.ZipInfo(SUBMISSION_MEMBER, date_time=(1980, 1, 1, 0, 0, 0))
    member.create_system, member.external_attr = 3, 0o644 << 16
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr(member, content.getvalue())


def _checked(
    event_id: npt.ArrayLike, offset: npt.ArrayLike, pred: npt.ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the arguments of `write_submission` as arrays. Raises ValueError if one is wrong."""
    event_id, offset = np.asarray(event_id), np.asarray(offset)
    try:
        pred = np.asarray(pred)
    except ValueError:  # an array per event, of different lengths
        pred = np.empty(len(event_id), object)
    if event_id.ndim != 1 or event_id.dtype.kind not in "iu":
        raise ValueError(
            f"event_id is {event_id.dtype} {event_id.shape}, expected integers (N,). {_COPY}"
        )
    if event_id.size and not 0 <= int(event_id.min()) <= int(event_id.max()) < 1 << 32:
        raise ValueError("event_id must be from 0 to 4294967295")
    if has_repeats(event_id):
        raise ValueError(f"event_id holds an event twice. {_COPY}")
    if pred.ndim != 1 or pred.dtype.kind not in "iu":
        is_one_per_event = pred.dtype.kind != "O" or pred.shape == event_id.shape
        advice = pred_advice(pred.shape, pred.dtype.kind if is_one_per_event else "")
        raise ValueError(f"pred is {pred.dtype} {pred.shape}, expected integers (M,). {advice}")
    if offset.shape == (len(event_id) + 1,) and offset[-1] != len(pred):
        raise ValueError(
            f"pred has {len(pred):,} labels, but offset ends at {offset[-1]:,}: write one label "
            "for each voxel of the test file"
        )
    try:
        check_offsets(offset, len(event_id), len(pred), "submission", ValueError)
    except ValueError as reason:
        raise ValueError(f"{reason}. {_COPY}") from None
    highest = max(cycle.n_labels for cycle in CYCLES.values()) - 1
    if len(pred) and not 0 <= int(pred.min()) <= int(pred.max()) <= highest:
        wrong = pred.min() if pred.min() < 0 else pred.max()
        raise ValueError(
            f"pred holds {wrong}, expected labels up to {highest}. {FROM_ONE} {NO_MARKS}"
        )
    return event_id, offset, pred


def check_zip_name(path: StrPath) -> None:
    """Raise ChallengeError if the file name has another suffix than .zip."""
    if Path(path).suffix.lower() not in (".zip", ""):
        raise ChallengeError(
            f"{path}: a submission is written as a zip; give a name that ends with .zip"
        )


def class_table(pred: np.ndarray, cycle: Cycle) -> str:
    """Return a text table with the share of each label among the predicted labels.

    pred: (M,) labels. One line per label: number, name, share in percent; EMPTY only if it occurs.
    If many voxels are predicted to be empty, the last line is the advice of `empty_advice`.
    """
    count = np.bincount(pred, minlength=cycle.n_labels)
    shown = [label for label in cycle.predictable if label or count[label]]
    lines = [
        f"  {label:d} {cycle.label_names[label]:<18}{count[label] / max(len(pred), 1):7.1%}"
        for label in shown
    ]
    n_empty = count[EMPTY]
    if n_empty:
        lines[0] += f"   {n_empty:,} voxels, all wrong: every voxel of the test file has charge"
    advice = empty_advice(pred, cycle)
    if advice:
        lines.append(f"  {advice}")
    return "\n".join(lines)


def read_submission(
    path: StrPath, manifest: Manifest, lock: Callable[[bool], None] = lambda is_slow: None
) -> np.ndarray:
    """Read a submission and return its labels as (M,) uint8 in test-file voxel order.

    path: a zip, an unzipped .h5 or .csv file, or the folder into which a platform unpacked a zip.
    lock: is called when all needed files are open and before the first label is read, with whether
    the form is slow to read. It may take away the process's right to open files.
    Raises SubmissionError with one line per kind of problem.
    There are no limits on time and memory; use `sandbox.read_guarded` for files from strangers.
    """
    out = np.zeros(manifest.n_voxels, np.uint8)
    with open_upload(path) as upload:
        if upload.is_hdf5:
            _read_hdf5(upload, manifest, out, lock)
        else:
            coords = manifest.coords()
            lock(True)
            read_csv(upload, manifest, coords, out)
    return out


def _read_hdf5(
    upload: Upload, manifest: Manifest, out: np.ndarray, lock: Callable[[bool], None]
) -> None:
    with open_guarded(upload.name, upload.stream) as file:
        (pred,) = file.datasets("pred")
        volume = manifest.n_events * GRID_SIZE**3
        is_flattened = volume > 0 and pred.shape == (volume,)
        if len(pred.shape) == 4:
            check_dense(file, pred, manifest)
            coords = manifest.coords()
            lock(True)
            read_dense(pred, manifest, coords, out)
        elif len(pred.shape) == 1 and not is_flattened:
            lock(False)
            read_sparse(file, pred, manifest, out)
        else:
            expected = f"({manifest.n_voxels},) or ({manifest.n_events}, 192, 192, 192)"
            with Problems(file.name) as problems:
                problems.add(
                    f"pred has shape {pred.shape}, expected {expected}",
                    pred_advice(pred.shape, "i"),
                )
