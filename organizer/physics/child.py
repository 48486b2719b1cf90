"""A process that shoots the beams of one world and leaves; started by runs.py.

Orders: JSON on standard input, which the parent holds open: when it closes, the child goes too.
"""

import dataclasses
import json
import os
import sys
import threading
from pathlib import Path

import numpy as np

from lartpc_challenge.events import replacing
from organizer.physics import observe
from organizer.physics.beams import BEAMS, Beam
from organizer.simulation.geant4 import LiquidArgon


def main() -> None:
    orders = json.loads(sys.stdin.readline())
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    beams = {beam.name: beam for beam in BEAMS}
    argon = None
    samples = {}
    for name, first, last in orders["shots"]:
        beam = beams[name]
        settings = dataclasses.replace(beam.settings, **orders["changes"])
        argon = argon or LiquidArgon(settings, Path(orders["data_directory"]))
        for quantity, values in _shoot(argon, beam, orders["seed"], first, last).items():
            samples[f"{name}/{quantity}"] = values
    with replacing(orders["out"]) as temporary, open(temporary, "wb") as file:
        np.savez(file, **samples)


def _shoot(argon: LiquidArgon, beam: Beam, seed: int, first: int, last: int) -> dict:
    """Quantity -> array (events, ...). An event's seed does not depend on who simulates it."""
    particle, observer = beam.particle(), getattr(observe, beam.observer)
    place = [b.name for b in BEAMS].index(beam.name)
    events = []
    for event in range(first, last):
        words = np.random.SeedSequence([seed, place, event]).generate_state(4)
        events.append(observer(argon.simulate([particle], words.tolist())))
    return {quantity: np.array([e[quantity] for e in events]) for quantity in events[0]}


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
        # Geant4's clean-up at the interpreter's exit can crash; the file is closed by now.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
