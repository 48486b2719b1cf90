"""Call a function in a child process with limits on time and memory.

HDF5 can hang, crash or use all memory when it reads damaged or hostile files. The child process is
forked, so that it has the modules and data of this process.
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

MEMORY_LIMIT = 1 << 30  # bytes, in addition to the memory that is mapped when the call begins
TIME_LIMIT = 240  # seconds, of wall time and of CPU time

_MOST_TEXT_BYTES = 1 << 16  # of an error
_MOST_RESULT_BYTES = 1 << 30  # of a pickled manifest or of scores in `read_in_child`
_Result = TypeVar("_Result")

# The first line of a child's report is one of these or the name of an exception.
_DONE, _NO_MEMORY, _FAILED = b"done", b"no memory", b"failed"
_ERRORS = {
    kind.__name__.encode(): kind for kind in (ChallengeError, SubmissionError, ReferenceDataError)
}


class LimitError(Exception):
    """The child exceeded a limit or crashed. The text is a clause that says why."""


class TimeLimitError(LimitError):
    """The child exceeded the time limit."""


class MemoryLimitError(LimitError):
    """The child exceeded the memory limit."""


def can_guard() -> bool:
    """Return whether this system can limit the memory and time of a process: only Linux can.

    On other systems participants read their own files, which need no limits.
    """
    return sys.platform == "linux" and hasattr(os, "fork")


def call_guarded(
    function: Callable[[], bytes | memoryview],
    *,
    memory_limit: int = MEMORY_LIMIT,
    time_limit: float = TIME_LIMIT,
    most_bytes: int,
) -> memoryview:
    """Call `function` in a child process and return the bytes of its result, which can be changed.

    memory_limit: bytes. time_limit: seconds. most_bytes: the length of the longest result. Raises
    the ChallengeError that `function` raises, or LimitError. Call it only if `can_guard()`.
    """
    receiver, sender = os.pipe()
    child = _fork()
    if child == 0:
        _work(sender, function, memory_limit, time_limit)
    try:
        os.close(sender)
        report = _receive(receiver, time_limit, most_bytes + _MOST_TEXT_BYTES)
    finally:
        os.close(receiver)
        status = _end(child)
    end = max(report.find(b"\n"), 0)  # of an empty report, too: the child died
    kind, rest = bytes(report[:end]), memoryview(report)[end + 1 :]
    if kind == _DONE:
        return rest
    if kind in _ERRORS:
        raise _ERRORS[kind](_text(rest))
    if kind == _NO_MEMORY:
        raise MemoryLimitError(f"needs more than {memory_limit >> 20:,} MiB of memory, the limit")
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        raise TimeLimitError("needs more CPU time than the limit")
    raise LimitError(_text(rest) or _death(status))


def read_in_child(
    path: Path, function: Callable[[], _Result], *, error: type[ChallengeError] = ReferenceDataError
) -> _Result:
    """Call `function`, which reads only the file at `path`, in a child process if possible.

    Raises the ChallengeError that `function` raises, and `error` if the child exceeds a limit or
    crashes.
    """
    if not can_guard():
        return function()
    try:
        return pickle.loads(
            call_guarded(lambda: pickle.dumps(function()), most_bytes=_MOST_RESULT_BYTES)
        )
    except LimitError as limit:
        raise error(f"{path}: can't be read: {limit}") from limit


def _text(report: memoryview) -> str:
    # A path may not be valid UTF-8.
    return bytes(report[:_MOST_TEXT_BYTES]).decode("utf-8", "surrogateescape")


def _fork() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns because numpy's BLAS has threads. The child does not use BLAS.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _end(child: int) -> int:
    """Kill the child if it still runs, and return its wait status.

    0 if SIGCHLD is ignored (inherited from the parent): then the system keeps no status.
    """
    try:
        os.kill(child, signal.SIGKILL)
        return os.waitpid(child, 0)[1]
    except (ProcessLookupError, ChildProcessError):
        return 0


def _receive(receiver: int, time_limit: float, most_bytes: int) -> bytearray:
    """Return the child's report. Raises TimeLimitError if it takes too long."""
    deadline = time.monotonic() + time_limit
    poll, report = select.poll(), bytearray()
    poll.register(receiver, select.POLLIN)
    while len(report) <= most_bytes:
        if not poll.poll(max(0, 1000 * (deadline - time.monotonic()))):
            raise TimeLimitError(f"takes longer than {time_limit:g} seconds, the limit")
        part = os.read(receiver, 1 << 16)
        if not part:
            break
        report += part
    del report[most_bytes:]
    return report


def _death(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit status {os.WEXITSTATUS(status)}"


# ---- in the child


def _work(
    sender: int, function: Callable[[], bytes | memoryview], memory_limit: int, time_limit: float
) -> NoReturn:
    """Call `function`, send the report and end the process in every case."""
    try:
        with open(sender, "wb", buffering=0) as pipe:
            for rest in map(memoryview, _report(function, memory_limit, time_limit)):
                while rest:
                    rest = rest[pipe.write(rest) :]
    finally:
        os._exit(1)


def _report(
    function: Callable[[], bytes | memoryview], memory_limit: int, time_limit: float
) -> list[bytes | memoryview]:
    """Return the parts of the report: its kind, the end of that line, and the result or a text."""
    try:
        _silence()
        _limit(memory_limit, time_limit)
        return [_DONE, b"\n", function()]
    except ChallengeError as problem:
        kind = type(problem).__name__.encode()
        return [kind, b"\n", str(problem).encode("utf-8", "surrogateescape")]
    except MemoryError:
        return [_NO_MEMORY, b"\n"]
    except BaseException as reason:  # a hostile file can cause any error, with any text
        return [_FAILED, b"\n", type(reason).__name__.encode()]


def _silence() -> None:
    """Discard everything that C libraries print."""
    faulthandler.disable()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)


def _limit(memory_limit: int, time_limit: float) -> None:
    # The limit is on the address space, which already has hundreds of MB from the parent process.
    with contextlib.suppress(FileNotFoundError), open("/proc/self/statm") as sizes:
        mapped = int(sizes.read().split()[0]) * resource.getpagesize()
        _set_limit(resource.RLIMIT_AS, mapped + memory_limit)
    _set_limit(resource.RLIMIT_CPU, math.ceil(time_limit))
    _set_limit(resource.RLIMIT_CORE, 0)


def limit_time(seconds: float) -> None:
    """Let the process use this much more CPU time, but not more than its first limit."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = math.ceil(time.process_time() + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard < 0 else min(soft, hard), hard))


def forbid_opening() -> None:
    """Give up the right to open files, so that links in a submission can't be followed."""
    _set_limit(resource.RLIMIT_NOFILE, 0)


def _set_limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))
