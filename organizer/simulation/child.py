"""A process that simulates chunks of events and leaves; started by chunks.py.

Its orders come as JSON on standard input (the seed must not stand in the list of processes), which
the parent then holds open: when it closes, the parent is gone and so goes the child.
"""

import json
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from organizer.simulation.event import simulate_event
from organizer.simulation.geant4 import LiquidArgon, Settings
from organizer.simulation.store import write_simulation


def main() -> None:
    orders = json.loads(sys.stdin.readline())
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    argon = LiquidArgon(Settings(), Path(orders["data_directory"]))
    cycle, root = orders["cycle"], int(orders["root"], 16)
    for path, first, last in orders["chunks"]:
        write_simulation(
            Path(path),
            (simulate_event(argon, cycle, root, event_id) for event_id in range(first, last)),
            cycle=cycle,
            scale=orders["scale"],
            attributes={},
        )


def _leave_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    status = 1
    try:
        main()
        status = 0
    except Exception as problem:
        print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
    finally:
        # Geant4's clean-up at the interpreter's exit can crash; the files are closed by now.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
