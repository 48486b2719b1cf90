"""Handling of SIGINT, SIGTERM and SIGHUP, the signals that ask a program to stop.

A command turns them into KeyboardInterrupt: `with interrupting():` (see command.run). It then ends
as after Ctrl-C: temporary files go, and its exit status is 128 + the signal's number. Where an
exception would do harm, they are held back: `with held():`. Python handles signals in its main
thread only; in other threads nothing is held back, and nothing has to be.
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
_SOON_SECONDS = 0.01  # between two attempts


def stopping() -> list[int]:
    """The signals that ask to stop. An ignored one stays so: nohup, a job in the background."""
    if not _is_main_thread():
        return []
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    foreign = (signal.SIG_IGN, None)  # None: a handler that is not Python's
    return [number for number in numbers if signal.getsignal(number) not in foreign]


@contextlib.contextmanager
def handling(numbers: Iterable[int], handler: Any) -> Iterator[None]:
    """Let `handler` (number, frame) answer these signals, in the block."""
    former = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, before in former.items():
            signal.signal(number, before)


@contextlib.contextmanager
def interrupting() -> Iterator[None]:
    """Raise KeyboardInterrupt(number) in the block when one of these signals arrives.

    In a destructor, say, Python can only ignore an exception: then the signal is sent again, until
    the exception comes through.
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
    """The signal's number; SIGINT's if Python itself has raised it."""
    return interrupt.args[0] if interrupt.args else signal.SIGINT


class _Ignored:
    """A signal whose KeyboardInterrupt Python ignored, and the thread that sends it again."""

    def __init__(self) -> None:
        self._number: int | None = None
        self._is_starting = False
        self._sender: threading.Thread | None = None

    def interrupt(self, number: int, _) -> None:
        """The handler."""
        if not self._is_starting:  # an exception would be ignored once more
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
    """Signals that are held back, by any number of blocks at a time."""

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
            else:  # the system's own: it ends the process
                signal.signal(number, handler)
                signal.raise_signal(number)

    def _note(self, number: int, _) -> None:
        self._arrived.append(number)


_gate = _Gate()


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Hold signals back in the block: they take effect at its end, or when `let_in` is called.

    For blocks in which a C library calls Python: it may ignore an exception, or crash.
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
    """Let the signals that were held back take effect here, where an exception does no harm."""
    if _is_main_thread():
        _gate.let_in()


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
