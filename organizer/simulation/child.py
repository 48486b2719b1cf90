"""A process that simulates chunks of events and leaves; `chunks.py` starts it.

Its orders come as a line of JSON on standard input (a seed must not stand in the list of
processes), which the parent then keeps open: when it closes, the parent is gone, and so the child
goes.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

from lartpc_challenge.format import ChallengeError
from organizer.simulation.event import CONFIGURATIONS, simulate_event
from organizer.simulation.geant4 import LiquidArgon
from organizer.simulation.store import SimulationWriter


def main() -> None:
    orders = json.loads(sys.stdin.readline())
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    cycle, seed = orders["cycle"], int(orders["seed"], 16)
    argon = LiquidArgon(CONFIGURATIONS[cycle].world, Path(orders["data_directory"]))
    for path, first, last in orders["chunks"]:
        with SimulationWriter(Path(path), cycle, orders["scale"], seed) as out:
            for event_id in range(first, last):
                out.append_simulated(simulate_event(argon, cycle, seed, event_id))


def _leave_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    status = 0
    try:
        main()
    except (ChallengeError, OSError) as problem:
        print(problem, file=sys.stderr)
        status = 1
    # Leave at once: Geant4's clean-up at the interpreter's exit can crash; the files are closed.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
