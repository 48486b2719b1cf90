"""What command lines share: numbers in range, and an end in one sentence, never a traceback."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from .format import ChallengeError


def run(program: str, command: Callable[[], None], stopped: str = "stopped") -> int:
    """Run `command` and return the exit status: 0, 1 for the user to mend, 130 for Ctrl-C.

    `stopped` says what Ctrl-C leaves behind.
    """
    try:
        command()
        sys.stdout.flush()
    except OSError as reason:
        # The output can't be written, or `head` has read enough; Python would try again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(reason, BrokenPipeError):
            print(f"{program}: {reason.strerror or reason}", file=sys.stderr)
        return 1
    except ChallengeError as problem:
        print(f"{program}: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{program}: {stopped}", file=sys.stderr)
        return 130
    return 0


def at_least(least: int) -> Callable[[str], int]:
    """A type for argparse: whole numbers from `least` on."""

    def whole_number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, found {value}")
        return value

    return whole_number
