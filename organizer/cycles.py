"""The settings with which the events of each cycle are simulated.

This is the organiser's part of a cycle's declaration. The part for participants and scorers is in
lartpc_challenge/cycles.py.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from dataclasses import asdict, dataclass, field

from lartpc_challenge.cycles import DECLARED, Cycle
from lartpc_challenge.format import ChallengeError
from organizer.declarations import find_mistakes
from organizer.simulate.geant4 import Settings
from organizer.simulate.primaries import ELECTRON, MUON, PHOTON, PION, PROTON, Group, Recipe
from organizer.simulate.response import Detector
from organizer.simulate.truth import (
    Condition,
    Rule,
    anything,
    is_cosmic,
    is_delta,
    is_electromagnetic,
    is_low_energy,
    is_michel,
    is_proton,
    is_proton_or_nucleus,
)
from organizer.simulate.variety import Variety


@dataclass(frozen=True)
class Production:
    """The settings of a cycle's simulation. With the seed and Geant4 they define its events.

    recipe: the primary particles; with several recipes each event uses one of them. rule: gives
    each deposit its class. threshold_mev: energy above which a voxel is read out. detector: None
    to read out the true energies; with a `Variety` each event has its own detector and threshold,
    and threshold_mev is only for converted files. precedence: names of classes; a voxel belongs to
    the first of them that left energy in it, else to the class that left most. full,
    demonstration: numbers of train and test events. world: Geant4's settings.
    """

    recipe: Recipe | tuple[Recipe, ...]
    rule: Rule
    threshold_mev: float
    detector: Detector | Variety | None = None
    precedence: tuple[str, ...] = ()
    full: tuple[int, int] = (10_000, 10_000)
    demonstration: tuple[int, int] = (300, 400)
    world: Settings = field(default_factory=Settings)
    # An event is accepted if at least `min_classes` classes have `min_class_voxels` voxels each: an
    # event of one class would be trivial. The recipes make this true for nearly every draw.
    min_classes: int = 2
    min_class_voxels: int = 20

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """The recipes as a tuple, also if there is only one."""
        return (self.recipe,) if isinstance(self.recipe, Recipe) else self.recipe

    @property
    def hash(self) -> str:
        """A hash of all settings that the events depend on: 16 hexadecimal digits."""
        values = asdict(self)
        for name in ("full", "demonstration"):
            del values[name]
        text = json.dumps(values, sort_keys=True, default=_definition)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _definition(condition: Condition) -> str:
    """Return the source of a condition and the values that it takes from a function around it."""
    taken = inspect.getclosurevars(condition).nonlocals
    return inspect.getsource(condition) + (repr(taken) if taken else "")


# 0.05 MeV hides the recoils from neutrons: about a thousand per event, of some eV each.
_LOW_THRESHOLD_MEV = 0.05
_MEASURED_THRESHOLD_MEV = 0.08  # about five times the noise

_ANY_GROUP = (ELECTRON, PHOTON, MUON, PION, PROTON)
_TWO_CLASSES: Rule = (("electron/positron", is_electromagnetic), ("other", anything))
_THREE_CLASSES: Rule = (
    ("electron/positron", is_electromagnetic),
    ("proton", is_proton),
    ("other", anything),
)
# These stop inside the crop: Michel electrons need muons at rest. Most mu- are captured instead.
_STOPPING_MUON = Group((-13, -13, -13, 13), 30, 130)
_STOPPING_PION = Group((211,), 20, 90)
_FAST_MUON = Group((13, -13), 500, 3000)  # its delta rays are long enough to be seen


def _bands(pdgs: tuple[int, ...], *edges_mev: float) -> tuple[Group, ...]:
    """Return groups with kinetic energies over decades: flat between two edges, equal odds."""
    return tuple(Group(pdgs, low, high) for low, high in zip(edges_mev, edges_mev[1:]))


_ELECTRONS = _bands((11, -11), 10, 50, 200, 800, 3000)
_PHOTONS = _bands((22,), 10, 50, 200, 800, 3000)
_MUONS = _bands((13, -13), 10, 100, 400, 1500, 5000)
_PIONS = _bands((211, -211), 10, 100, 400, 1500)
_PROTONS = _bands((2212,), 20, 80, 200, 500, 2000)
_ANYTHING = _ELECTRONS + _PHOTONS + _MUONS + _PIONS + _PROTONS * 2

_LIKE_CYCLES_1_TO_3 = Recipe(
    required=((ELECTRON, PHOTON), (MUON, PION, PROTON)),
    extra=(*_ANY_GROUP, PROTON),
    extra_odds=(0.2, 0.5, 0.3),
    vertex_odds=(0.0, 0.5, 0.3, 0.2),
    cosmic_odds=(0.6, 0.2, 0.2),
)
_ANYTHING_FROM_ONE_TO_FOUR_VERTICES = Recipe(
    required=(),
    extra=_ANYTHING,
    extra_odds=(0.0, 0.2, 0.4, 0.3, 0.1),
    vertex_odds=(0.0, 0.55, 0.25, 0.12, 0.08),
    cosmic_odds=(0.7, 0.2, 0.1),
)
LIKE_NEUTRINOS = Recipe(
    required=(_MUONS[1:] + _ELECTRONS[2:],),
    extra=_PROTONS * 2 + _PIONS + _PHOTONS[1:3],
    extra_odds=(0.1, 0.3, 0.3, 0.2, 0.1),
    cosmic_odds=(0.8, 0.2),
)
_ONE_PARTICLE = Recipe(required=(_ANYTHING,), extra=(), extra_odds=(1.0,))
_MUONS_ALONE = Recipe(
    required=(_MUONS,),
    extra=(),
    extra_odds=(1.0,),
    vertex_odds=(0.5, 0.3, 0.2),
    cosmic_odds=(0.0, *[0.25] * 2, *[0.05] * 10),
)

PRODUCTIONS = {
    1: Production(
        recipe=Recipe(
            required=((ELECTRON, PHOTON), (MUON, PION)),
            extra=_ANY_GROUP,
            extra_odds=(0.05, 0.4, 0.55),
        ),
        rule=_TWO_CLASSES,
        threshold_mev=_LOW_THRESHOLD_MEV,
        full=(6_000, 4_000),
    ),
    2: Production(
        recipe=Recipe(
            required=((ELECTRON, PHOTON), (MUON, PION), (PROTON,)),
            extra=_ANY_GROUP,
            extra_odds=(0.2, 0.8),
        ),
        rule=_THREE_CLASSES,
        threshold_mev=_LOW_THRESHOLD_MEV,
    ),
    3: Production(
        recipe=Recipe(
            required=((ELECTRON, PHOTON), (MUON, PION, PROTON)),
            extra=(MUON, PION, PROTON, PROTON),
            extra_odds=(0.3, 0.5, 0.2),
            vertex_odds=(0.0, 0.2, 0.6, 0.2),
            cosmic_odds=(0.0, 0.5, 0.5),
        ),
        rule=_THREE_CLASSES,
        threshold_mev=_MEASURED_THRESHOLD_MEV,
        detector=Detector(),
    ),
    4: Production(
        recipe=Recipe(
            required=((ELECTRON, PHOTON), (MUON, PION)),
            extra=(MUON, PION, PROTON),
            extra_odds=(0.2, 0.5, 0.3),
        ),
        rule=(("shower", is_electromagnetic), ("track", anything)),
        threshold_mev=_LOW_THRESHOLD_MEV,
    ),
    5: Production(
        recipe=Recipe(
            required=((PION, PROTON, MUON), (ELECTRON, PHOTON, PION)),
            extra=_ANY_GROUP,
            extra_odds=(0.2, 0.4, 0.4),
            cosmic_odds=(0.0, 0.35, 0.35, 0.3),
        ),
        rule=(("cosmic", is_cosmic), ("beam", anything)),
        threshold_mev=_MEASURED_THRESHOLD_MEV,
        detector=Detector(),
    ),
    6: Production(
        recipe=Recipe(
            required=((ELECTRON, PHOTON), (_STOPPING_MUON, _STOPPING_PION), (PROTON,)),
            extra=(_FAST_MUON, PION, PROTON, _STOPPING_MUON),
            extra_odds=(0.1, 0.5, 0.4),
        ),
        rule=(
            ("delta", is_delta),
            ("Michel", is_michel),
            ("shower", is_electromagnetic),
            ("HIP", is_proton_or_nucleus),
            ("MIP", anything),
        ),
        threshold_mev=_LOW_THRESHOLD_MEV,
    ),
    7: Production(
        recipe=Recipe(
            required=((ELECTRON, PHOTON), (_STOPPING_MUON, _STOPPING_PION)),
            extra=(_FAST_MUON, PION, PROTON, _STOPPING_MUON),
            extra_odds=(0.1, 0.5, 0.4),
        ),
        rule=(
            ("low-energy", is_low_energy),
            ("delta", is_delta),
            ("Michel", is_michel),
            ("shower", is_electromagnetic),
            ("track", anything),
        ),
        threshold_mev=_LOW_THRESHOLD_MEV,
    ),
    8: Production(
        recipe=(
            *[_LIKE_CYCLES_1_TO_3] * 2,
            _ANYTHING_FROM_ONE_TO_FOUR_VERTICES,
            LIKE_NEUTRINOS,
            _ONE_PARTICLE,
            _MUONS_ALONE,
        ),
        rule=_THREE_CLASSES,
        threshold_mev=_LOW_THRESHOLD_MEV,
        detector=Variety(),
        min_classes=1,
    ),
}


def production_of(cycle: Cycle) -> Production:
    """Return the settings of a cycle's simulation.

    Raises ChallengeError if there are none, or with all mistakes in the declarations of cycles.
    """
    if mistakes := list(find_mistakes(DECLARED, PRODUCTIONS)):
        raise ChallengeError("\n".join(mistakes))
    if cycle.number not in PRODUCTIONS:
        raise ChallengeError(
            f"cycle {cycle.number} {cycle.name} has no entry in organizer/cycles.py; add the "
            "settings of its simulation there"
        )
    return PRODUCTIONS[cycle.number]
