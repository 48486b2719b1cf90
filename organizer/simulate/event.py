"""Simulate one event from its seed. The result does not depend on earlier events."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.format import ChallengeError
from organizer.cycles import PRODUCTIONS, Production
from organizer.simulate.geant4 import LiquidArgon, Particle
from organizer.simulate.primaries import draw_primaries
from organizer.simulate.variety import draw_readout, straightened
from organizer.simulate.voxels import Voxels, deposits_in_crop, find_truth

SEED_SCHEME = (
    "numpy.random.SeedSequence(seed, spawn_key=(cycle, event_id, attempt)).spawn(3) gives "
    "the streams of primaries (PCG64), Geant4 (MixMax, four words) and detector (PCG64)"
)

MOST_ATTEMPTS = 255  # a file has 8 bits for them; of the shipped recipes' draws most are accepted


@dataclass(frozen=True)
class SimulatedEvent:
    """A simulated event. attempts: number of draws until one was accepted."""

    event_id: int
    particles: list[Particle]
    voxels: Voxels
    attempts: int


def event_streams(
    seed: int, cycle: int, event_id: int, attempt: int
) -> tuple[np.random.SeedSequence, ...]:
    """Return the random streams of primaries, Geant4 and detector (SEED_SCHEME).

    attempt: counts from 0.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(cycle, event_id, attempt))
    return tuple(sequence.spawn(3))


def simulate_event(
    argon: LiquidArgon, cycle: int, seed: int, event_id: int, production: Production | None = None
) -> SimulatedEvent:
    """Simulate event `event_id` of those that the secret `seed` defines for `cycle`.

    production: settings to use; by default those of the cycle. argon: made with their `world`.
    Raises ChallengeError if the recipe's events are not accepted.
    """
    task, production = CYCLES[cycle], production or PRODUCTIONS[cycle]
    for attempt in range(MOST_ATTEMPTS):
        of_primaries, of_geant4, of_detector = event_streams(seed, cycle, event_id, attempt)
        particles = draw_primaries(np.random.default_rng(of_primaries), production.recipe)
        rng = np.random.default_rng(of_detector)
        readout = draw_readout(rng, production.detector, production.threshold_mev)
        steps = argon.simulate(particles, of_geant4.generate_state(4).tolist())
        if readout.straight_mm:
            steps = straightened(steps, readout.straight_mm)
        deposits = deposits_in_crop(steps)
        truth = find_truth(steps, deposits, particles, task, production)
        voxels = readout.read(deposits, truth, rng)
        if is_accepted(voxels.label, production):
            return SimulatedEvent(event_id, particles, voxels, attempts=attempt + 1)
    raise ChallengeError(
        f"organizer/cycles.py: cycle {cycle} {task.name}: none of {MOST_ATTEMPTS} draws of event "
        f"{event_id} has {production.min_classes} classes with {production.min_class_voxels} "
        "voxels each; change its recipe or rule, or min_classes and min_class_voxels"
    )


def is_accepted(label: np.ndarray, production: Production) -> bool:
    """Return whether an event has enough voxels of enough classes. label: (V,)."""
    is_enough = np.bincount(label) >= production.min_class_voxels
    return bool(np.count_nonzero(is_enough) >= production.min_classes)
