"""A process for Geant4, which allows one world a process: it works off its orders and leaves.

The orders are a line of JSON on standard input: a seed must not stand in the list of processes. The
parent then keeps that open: when it closes, the parent is gone, and so the child goes.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from lartpc_challenge.format import ChallengeError


def start(module: str, orders: dict, log: Path) -> subprocess.Popen:
    """Start `python -m MODULE`, which calls `serve`, on one thread; what it says goes to `log`."""
    with open(log, "w") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    with contextlib.suppress(BrokenPipeError):  # gone already: its log says why
        child.stdin.write(json.dumps(orders) + "\n")
        child.stdin.flush()
    return child


def end(child: subprocess.Popen) -> None:
    """End the child, whatever it is doing."""
    child.kill()
    child.wait()
    child.stdin.close()


def last_words(log: Path) -> str:
    """The last line that a child wrote, to say why it failed."""
    lines = log.read_text(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")


def serve(work: Callable[[dict], object]) -> NoReturn:
    """In the child: call work(orders) and leave, with exit status 1 where it raised an error."""
    status = 1
    try:
        orders = json.loads(sys.stdin.readline())
        threading.Thread(target=_leave_with_parent, daemon=True).start()
        work(orders)
        status = 0
    except (ChallengeError, OSError) as problem:
        print(problem, file=sys.stderr)
    except Exception:
        traceback.print_exc()
    finally:
        # Leave at once: Geant4's clean-up at the interpreter's exit can crash; files are closed.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _leave_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)
