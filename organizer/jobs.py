"""Run functions in child processes on this machine, or on a Dask cluster.

A child process is a new Python: Geant4 allows one world per process, and if it crashes, the other
processes go on. A child has its own session, so that Ctrl-C in a terminal reaches only the parent.
The parent ends its children, and a child ends itself if the parent is killed, even by `kill -9`.

A Dask cluster on one machine would open a port through which other users of the machine could run
code and read secret seeds. Here, functions and results go through anonymous sockets.
"""

from __future__ import annotations

import argparse
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

from lartpc_challenge.command import at_least
from lartpc_challenge.format import ChallengeError

if TYPE_CHECKING:
    import distributed

SCHEDULER_SECONDS = 10  # time limit for the answer of a Dask scheduler
MOST_PROCESSES = 1024  # on one machine

Task = tuple[Any, ...]  # the arguments of one call


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Add the option --jobs to a parser: the number of processes."""
    parser.add_argument(
        "--jobs",
        type=at_least(1, MOST_PROCESSES),
        default=os.cpu_count(),
        metavar="J",
        help="number of processes (default: all cores)",
    )


class ProcessDied(ChallengeError):
    """A process ended without a result. task: its task. how: a clause that says how it ended."""

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
    """Return the results of function(*task) in the order of `tasks`, from child processes.

    processes: how many run at the same time. done: is called in this process with a task and its
    result when it has ended. fresh: use a new process for every task. retries: how often a task is
    repeated in a new process if its process dies. logs: a folder for the output of the processes;
    without it they print to this process's output.
    Raises the exceptions of the function, and ProcessDied; then all processes are ended.
    """
    waiting = collections.deque((place, retries) for place in range(len(tasks)))
    results: list[Any] = [None] * len(tasks)
    # Connection -> process, index of its task, retries that are left.
    at_work: dict[Any, tuple[_Process, int, int]] = {}
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
                process, place, left = at_work.pop(connection)
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
                # One thread per process, unless the user has set another number.
                env={"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": paths},
            )

    def give(self, function: Callable[..., Any], task: Task) -> None:
        """Make the process call function(*task)."""
        import cloudpickle  # pickle can't send functions of a script

        with contextlib.suppress(ConnectionError):  # the process is dead: `result` will report it
            self.connection.send_bytes(cloudpickle.dumps((function, task)))

    def result(self) -> Any:
        """Return the function's result or raise its exception; EOFError if the process died."""
        try:
            problem, value, where = pickle.loads(self.connection.recv_bytes())
        except ConnectionError as reason:
            raise EOFError from reason
        if problem is not None:
            raise problem from _Remote(where)
        return value

    def end(self) -> None:
        """Kill the process."""
        self._child.kill()
        self._child.wait()
        self.connection.close()

    def death(self) -> str:
        """Return a clause that says how the process ended, after its connection has closed."""
        status = self._child.wait()
        how = f"ended with status {status}"
        if status < 0:
            how = f"was ended by {signal.Signals(-status).name}"
        if self._log is None:
            return how
        lines = [line for line in self._log.read_text(errors="replace").split("\n") if line.strip()]
        return f"{how}: {lines[-1] if lines else 'it printed nothing'} (see {self._log})"


class _Remote(Exception):
    """The traceback of an exception in a child process, shown above that of this process."""

    def __str__(self) -> str:
        return f"in a child process:\n{self.args[0]}"


# ---- in the child


def _serve(file_number: int) -> NoReturn:
    """Answer requests from the connection until the parent closes it or ends."""
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
        # Exit without clean-up: that of Geant4 can crash. All files are closed.
        os._exit(0)


def _answer(request: bytes) -> bytes:
    """Call the requested function; return (exception or None, result, traceback), pickled."""
    try:
        function, task = pickle.loads(request)
        return pickle.dumps((None, function(*task), ""))
    except Exception as problem:
        where = traceback.format_exc()
        try:
            return pickle.dumps((problem, None, where))
        except Exception:  # an exception that can't be pickled
            return pickle.dumps((RuntimeError(where), None, where))


# ---- on a Dask cluster


@contextlib.contextmanager
def dask_client(address: str) -> Iterator[distributed.Client]:
    """Yield a client of the Dask scheduler at `address`. Raises ChallengeError if none answers."""
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
    """Call function(*task) for all tasks on a Dask cluster, in threads of its workers.

    done: is called in this process with a task and its result when it has ended; results are not
    kept. The workers need this package. A function that needs its own process calls `run_jobs`.
    Raises ChallengeError if the cluster fails.
    """
    import distributed

    running = {client.submit(function, *task, pure=False): task for task in tasks}
    try:
        for future in distributed.as_completed(list(running)):
            done(running.pop(future), future.result())
    except (distributed.CancelledError, distributed.KilledWorker, ImportError) as reason:
        raise ChallengeError(
            "the Dask cluster failed; check that its workers run and have this package: "
            f"{type(reason).__name__}: {reason}"
        ) from reason


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
