"""Reads a submission in a child process with limits: what breaks HDF5 can't break the scorer.

The child is forked, so that nothing is imported twice, and its labels come back through shared
memory. Once the files that it needs are open it gives up the right to open any other.
"""

from __future__ import annotations

import contextlib
import faulthandler
import math
import mmap
import os
import select
import signal
import sys
import time
import warnings
from typing import NoReturn

import numpy as np

from lartpc_challenge.format import ChallengeError, ReferenceDataError, SubmissionError
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.forms import read_into, read_submission
from lartpc_challenge.submission.upload import title

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

MEMORY_LIMIT = 1 << 30  # bytes, on top of what the process has mapped when the reading begins
TIME_LIMIT = 240  # seconds, of the clock and of the processor
_NO_LIMITS = "note: without limits on memory and time, which this system can't set"
_MAX_REPORT = 1 << 16  # bytes
# What a child reports: one of these or the name of an error, a newline, and text.
_DONE, _NO_MEMORY, _FAILED = "done", "no memory", "failed"
_ERRORS = {kind.__name__: kind for kind in (ChallengeError, SubmissionError, ReferenceDataError)}


def read_guarded(
    path, manifest: Manifest, memory_limit: int = MEMORY_LIMIT, time_limit: float = TIME_LIMIT
) -> np.ndarray:
    """`read_submission` in a child with limits. (M,) uint8 in test-file voxel order.

    Raises what `read_submission` raises, and SubmissionError where the child ran into a limit or
    died. Call it before the truth is read: the child starts with all that this process holds.
    """
    if not _can_limit():
        print(_NO_LIMITS, file=sys.stderr)
        return read_submission(path, manifest)
    shared = mmap.mmap(-1, max(manifest.n_voxels, 1))
    pred = np.frombuffer(shared, np.uint8, manifest.n_voxels)
    receiver, sender = os.pipe()
    child = _fork()
    if child == 0:
        _work(sender, pred, path, manifest, memory_limit, time_limit)
    try:
        os.close(sender)
        report, in_time = _receive(receiver, time_limit)
    finally:
        os.close(receiver)
        os.kill(child, signal.SIGKILL)
        status = _wait(child)
    kind, _, text = report.partition("\n")
    if kind == _DONE:
        return pred
    if kind in _ERRORS:
        raise _ERRORS[kind](text)
    name = title(path)
    if not in_time or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        raise SubmissionError(
            f"{name}: can't be read within {time_limit:g} seconds, the limit. "
            "Write the sparse form (pred, event_id, offset): it takes a second or two."
        )
    if kind == _NO_MEMORY:
        raise SubmissionError(
            f"{name}: can't be read with {memory_limit >> 20:,} MiB of memory, the limit. "
            "It is damaged, or its chunks are too large: write smaller ones or the sparse form."
        )
    raise SubmissionError(
        f"{name}: can't be read: it is damaged in a way that stops its reader "
        f"({text or _death(status)}). Write and upload the file again."
    )


def _can_limit() -> bool:
    # Linux alone counts and limits a process's memory in this way. Elsewhere a participant reads a
    # file of their own, against which nothing needs to be guarded.
    return sys.platform == "linux" and resource is not None and hasattr(os, "fork")


def _fork() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns of threads, which numpy's BLAS has: the child doesn't use it.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _wait(child: int) -> int:
    """The status that it ended with, as of os.waitpid."""
    try:
        return os.waitpid(child, 0)[1]
    except ChildProcessError:  # SIGCHLD is ignored: the system has dropped the status
        return 0


def _receive(receiver: int, time_limit: float) -> tuple[str, bool]:
    """What the child reports, and whether it came to an end in time."""
    deadline = time.monotonic() + time_limit
    poll, report = select.poll(), b""
    poll.register(receiver, select.POLLIN)
    while len(report) <= _MAX_REPORT:
        if not poll.poll(max(0, 1000 * (deadline - time.monotonic()))):
            return "", False
        part = os.read(receiver, _MAX_REPORT)
        if not part:
            break
        report += part
    return report.decode("utf-8", "replace"), True


def _death(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit status {os.WEXITSTATUS(status)}"


# ---- in the child


def _work(
    sender: int, pred: np.ndarray, path, manifest: Manifest, memory_limit: int, time_limit: float
) -> NoReturn:
    """Read into the shared `pred`, report, and end the process whatever happens."""
    try:
        os.write(sender, _read(pred, path, manifest, memory_limit, time_limit)[:_MAX_REPORT])
    finally:
        os._exit(1)


def _read(
    pred: np.ndarray, path, manifest: Manifest, memory_limit: int, time_limit: float
) -> bytes:
    try:
        _silence()
        _limit(memory_limit, time_limit)
        read_into(pred, path, manifest, lock=_lock)
        report = _DONE
    except tuple(_ERRORS.values()) as problem:
        report = f"{type(problem).__name__}\n{problem}"
    except MemoryError:
        report = _NO_MEMORY
    except BaseException as reason:  # a hostile file may find any; its text could be anything
        report = f"{_FAILED}\n{type(reason).__name__}"
    return report.encode()


def _silence() -> None:
    """Let nothing that the C libraries print come through."""
    faulthandler.disable()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)


def _limit(memory_limit: int, time_limit: float) -> None:
    # The address space holds what the parent had mapped, hundreds of megabytes: count from there.
    with contextlib.suppress(FileNotFoundError), open("/proc/self/statm") as sizes:
        mapped = int(sizes.read().split()[0]) * resource.getpagesize()
        _set_limit(resource.RLIMIT_AS, mapped + memory_limit)
    _set_limit(resource.RLIMIT_CPU, math.ceil(time_limit))
    _set_limit(resource.RLIMIT_CORE, 0)


def _lock() -> None:
    """Give up the right to open files: no link in a submission leads anywhere from here on."""
    _set_limit(resource.RLIMIT_NOFILE, 0)


def _set_limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))
