"""Run functions in processes of their own, on this machine or on a Dask cluster.

A process is a new Python: Geant4 allows one world per process, and may crash without harm to the
others. It leads a session of its own, so that a terminal's Ctrl-C reaches only the process that
started it. That one ends it, and it also ends by itself when that one is gone, even by `kill -9`.

On one machine Dask would open a port through which any other user of it could run code and read
secret seeds. Here, functions and results travel through a pair of connected sockets without names.
"""

from __future__ import annotations

import collections
import contextlib
import multiprocessing
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lartpc_challenge.format import ChallengeError

if TYPE_CHECKING:
    import distributed

SCHEDULER_SECONDS = 10  # for a Dask scheduler to answer
MOST_PROCESSES = 1024  # of one machine

Task = tuple[Any, ...]  # the arguments of one call


class ProcessDied(ChallengeError):
    """A process ended without a result. `task`: what it was to do; `how`: its end, in words."""

    def __init__(self, task: Task, how: str):
        super().__init__(f"a process {how}")
        self.task, self.how = task, how


def run_jobs(
    function: Callable[..., Any],
    tasks: Sequence[Task],
    *,
    processes: int,
    done: Callable[[Task, Any], object] = lambda task, result: None,
    fresh: bool = False,
    retries: int = 0,
    logs: Path | None = None,
) -> list[Any]:
    """Results of function(*task), in the order of `tasks`, from at most `processes` at a time.

    done: called here with a task and its result when it ends. fresh: a new process for every task.
    retries: how often a task is given to a new process when its process dies. logs: a folder for
    what the processes print, which otherwise goes where this one's output goes.
    Raises what the function raises, and ProcessDied; either ends all other processes.
    """
    waiting = collections.deque((place, retries) for place in range(len(tasks)))
    results: list[Any] = [None] * len(tasks)
    at_work: dict[Connection, tuple[_Process, int, int]] = {}
    idle: list[_Process] = []
    n_started = 0
    try:
        while waiting or at_work:
            while waiting and len(at_work) < processes:
                if idle:
                    process = idle.pop()
                else:
                    process = _Process(logs and logs / f"process{n_started}.log")
                    n_started += 1
                place, left = waiting.popleft()
                at_work[process.connection] = process, place, left
                process.give(function, tasks[place])
            for connection in wait(list(at_work)):
                process, place, left = at_work.pop(connection)  # type: ignore[index]
                try:
                    results[place] = process.result()
                except EOFError:
                    how = process.death()
                    process.end()
                    if not left:
                        raise ProcessDied(tasks[place], how) from None
                    waiting.appendleft((place, left - 1))
                    continue
                except BaseException:
                    process.end()
                    raise
                if fresh:
                    process.end()
                else:
                    idle.append(process)
                done(tasks[place], results[place])
    finally:
        for process in [*idle, *(process for process, _, _ in at_work.values())]:
            process.end()
    return results


class _Process:
    """A child process that calls one function after another."""

    def __init__(self, log: Path | None):
        self._log = log
        self.connection, theirs = multiprocessing.Pipe()
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        with contextlib.ExitStack() as stack:
            stack.enter_context(theirs)
            output = stack.enter_context(open(log, "wb")) if log else None
            self._child = subprocess.Popen(
                [sys.executable, "-m", "organizer.jobs", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                # Of many processes each gets one thread, if the user says nothing else.
                env={"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": paths},
            )

    def give(self, function: Callable[..., Any], task: Task) -> None:
        """Let it call function(*task)."""
        import cloudpickle  # also takes functions of a script

        with contextlib.suppress(ConnectionError):  # dead already: `result` will say so
            self.connection.send_bytes(cloudpickle.dumps((function, task)))

    def result(self) -> Any:
        """What the function returned. Raises what it raised; EOFError if the process died."""
        try:
            problem, value, where = pickle.loads(self.connection.recv_bytes())
        except ConnectionError as reason:
            raise EOFError from reason
        if problem is not None:
            raise problem from _Remote(where)
        return value

    def end(self) -> None:
        """End it, whatever it is doing."""
        self._child.kill()
        self._child.wait()
        self.connection.close()

    def death(self) -> str:
        """How it ended, when its connection has closed."""
        status = self._child.wait()
        how = f"ended with status {status}"
        if status < 0:
            how = f"was ended by {signal.Signals(-status).name}"
        return f"{how}: {_last_line(self._log)} (see {self._log})" if self._log else how


class _Remote(Exception):
    """The traceback of an exception in another process, shown above this one's."""

    def __str__(self) -> str:
        return f"in a child process:\n{self.args[0]}"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")


# ---- in the child


def _serve(file_number: int) -> NoReturn:
    """Call what comes through the connection, until the parent closes it or is gone."""
    connection = Connection(file_number)
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, requests), daemon=True).start()
    while True:
        connection.send_bytes(_answer(requests.get()))


def _receive(connection: Connection, requests: queue.SimpleQueue[bytes]) -> NoReturn:
    try:
        while True:
            requests.put(connection.recv_bytes())
    finally:
        # Leave at once: Geant4's clean-up at Python's exit can crash; all files are closed.
        os._exit(0)


def _answer(request: bytes) -> bytes:
    """(exception or None, result, traceback as text), pickled."""
    try:
        function, task = pickle.loads(request)
        return pickle.dumps((None, function(*task), ""))
    except Exception as problem:
        where = traceback.format_exc()
        try:
            return pickle.dumps((problem, None, where))
        except Exception:  # of a kind that can't be sent
            return pickle.dumps((RuntimeError(where), None, where))


# ---- on a Dask cluster


@contextlib.contextmanager
def dask_client(address: str) -> Iterator[distributed.Client]:
    """A client of the Dask scheduler at `address`. ChallengeError where none answers."""
    try:
        import distributed
    except ImportError as reason:
        raise ChallengeError("Dask is not installed: pip install 'dask[distributed]'") from reason
    try:
        client = distributed.Client(address, timeout=SCHEDULER_SECONDS)
    except (OSError, ValueError) as reason:
        raise ChallengeError(f"no Dask scheduler answers at {address}: {reason}") from reason
    with client:
        yield client


def run_on_dask(
    client: distributed.Client,
    function: Callable[..., Any],
    tasks: Sequence[Task],
    done: Callable[[Task, Any], object],
) -> None:
    """As `run_jobs`, in threads of a cluster's workers, which need this package; no results kept.

    A function that needs a process of its own calls `run_jobs` there.
    """
    import distributed

    running = {client.submit(function, *task, pure=False): task for task in tasks}
    try:
        for future in distributed.as_completed(list(running)):
            done(running.pop(future), future.result())
    except (distributed.CancelledError, distributed.KilledWorker, ImportError) as reason:
        raise ChallengeError(
            "the Dask cluster failed; do its workers have this package, and do they live? "
            f"{type(reason).__name__}: {reason}"
        ) from reason


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
