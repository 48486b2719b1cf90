"""What a process of `chunks.py` does: simulate chunks of events, a file each."""

from __future__ import annotations

from pathlib import Path

from organizer.simulate.event import CONFIGURATIONS, simulate_event
from organizer.simulate.geant4 import LiquidArgon
from organizer.simulate.process import serve
from organizer.simulate.store import SimulationWriter


def work(orders: dict) -> None:
    """Write the files that the orders ask for, one after the other."""
    cycle, seed = orders["cycle"], int(orders["seed"], 16)
    argon = LiquidArgon(CONFIGURATIONS[cycle].world, Path(orders["data_directory"]))
    for path, first, last in orders["chunks"]:
        with SimulationWriter(Path(path), cycle, orders["scale"], seed) as out:
            for event_id in range(first, last):
                out.append_simulated(simulate_event(argon, cycle, seed, event_id))


if __name__ == "__main__":
    serve(work)
