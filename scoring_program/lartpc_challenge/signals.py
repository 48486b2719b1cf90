"""What asks a program to stop: Ctrl-C, a polite kill, the terminal's end."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator


def stopping() -> list[int]:
    """The signals that ask to stop. What is ignored stays so: nohup, a job in the background."""
    if threading.current_thread() is not threading.main_thread():  # no other hears of signals
        return []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    foreign = (signal.SIG_IGN, None)  # None: a handler that is not Python's
    return [number for number in numbers if signal.getsignal(number) not in foreign]


@contextlib.contextmanager
def handling(numbers: Iterable[int], handler: Callable) -> Iterator[None]:
    """Let `handler` (number, frame) answer these signals, in the block."""
    former = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, before in former.items():
            signal.signal(number, before)


@contextlib.contextmanager
def sparing(*functions: Callable) -> Iterator[None]:
    """Put off what the handlers do until none of `functions` is running.

    For functions that a C library calls: it may ignore an exception out of them, or crash.
    """
    former = {n: handler for n in stopping() if callable(handler := signal.getsignal(n))}
    codes = {function.__code__ for function in functions}

    def handle(number: int, frame) -> None:
        place = frame
        while place is not None and place.f_code not in codes:
            place = place.f_back
        if place is None:
            former[number](number, frame)
        else:
            again(number)

    with handling(former, handle):
        yield


def again(number: int) -> None:
    """Send a signal once more in a moment: now it would be lost, or do harm."""
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(number))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
