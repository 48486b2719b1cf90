"""Find the true class of each deposit.

The rule of a cycle is an ordered list of classes and conditions: the deposits of a track belong to
the first class whose condition is true. A condition is a function of `TrackFacts` (the track, its
ancestors, its origin, the size and energy of its fragment) and returns (T,) bool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.format import GRID_SHAPE, ChallengeError
from organizer.pdg import ELECTRON, FIRST_NUCLEUS, MUON, PHOTON, PROTON
from organizer.simulate.geant4 import Particle, Tracks


class Origin(IntEnum):
    """How the particle that left most of a voxel's energy was produced."""

    PRIMARY = 1
    DELTA = 2
    MICHEL = 3
    CONVERSION = 4
    HADRONIC = 5
    DECAY = 6
    NUCLEUS = 7


# Names for pages, with explanations. Electrons and positrons include their descendants.
ORIGINS = {
    Origin.PRIMARY: ("primary particles", "with the electrons that electrons knock out"),
    Origin.DELTA: ("delta rays", "electrons knocked out by muons, hadrons and nuclei"),
    Origin.MICHEL: ("Michel electrons", "electrons from muon decays"),
    Origin.CONVERSION: ("photon conversions", "electrons and positrons, most of every shower"),
    Origin.HADRONIC: ("hadronic secondaries", "from nuclear reactions; slow recoils from neutrons"),
    Origin.DECAY: ("muons and hadrons of decays", "such as muons from pions"),
    Origin.NUCLEUS: ("nuclei", "recoils, deuterons, alphas and heavier ones"),
}


@dataclass(frozen=True)
class TrackFacts:
    """The facts about tracks that a condition can use; every property is (T,), a value per track.

    particles: the primary particles in the order of the recipe. deposit_track, deposit_voxel,
    deposit_energy_mev: (P,), for each deposit the index of its track, the flat index of its voxel
    in GRID_SHAPE, and its energy.
    """

    tracks: Tracks
    particles: Sequence[Particle]
    deposit_track: np.ndarray
    deposit_voxel: np.ndarray
    deposit_energy_mev: np.ndarray

    @property
    def pdg(self) -> np.ndarray:
        """(T,) int64: PDG codes."""
        return self.tracks.pdg

    @cached_property
    def parent(self) -> np.ndarray:
        """(T,) int64: index of the track's parent; of the track itself for a primary."""
        parent_id = self.tracks.parent_id
        return np.where(parent_id == 0, np.arange(len(self.pdg)), self.tracks.rows(parent_id))

    @cached_property
    def primary(self) -> np.ndarray:
        """(T,) int64: index in `particles` of the primary that the track descends from."""
        # Geant4 numbers the primaries 1, 2, ... in the given order.
        return self.tracks.track_id[_followed(self.parent, np.ones(len(self.pdg), bool))] - 1

    @cached_property
    def is_cosmic(self) -> np.ndarray:
        """(T,) bool: whether the track descends from a crossing muon."""
        return np.array([particle.is_cosmic for particle in self.particles], bool)[self.primary]

    @cached_property
    def origin(self) -> np.ndarray:
        """(T,) int64: `Origin`, from the track's creator process and its parent's origin."""
        origins = np.empty(len(self.pdg), np.int64)
        rows = zip(self.parent.tolist(), self.pdg.tolist(), self.tracks.creator.tolist())
        # Geant4 tracks a parent before its children, so one pass is enough.
        for row, (parent, pdg, creator) in enumerate(rows):
            origins[row] = Origin.PRIMARY
            if parent != row:
                of_parent = int(self.pdg[parent]), Origin(origins[parent])
                origins[row] = _origin(pdg, creator, *of_parent)
        return origins

    @cached_property
    def fragment(self) -> np.ndarray:
        """(T,) int64: index of the first track of the track's fragment.

        A fragment is a connected piece of ionisation: an electron with all electrons that descend
        from it by electrons only. Any other track is a fragment of its own, and the electrons that
        it knocks out begin new fragments.
        """
        is_electron = np.abs(self.pdg) == ELECTRON
        return _followed(self.parent, is_electron & is_electron[self.parent])

    @cached_property
    def fragment_voxels(self) -> np.ndarray:
        """(T,) int64: number of voxels in which the track's fragment left energy."""
        fragment = self.fragment[self.deposit_track]
        pair = np.unique(fragment * np.prod(GRID_SHAPE) + self.deposit_voxel)
        count = np.bincount(pair // np.prod(GRID_SHAPE), minlength=len(self.pdg))
        return count[self.fragment]

    @cached_property
    def fragment_energy_mev(self) -> np.ndarray:
        """(T,) float64: energy that the track's fragment left, MeV."""
        fragment = self.fragment[self.deposit_track]
        energy = np.bincount(fragment, self.deposit_energy_mev, minlength=len(self.pdg))
        return energy[self.fragment]


def _followed(parent: np.ndarray, goes_on: np.ndarray) -> np.ndarray:
    """Follow `parent` upwards from each row while `goes_on` is true; return the last row (T,)."""
    top = np.where(goes_on, parent, np.arange(len(parent)))
    while (top != top[top]).any():
        top = top[top]
    return top


def _origin(pdg: int, creator: str, parent_pdg: int, parent_origin: Origin) -> Origin:
    if pdg >= FIRST_NUCLEUS:
        return Origin.NUCLEUS
    if abs(pdg) not in (ELECTRON, PHOTON):
        return Origin.DECAY if creator == "Decay" else Origin.HADRONIC
    if abs(parent_pdg) == ELECTRON or parent_origin in (Origin.MICHEL, Origin.DELTA):
        return parent_origin
    if parent_pdg == PHOTON:
        return Origin.CONVERSION
    # A mu- decays in the orbit of an argon atom: Geant4 does that in the capture process.
    if abs(parent_pdg) == MUON and creator in ("Decay", "muMinusCaptureAtRest"):
        return Origin.MICHEL if abs(pdg) == ELECTRON else Origin.CONVERSION
    return Origin.DELTA if creator.endswith("Ioni") else Origin.CONVERSION


Condition = Callable[[TrackFacts], np.ndarray]
Rule = tuple[tuple[str, Condition], ...]  # class name, condition; the first true one decides


def labels_of_tracks(facts: TrackFacts, rule: Rule, cycle: Cycle) -> np.ndarray:
    """Return the label of the deposits of each track, by the rule of the cycle: (T,) int64.

    Raises ChallengeError if a condition returns something else than (T,) bool, or if no condition
    is true for a track.
    """
    conditions = []
    for name, condition in rule:
        found, expected = np.asarray(condition(facts)), facts.pdg.shape
        if found.dtype != bool or found.shape not in ((), expected):
            raise ChallengeError(
                f"{_where(cycle)}: the condition of the class {name!r} returned {found.dtype} "
                f"{found.shape}, expected bool {expected}, a value per track"
            )
        conditions.append(np.broadcast_to(found, expected))
    labels = [cycle.label(name) for name, _ in rule]
    label = np.select(conditions, labels, default=0).astype(np.int64)
    if not label.all():
        left = sorted(set(facts.pdg[label == 0].tolist()))
        raise ChallengeError(
            f"{_where(cycle)}: no condition is true for tracks of the PDG codes "
            f"{', '.join(map(str, left))}; end the rule with a class and `anything`"
        )
    return label


def _where(cycle: Cycle) -> str:
    return f"organizer/cycles.py: the rule of cycle {cycle.number} {cycle.name}"


# ---- conditions


def anything(facts: TrackFacts) -> np.ndarray:
    """Every track: the last condition of most rules."""
    return np.ones(len(facts.pdg), bool)


def is_electromagnetic(facts: TrackFacts) -> np.ndarray:
    """Electrons, positrons and photons."""
    return np.isin(np.abs(facts.pdg), (ELECTRON, PHOTON))


def is_proton(facts: TrackFacts) -> np.ndarray:
    """Protons."""
    return facts.pdg == PROTON


def is_proton_or_nucleus(facts: TrackFacts) -> np.ndarray:
    """Protons and nuclei, including deuterons and alphas."""
    return is_proton(facts) | (facts.pdg >= FIRST_NUCLEUS)


def is_delta(facts: TrackFacts) -> np.ndarray:
    """Electrons knocked out by tracks, with their descendants."""
    return is_electromagnetic(facts) & (facts.origin == Origin.DELTA)


def is_michel(facts: TrackFacts) -> np.ndarray:
    """Electrons from muon decays, with their descendants."""
    return is_electromagnetic(facts) & (facts.origin == Origin.MICHEL)


def is_cosmic(facts: TrackFacts) -> np.ndarray:
    """Crossing muons, with their descendants."""
    return facts.is_cosmic


# In PILArNet a shower's fragment below about this size is a low-energy deposit.
LOW_ENERGY_VOXELS = 10


def is_low_energy(facts: TrackFacts) -> np.ndarray:
    """Small fragments of secondaries of photons and neutrons, away from the tracks."""
    is_small = facts.fragment_voxels < LOW_ENERGY_VOXELS
    is_secondary = np.isin(facts.origin, (Origin.CONVERSION, Origin.HADRONIC, Origin.NUCLEUS))
    return is_small & is_secondary
