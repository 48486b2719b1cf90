"""What command lines share: numbers in range, and an end in one sentence, never a traceback."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator

from lartpc_challenge.format import ChallengeError
from lartpc_challenge.signals import handling, send_soon, stopping


def run(program: str, command: Callable[[], None], stopped: str = "stopped") -> int:
    """Run `command` and return the exit status: 0, 1 for the user to mend, 130 for Ctrl-C.

    `program` begins every sentence to the user: the command's own name, without its package.
    `stopped` says what Ctrl-C leaves behind; a polite kill (143) or the terminal's end (129) leaves
    the same.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file's name can be no text, or none of here
            stream.reconfigure(errors="backslashreplace")
    try:
        with _interruptible():
            command()
            print(end="", flush=True)
    except BrokenPipeError:  # `head` has read enough
        _drop_output()
        return 1
    except OSError as reason:
        _drop_output()
        where = "" if reason.filename is None else f"{reason.filename}: "
        failure = f"{where}{reason.strerror or reason}"
    except MemoryError as reason:
        failure = f"out of memory; a file is too large for this machine, or damaged ({reason})"
    except ChallengeError as problem:
        failure = str(problem)
    except KeyboardInterrupt as reason:
        print(f"{program}: {stopped}", file=sys.stderr)
        return 128 + _number(reason)
    else:
        return 0
    print(f"{program}: {failure}", file=sys.stderr)
    return 1


def _drop_output() -> None:
    """Where the output can't be written, keep Python from trying again at its end."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Make a KeyboardInterrupt of what would end the process at once, with its files left over."""

    def interrupt(number: int, _) -> None:
        raise KeyboardInterrupt(number)

    def unraisable(lost) -> None:
        """In a destructor, say, where Python can only ignore it."""
        if isinstance(lost.exc_value, KeyboardInterrupt):
            send_soon(_number(lost.exc_value))
        else:
            former(lost)

    former = sys.unraisablehook
    with handling(stopping(), interrupt):
        sys.unraisablehook = unraisable
        try:
            yield
        finally:
            sys.unraisablehook = former


def _number(interrupt: KeyboardInterrupt) -> int:
    return interrupt.args[0] if interrupt.args else signal.SIGINT


def quiet_while_importing() -> None:
    """Let Ctrl-C end `python -m ...` without a traceback until `run` begins.

    For a package's __init__: what its commands import, PyTorch above all, takes seconds.
    """
    is_starting = sys.argv[:1] == ["-m"]  # Python's word for a module that it is still looking for
    if is_starting and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def new_parser(call: str, manual: str) -> argparse.ArgumentParser:
    """A parser for what is called as `call`; its help begins with `manual` as it stands."""
    return argparse.ArgumentParser(
        prog=call, description=manual, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def at_least(least: int) -> Callable[[str], int]:
    """A type for argparse: whole numbers from `least` on."""

    def whole_number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be a whole number, found {text!r}") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, found {value}")
        return value

    return whole_number
