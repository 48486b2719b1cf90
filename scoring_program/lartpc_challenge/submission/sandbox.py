"""Read a submission in a child process with limits, so that a hostile file can't crash the scorer.

The child sends back only the labels. When the files that it needs are open, it gives up the right
to open others.
"""

from __future__ import annotations

import sys

import numpy as np

from lartpc_challenge.files import StrPath
from lartpc_challenge.format import SubmissionError
from lartpc_challenge.guarded import (
    MEMORY_LIMIT,
    TIME_LIMIT,
    LimitError,
    MemoryLimitError,
    TimeLimitError,
    call_guarded,
    can_guard,
    forbid_opening,
    limit_time,
    read_in_child,
)
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.forms import read_submission
from lartpc_challenge.submission.upload import title

# CPU time to unpack and open a file (HDF5 can loop if it is damaged) and to read the sparse form:
# a second or two, and up to eight for the largest file.
SHORT_SECONDS, EVENT_SECONDS = 8, 0.002

_ADVICE = {
    TimeLimitError: "slow to read: write the sparse form (pred, event_id, offset), which is read "
    "in a second or two",
    MemoryLimitError: "its chunks are too large: write smaller ones or the sparse form",
}
_NO_LIMITS = "note: read without limits on memory and time, which this system can't set"


def read_guarded(
    path: StrPath,
    manifest: Manifest,
    memory_limit: int = MEMORY_LIMIT,
    time_limit: float = TIME_LIMIT,
) -> np.ndarray:
    """Read a submission in a child process; return (M,) uint8 labels in test-file voxel order.

    memory_limit: bytes. time_limit: seconds. Raises the same errors as `read_submission`, and
    SubmissionError if the child exceeds a limit or crashes. Call it before the truth is read: the
    child has a copy of this process's memory.
    """
    if not can_guard():
        print(_NO_LIMITS, file=sys.stderr)
        return read_submission(path, manifest)

    def lock(is_slow: bool) -> None:
        forbid_opening()
        if is_slow:
            limit_time(time_limit)

    def read() -> memoryview:
        limit_time(SHORT_SECONDS + EVENT_SECONDS * manifest.n_events)
        return read_submission(path, manifest, lock).data

    try:
        labels = call_guarded(
            read, memory_limit=memory_limit, time_limit=time_limit, most_bytes=manifest.n_voxels
        )
    except LimitError as limit:
        read_in_child(manifest.path, manifest.coords)  # the fault may be the reference's
        what = f"it is damaged, and the reader crashed ({limit}). Write and upload the file again."
        if type(limit) in _ADVICE:
            what = f"it {limit}. It is damaged, or {_ADVICE[type(limit)]}."
        raise SubmissionError(f"{title(path)}: can't be read: {what}") from limit
    return np.frombuffer(labels, np.uint8, manifest.n_voxels)
