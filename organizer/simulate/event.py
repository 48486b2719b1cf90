"""One event from its seed: draw, simulate, read out, accept. The same whatever ran before it."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import asdict, dataclass, field

import numpy as np

from lartpc_challenge.format import CYCLES, SemanticLabel
from organizer.simulate.geant4 import LiquidArgon, Particle, Settings
from organizer.simulate.primaries import RECIPES, Recipe, draw_primaries
from organizer.simulate.response import Detector, draw_conditions, measured_readout
from organizer.simulate.voxels import Voxels, deposits_in_crop, ideal_readout

SEED_SCHEME = (
    "numpy.random.SeedSequence(seed, spawn_key=(cycle, event_id, attempt)).spawn(3) gives "
    "the streams of primaries (PCG64), Geant4 (MixMax, four words) and detector (PCG64)"
)


@dataclass(frozen=True)
class Configuration:
    """All that an event of a cycle depends on, besides its seed and Geant4."""

    recipe: Recipe
    detector: Detector | None  # None: the true energies are read out
    threshold_mev: float
    world: Settings = field(default_factory=Settings)
    # An event is kept if `min_classes` classes have `min_class_voxels` voxels each: with one class
    # there would be nothing to tell apart. The recipes make that true of nearly every draw.
    min_classes: int = 2
    min_class_voxels: int = 20

    @property
    def hash(self) -> str:
        """Eight bytes in hexadecimal that change with any of the numbers."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


CONFIGURATIONS = {
    # 0.05 MeV hides the recoils that neutrons leave, about a thousand an event, of some eV each.
    1: Configuration(RECIPES[1], None, threshold_mev=0.05),
    2: Configuration(RECIPES[2], None, threshold_mev=0.05),
    # About five times the noise.
    3: Configuration(RECIPES[3], Detector(), threshold_mev=0.08),
}


@dataclass(frozen=True)
class SimulatedEvent:
    """`attempts`: how many draws it took to have one that was accepted."""

    event_id: int
    particles: list[Particle]
    voxels: Voxels
    attempts: int


def event_streams(
    seed: int, cycle: int, event_id: int, attempt: int
) -> tuple[np.random.SeedSequence, ...]:
    """Primaries, Geant4, detector: see SEED_SCHEME. `attempt` counts from 0."""
    sequence = np.random.SeedSequence(seed, spawn_key=(cycle, event_id, attempt))
    return tuple(sequence.spawn(3))


def simulate_event(argon: LiquidArgon, cycle: int, seed: int, event_id: int) -> SimulatedEvent:
    """Event `event_id` of those that the secret `seed` defines for `cycle`.

    `argon` must be made with the world of CONFIGURATIONS[cycle].
    """
    configuration = CONFIGURATIONS[cycle]
    for attempt in itertools.count():
        of_primaries, of_geant4, of_detector = event_streams(seed, cycle, event_id, attempt)
        particles = draw_primaries(np.random.default_rng(of_primaries), configuration.recipe)
        steps = argon.simulate(particles, of_geant4.generate_state(4))
        deposits = deposits_in_crop(steps, SemanticLabel.PROTON in CYCLES[cycle].labels)
        if configuration.detector is None:
            voxels = ideal_readout(deposits, configuration.threshold_mev)
        else:
            rng = np.random.default_rng(of_detector)
            conditions = draw_conditions(rng, configuration.detector)
            voxels = measured_readout(
                deposits, configuration.detector, conditions, configuration.threshold_mev, rng
            )
        if is_accepted(voxels.label, configuration):
            return SimulatedEvent(event_id, particles, voxels, attempts=attempt + 1)


def is_accepted(label: np.ndarray, configuration: Configuration) -> bool:
    """Whether (V,) labels hold enough voxels of enough classes."""
    is_enough = np.bincount(label) >= configuration.min_class_voxels
    return bool(np.count_nonzero(is_enough) >= configuration.min_classes)
