"""Calls a function in a child process with limits: a hang, a crash or a bomb can't reach this one.

HDF5 hangs, crashes or takes all memory over damaged and hostile files. The child is forked, so that
nothing is imported twice and it can work on what this process holds.
"""

from __future__ import annotations

import contextlib
import faulthandler
import math
import os
import pickle
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

from lartpc_challenge.format import ChallengeError, ReferenceDataError, SubmissionError

if sys.platform != "win32":
    import resource

MEMORY_LIMIT = 1 << 30  # bytes, on top of what the process has mapped when the call begins
TIME_LIMIT = 240  # seconds, of the clock and of the processor

_MOST_RESULT_BYTES = 1 << 30  # of `read_in_child`: a manifest or scores
_Result = TypeVar("_Result")

# What a child reports: one of these or the name of an error, a newline, and the rest.
_DONE, _NO_MEMORY, _FAILED = b"done", b"no memory", b"failed"
_ERRORS = {
    kind.__name__.encode(): kind for kind in (ChallengeError, SubmissionError, ReferenceDataError)
}


class LimitError(Exception):
    """The child ran into a limit, or died. The text says in what, as a clause."""


class TimeLimitError(LimitError):
    """It took longer than it may."""


class MemoryLimitError(LimitError):
    """It needed more memory than it may take."""


def can_guard() -> bool:
    """Whether this system can limit a process's memory and time: Linux alone can.

    Elsewhere a participant reads a file of their own, against which nothing needs to be guarded.
    """
    return sys.platform == "linux" and hasattr(os, "fork")


def call_guarded(
    function: Callable[[], bytes],
    *,
    memory_limit: int = MEMORY_LIMIT,
    time_limit: float = TIME_LIMIT,
    most_bytes: int = 1 << 16,
) -> bytes:
    """What `function` returns in a child process, cut after about `most_bytes`.

    Raises the ChallengeError that `function` raises, or LimitError. What else it does is lost with
    the child, but for what it writes into shared memory. Only where `can_guard`.
    """
    receiver, sender = os.pipe()
    child = _fork()
    if child == 0:
        _work(sender, function, memory_limit, time_limit)
    try:
        os.close(sender)
        report = _receive(receiver, time_limit, most_bytes)
    finally:
        os.close(receiver)
        status = _end(child)
    kind, _, rest = report.partition(b"\n")
    if kind == _DONE:
        return rest
    if kind in _ERRORS:
        raise _ERRORS[kind](_text(rest))
    if kind == _NO_MEMORY:
        raise MemoryLimitError(f"needs more than {memory_limit >> 20:,} MiB of memory, the limit")
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        raise _late(time_limit)
    raise LimitError(_text(rest) or _death(status))


def read_in_child(
    path: Path, function: Callable[[], _Result], *, error: type[ChallengeError] = ReferenceDataError
) -> _Result:
    """What `function`, which reads the file at `path` alone, returns in a child where that can be.

    Raises the ChallengeError that `function` raises, and `error` where the child ran into a limit
    or died.
    """
    if not can_guard():
        return function()
    try:
        return pickle.loads(
            call_guarded(lambda: pickle.dumps(function()), most_bytes=_MOST_RESULT_BYTES)
        )
    except LimitError as limit:
        raise error(f"{path}: can't be read: {limit}") from limit


def _text(report: bytes) -> str:
    return report.decode("utf-8", "surrogateescape")  # a path can be no text


def _fork() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns of threads, which numpy's BLAS has: the child doesn't use it.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _end(child: int) -> int:
    """The status with which the child has ended, or with which it ends now.

    0 where SIGCHLD is ignored, as a parent may have left it: the system keeps no status then.
    """
    try:
        os.kill(child, signal.SIGKILL)
        return os.waitpid(child, 0)[1]
    except (ProcessLookupError, ChildProcessError):
        return 0


def _receive(receiver: int, time_limit: float, most_bytes: int) -> bytes:
    """What the child reports. TimeLimitError where it does not come to an end in time."""
    deadline = time.monotonic() + time_limit
    poll, report = select.poll(), bytearray()
    poll.register(receiver, select.POLLIN)
    while len(report) <= most_bytes:
        if not poll.poll(max(0, 1000 * (deadline - time.monotonic()))):
            raise _late(time_limit)
        part = os.read(receiver, 1 << 16)
        if not part:
            break
        report += part
    return bytes(report[:most_bytes])


def _late(time_limit: float) -> TimeLimitError:
    return TimeLimitError(f"takes longer than {time_limit:g} seconds, the limit")


def _death(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit status {os.WEXITSTATUS(status)}"


# ---- in the child


def _work(
    sender: int, function: Callable[[], bytes], memory_limit: int, time_limit: float
) -> NoReturn:
    """Call `function`, report, and end the process whatever happens."""
    try:
        with open(sender, "wb", buffering=0) as pipe:
            rest = memoryview(_report(function, memory_limit, time_limit))
            while rest:
                rest = rest[pipe.write(rest) :]
    finally:
        os._exit(1)


def _report(function: Callable[[], bytes], memory_limit: int, time_limit: float) -> bytes:
    try:
        _silence()
        _limit(memory_limit, time_limit)
        return _DONE + b"\n" + function()
    except ChallengeError as problem:
        return f"{type(problem).__name__}\n{problem}".encode("utf-8", "surrogateescape")
    except MemoryError:
        return _NO_MEMORY
    except BaseException as reason:  # a hostile file may find any; its text could be anything
        return _FAILED + f"\n{type(reason).__name__}".encode()


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


def forbid_opening() -> None:
    """Give up the right to open files: no link in a submission leads anywhere from here on."""
    _set_limit(resource.RLIMIT_NOFILE, 0)


def _set_limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))
