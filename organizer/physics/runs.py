"""Simulate the beams, each world in its own processes (Geant4 allows one world per process)."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lartpc_challenge.format import ChallengeError
from organizer.jobs import ProcessDied, run_jobs
from organizer.physics import observe
from organizer.physics.beams import BEAMS, Beam
from organizer.scratch import scratch_folder
from organizer.simulate.geant4 import LiquidArgon

Sample = dict[str, np.ndarray]  # quantity (see observe) -> array (particles, ...)
Samples = dict[str, Sample]  # name of the beam -> its sample
Shots = list[tuple[str, int, int]]  # name of the beam, first particle, last particle + 1


def shoot(
    size: str,
    *,
    seed: int,
    jobs: int,
    only: Sequence[Beam] = BEAMS,
    progress: Callable[[], object] = lambda: None,
    changes: dict | None = None,
) -> Samples:
    """Simulate the beams and return their samples, which do not depend on `jobs`.

    size: "quick" or "full". jobs: number of processes. progress: is called when a process of the
    `plan` has ended. changes: fields of Settings to change, for tests of the checks.
    Raises ChallengeError if a process ends without a result.
    """
    with scratch_folder("physics") as folder:
        tasks = [
            (shots, seed, changes or {}, folder / "geant4_data") for shots in plan(size, jobs, only)
        ]
        try:
            parts = run_jobs(
                shoot_world,
                tasks,
                processes=jobs,
                done=lambda task, result: progress(),
                fresh=True,
                logs=folder,
            )
        except ProcessDied as death:
            beams = ", ".join(name for name, _, _ in death.task[0])
            raise ChallengeError(f"the simulation of {beams} {death.how}") from death
    return _join({shot: sample for part in parts for shot, sample in part.items()})


def plan(size: str, jobs: int, only: Sequence[Beam] = BEAMS) -> list[Shots]:
    """Return the particles that each process simulates: a share of all beams of one world.

    In the full set a world is split into `jobs` shares. In the quick set it is not split, because
    starting a process takes as long as simulating the world.
    """
    shares = jobs if size == "full" else 1
    worlds = {beam.settings: [] for beam in only}
    for beam in only:
        worlds[beam.settings].append((beam.name, getattr(beam, size)))
    tasks = [
        [(name, n * share // shares, n * (share + 1) // shares) for name, n in beams]
        for beams in worlds.values()
        for share in range(shares)
    ]
    # With more processes than particles some shares are empty.
    tasks = [[shot for shot in shots if shot[1] < shot[2]] for shots in tasks]
    return [shots for shots in tasks if shots]


def shoot_world(
    shots: Shots, seed: int, changes: dict, data_directory: Path
) -> dict[tuple[str, int], Sample]:
    """Simulate beams of one world: (name of the beam, first particle) -> sample.

    Its process can simulate only one Geant4 world.
    """
    beams = {beam.name: beam for beam in BEAMS}
    settings = dataclasses.replace(beams[shots[0][0]].settings, **changes)
    argon = LiquidArgon(settings, data_directory)
    return {
        (name, first): _shoot(argon, beams[name], seed, first, last) for name, first, last in shots
    }


def _shoot(argon: LiquidArgon, beam: Beam, seed: int, first: int, last: int) -> Sample:
    # The seed of an event does not depend on the process that simulates it.
    particle, observer = beam.particle(), getattr(observe, beam.observer)
    place = [b.name for b in BEAMS].index(beam.name)
    events = []
    for event in range(first, last):
        words = np.random.SeedSequence([seed, place, event]).generate_state(4)
        events.append(observer(argon.simulate([particle], words.tolist())))
    return {quantity: np.array([e[quantity] for e in events]) for quantity in events[0]}


def _join(results: dict[tuple[str, int], Sample]) -> Samples:
    samples: Samples = {}
    for beam_name in dict.fromkeys(name for name, _ in results):
        parts = [results[key] for key in sorted(results) if key[0] == beam_name]
        samples[beam_name] = {
            quantity: np.concatenate([part[quantity] for part in parts]) for quantity in parts[0]
        }
    return samples
