"""Handle SIGINT, SIGTERM and SIGHUP, the signals that ask a program to stop.

`with interrupting():` turns them into KeyboardInterrupt (see command.run). A command then ends as
after Ctrl-C: temporary files are removed, and the exit status is 128 + the signal's number.
`with held():` defers them in code where an exception would do harm. Python handles signals only in
its main thread, so in other threads these functions do nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

# Windows has no SIGHUP.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_SOON_SECONDS = 0.01  # between two attempts to deliver a signal


def stopping() -> list[int]:
    """Return the signals to handle: not those that are ignored (nohup, background jobs)."""
    if not _is_main_thread():
        return []
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    foreign = (signal.SIG_IGN, None)  # None: a handler that was not set by Python
    return [number for number in numbers if signal.getsignal(number) not in foreign]


@contextlib.contextmanager
def handling(numbers: Iterable[int], handler: Any) -> Iterator[None]:
    """Use `handler` (number, frame) for these signals in the block."""
    former = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, before in former.items():
            signal.signal(number, before)


@contextlib.contextmanager
def interrupting() -> Iterator[None]:
    """Raise KeyboardInterrupt(number) in the block when one of the signals arrives.

    Python ignores exceptions in some places, destructors for example. Then the signal is sent again
    until the exception is raised.
    """
    ignored = _Ignored()
    former = sys.unraisablehook

    def hook(lost: Any) -> None:
        if isinstance(lost.exc_value, KeyboardInterrupt):
            ignored.send_again(number_of(lost.exc_value))
        else:
            former(lost)

    with handling(stopping(), ignored.interrupt):
        sys.unraisablehook = hook
        try:
            yield
        finally:
            sys.unraisablehook = former
            ignored.forget()


def number_of(interrupt: KeyboardInterrupt) -> int:
    """Return the number of the signal; SIGINT if Python itself raised the exception."""
    return interrupt.args[0] if interrupt.args else signal.SIGINT


class _Ignored:
    """A thread that sends a signal again whose KeyboardInterrupt Python ignored."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._is_starting = False
        self._sender: threading.Thread | None = None

    def interrupt(self, number: int, _) -> None:
        """Handle a signal: raise KeyboardInterrupt."""
        if not self._is_starting:  # else the exception would be ignored again
            self._number = None
            raise KeyboardInterrupt(number)

    def send_again(self, number: int) -> None:
        self._is_starting = True
        self._number = number
        self._sender = threading.Thread(target=self._send, daemon=True)
        self._sender.start()
        self._is_starting = False

    def forget(self) -> None:
        self._number = None
        if self._sender:
            self._sender.join()

    def _send(self) -> None:
        while True:
            time.sleep(_SOON_SECONDS)
            number = self._number
            if number is None:
                return
            if os.name == "nt":
                signal.raise_signal(number)
            else:
                os.kill(os.getpid(), number)


class _Gate:
    """The deferred signals. Blocks of `held` can be nested."""

    def __init__(self) -> None:
        self._depth = 0
        self._arrived: list[int] = []
        self._former: dict[int, Any] = {}

    def close(self) -> None:
        if self._depth == 0:
            self._former = {number: signal.signal(number, self._note) for number in stopping()}
        self._depth += 1

    def open(self) -> None:
        self._depth -= 1
        if self._depth == 0:
            for number, handler in self._former.items():
                signal.signal(number, handler)
            self.let_in()

    def let_in(self) -> None:
        arrived, self._arrived = self._arrived, []
        for number in arrived:
            handler: Callable | int = self._former[number]
            if callable(handler):
                handler(number, None)
            else:  # the system's default handler, which ends the process
                signal.signal(number, handler)
                signal.raise_signal(number)

    def _note(self, number: int, _) -> None:
        self._arrived.append(number)


_gate = _Gate()


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Defer signals in the block: they take effect at its end, or when `let_in` is called.

    For blocks in which a C library calls Python: the library may ignore an exception, or crash.
    """
    if not _is_main_thread():
        yield
        return
    _gate.close()
    try:
        yield
    finally:
        _gate.open()


def let_in() -> None:
    """Handle the deferred signals now, at a place where an exception does no harm."""
    if _is_main_thread():
        _gate.let_in()


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
