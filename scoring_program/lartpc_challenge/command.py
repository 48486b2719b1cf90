"""Shared code of the command lines: argument types, and errors as one sentence, not a traceback."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lartpc_challenge.cycles import Cycle, find_cycle
from lartpc_challenge.files import lock_file
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.signals import interrupting, number_of


def run(
    program: str, command: Callable[[], None], stopped: str = "stopped", alone: Iterable[Path] = ()
) -> int:
    """Run `command` and return the exit status.

    0: success. 1: an error that the user can fix, printed on stderr. 130, 143, 129: stopped by
    SIGINT (Ctrl-C), SIGTERM or SIGHUP. program: the command's name, the first word of every
    message. stopped: the message after a signal; it says what is left behind. alone: folders in
    which no other run may be at work.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a file name may not be valid text here
            stream.reconfigure(errors="backslashreplace")
    if hasattr(signal, "SIGCHLD") and signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        # Inherited from the parent process: the exit status of child processes would be lost.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        with interrupting(), contextlib.ExitStack() as stack:
            for folder in {path.resolve(): path for path in alone}.values():
                stack.enter_context(alone_in(folder))
            command()
            print(end="", flush=True)
    except BrokenPipeError:  # the reader of the output, `head` for example, has ended
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
        return 128 + number_of(reason)
    else:
        return 0
    print(f"{program}: {failure}", file=sys.stderr)
    return 1


def _drop_output() -> None:
    """If stdout can't be written, redirect it, so that Python does not fail again at exit."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def begin() -> None:
    """Let Ctrl-C end the program without a traceback until `run` begins.

    Call it at the top of a module whose imports take seconds (PyTorch):
    `if __name__ == "__main__": begin()`.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


class _Parser(argparse.ArgumentParser):
    """An argument parser that refuses empty arguments: they come from empty shell variables."""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[override]
        words = sys.argv[1:] if args is None else list(args)
        for before, word in zip(["", *words], words):
            if word == "" or (word.startswith("--") and word.endswith("=")):
                where = word or (before if before.startswith("-") else "an argument")
                self.error(f"{where.rstrip('=')}: is empty; give a value or leave it out")
        return super().parse_known_args(words, namespace)


def new_parser(call: str, manual: str | None) -> argparse.ArgumentParser:
    """Return a parser. call: how the program is called. manual: the first part of its help."""
    return _Parser(
        prog=call, description=manual, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def cycle_option(text: str) -> Cycle:
    """Convert a cycle's number or name to a Cycle: a type for argparse."""
    try:
        return find_cycle(text)
    except ChallengeError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def at_least(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a type for argparse: whole numbers from `least` to `most` (no limit by default)."""

    def whole_number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            found = text if len(text) <= 40 else f"{text[:40]}..."
            raise argparse.ArgumentTypeError(f"must be a whole number, found {found!r}") from None
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, found {value}")
        if most is not None and value > most:
            raise argparse.ArgumentTypeError(f"must be at most {most:,}, found {value}")
        return value

    return whole_number


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Lock the folder in the block. Raises ChallengeError if another process has locked it.

    The folder is created if it is missing; if it is still empty at the end, it is removed again.
    """
    if folder.exists() and not folder.is_dir():
        raise ChallengeError(f"{folder}: can't be written into: is not a folder")
    is_ours = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # On Windows a folder can't be opened.
        lock = None if sys.platform == "win32" else os.open(folder, os.O_RDONLY)
    except OSError as reason:
        raise ChallengeError(f"{folder}: can't be written: {reason.strerror}") from reason
    try:
        if lock is not None and lock_file(lock) is False:
            raise ChallengeError(f"{folder}: another process is at work there")
        try:
            yield
        finally:
            if is_ours:
                with contextlib.suppress(OSError):
                    folder.rmdir()
    finally:
        if lock is not None:
            os.close(lock)
