"""What a process of `runs.py` does: shoot the beams of one world."""

import dataclasses
from pathlib import Path

import numpy as np

from lartpc_challenge.files import replacing
from organizer.physics import observe
from organizer.physics.beams import BEAMS, Beam
from organizer.simulate.geant4 import LiquidArgon
from organizer.simulate.process import serve


def work(orders: dict) -> None:
    """Shoot what the orders ask for, into one file."""
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


if __name__ == "__main__":
    serve(work)
