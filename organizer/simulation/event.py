"""One event from its seed: draw, simulate, voxelise, accept. The same whatever ran before it."""

from dataclasses import dataclass

import numpy as np

from lartpc_challenge.format import CYCLES, SemanticLabel
from organizer.simulation.geant4 import LiquidArgon, Particle
from organizer.simulation.primaries import RECIPES, draw_primaries
from organizer.simulation.response import draw_detector, measured_readout
from organizer.simulation.voxels import Voxels, deposits_in_crop, ideal_readout

SEED_SCHEME = (
    "numpy SeedSequence(root, spawn_key=(cycle, event, attempt)).spawn(3): "
    "primaries (PCG64), Geant4 (MixMax, four words), detector response (PCG64)"
)
# Hides the recoils of neutrons, about 1,000 eV-scale voxels an event.
IDEAL_THRESHOLD_MEV = 0.05
MEASURED_THRESHOLD_MEV = 0.08  # five times the noise of response.py
# An event is kept if at least two classes have this many voxels: with one class there is nothing
# to tell apart. The recipes make that true of nearly every draw.
MIN_CLASSES, MIN_CLASS_VOXELS = 2, 20


@dataclass(frozen=True)
class SimulatedEvent:
    """`attempts`: how many draws it took to have one that was accepted."""

    event_id: int
    particles: list[Particle]
    voxels: Voxels
    attempts: int


def simulate_event(argon: LiquidArgon, cycle: int, root: int, event_id: int) -> SimulatedEvent:
    """Event number `event_id` of those that the secret `root` defines for `cycle`."""
    attempt = 0
    while True:
        seed = np.random.SeedSequence(root, spawn_key=(cycle, event_id, attempt))
        attempt += 1
        primaries_seed, geant4_seed, response_seed = seed.spawn(3)
        particles = draw_primaries(np.random.default_rng(primaries_seed), RECIPES[cycle])
        steps = argon.simulate(particles, geant4_seed.generate_state(4))
        proton_is_a_class = SemanticLabel.PROTON in CYCLES[cycle].labels
        deposits = deposits_in_crop(steps, proton_is_a_class)
        if cycle == 3:
            rng = np.random.default_rng(response_seed)
            voxels = measured_readout(deposits, draw_detector(rng), MEASURED_THRESHOLD_MEV, rng)
        else:
            voxels = ideal_readout(deposits, IDEAL_THRESHOLD_MEV)
        if is_accepted(voxels.label):
            return SimulatedEvent(event_id, particles, voxels, attempt)


def is_accepted(label: np.ndarray) -> bool:
    """Whether (V,) labels hold enough voxels of enough classes."""
    return bool(np.sum(np.bincount(label) >= MIN_CLASS_VOXELS) >= MIN_CLASSES)
