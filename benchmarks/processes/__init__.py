"""Work in processes that end, without a word, when the one that started them is asked to stop."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from lartpc_challenge.format import ChallengeError
from lartpc_challenge.signals import handling


def in_processes(function: Callable, tasks: Iterable[tuple], jobs: int, advice: str) -> Iterator:
    """What function(*task) gives for each task, as they end, from `jobs` new processes.

    ChallengeError where one is killed, as the system does when memory ends; `advice` says what to
    do then.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as executor:
        # A terminal's Ctrl-C goes to all, and a worker that heeds it shows a traceback.
        with handling([signal.SIGINT], signal.SIG_IGN):
            running = [executor.submit(function, *task) for task in tasks]
        try:
            for finished in as_completed(running):
                yield finished.result()
        except BrokenProcessPool as reason:
            raise ChallengeError(f"a process was killed; if memory ended, {advice}") from reason
        except (KeyboardInterrupt, GeneratorExit):
            for worker in multiprocessing.active_children():
                worker.kill()
            raise
