"""What is drawn for an event: species, energies, directions, vertices. One frozen recipe a cycle.

Directions are isotropic and kinetic energies flat, as in the open LArTPC sample of 2018 (randomised
multiplicity, categories e, gamma, mu, pi, proton). Unlike there, every vertex starts at least
one particle of each group that the recipe asks for, with energies chosen so that no class dominates:
one label an event must not score well (see `python -m organizer.data_table`).
"""

from dataclasses import dataclass

import numpy as np

from organizer.simulation.geant4 import Particle
from organizer.simulation.voxels import HALF_CROP_MM


@dataclass(frozen=True)
class Group:
    """Species drawn with equal odds, kinetic energy flat between the limits."""

    pdgs: tuple[int, ...]
    lowest_mev: float
    highest_mev: float


@dataclass(frozen=True)
class Recipe:
    """The particles of one cycle's events."""

    required: tuple[tuple[Group, ...], ...]  # one particle of each, its group drawn evenly
    extra: tuple[Group, ...]  # the groups of further particles, drawn evenly
    extra_odds: tuple[float, ...]  # odds of 0, 1, 2, ... further particles
    vertex_odds: tuple[float, ...] = (1.0,)  # odds of 1, 2, ... vertices
    cosmic_odds: tuple[float, ...] = (1.0,)  # odds of 0, 1, 2, ... crossing muons


# The shares balance because a shower fills about 1.6 voxels a MeV, a track 5 a cm.
ELECTRON = Group((11, -11), 50, 450)
PHOTON = Group((22,), 100, 450)
MUON = Group((13, -13), 100, 1000)
PION = Group((211, -211), 100, 1000)
PROTON = Group((2212,), 100, 400)

RECIPES = {
    1: Recipe(
        required=((ELECTRON, PHOTON), (MUON, PION)),
        extra=(ELECTRON, PHOTON, MUON, PION, PROTON),
        extra_odds=(0.05, 0.4, 0.55),
    ),
    2: Recipe(
        required=((ELECTRON, PHOTON), (MUON, PION), (PROTON,)),
        extra=(ELECTRON, PHOTON, MUON, PION, PROTON),
        extra_odds=(0.2, 0.8),
    ),
    3: Recipe(
        required=((ELECTRON, PHOTON), (MUON, PION, PROTON)),
        extra=(MUON, PION, PROTON, PROTON),
        extra_odds=(0.3, 0.5, 0.2),
        vertex_odds=(0.2, 0.6, 0.2),
        cosmic_odds=(0.0, 0.5, 0.5),
    ),
}

# The vertex is drawn this often, and the place from which the particles travel farthest is kept:
# that is how the crop comes to hold as much energy as it can.
VERTEX_TRIES = 8
VERTEX_MARGIN = 0.05  # of the crop's edge, on each side
USEFUL_LENGTH_MM = 400.0  # what a particle needs to leave most of its energy
COSMIC_LOWEST_MEV, COSMIC_HIGHEST_MEV = 1e3, 1e4


def draw_primaries(rng: np.random.Generator, recipe: Recipe) -> list[Particle]:
    """Draw an event's particles, positions in mm around the crop's centre."""
    particles = []
    for _ in range(_draw_count(rng, recipe.vertex_odds, first=1)):
        particles += _draw_vertex(rng, recipe)
    for _ in range(_draw_count(rng, recipe.cosmic_odds)):
        particles.append(_draw_cosmic(rng))
    return particles


def _draw_vertex(rng: np.random.Generator, recipe: Recipe) -> list[Particle]:
    groups = [_choose(rng, among) for among in recipe.required]
    groups += [_choose(rng, recipe.extra) for _ in range(_draw_count(rng, recipe.extra_odds))]
    directions = rng.normal(size=(len(groups), 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    vertex = _draw_vertex_place(rng, directions)
    return [
        Particle(
            pdg=_choose(rng, group.pdgs),
            kinetic_energy_mev=rng.uniform(group.lowest_mev, group.highest_mev),
            position_mm=tuple(vertex.tolist()),
            direction=tuple(direction.tolist()),
        )
        for group, direction in zip(groups, directions, strict=True)
    ]


def _draw_vertex_place(rng: np.random.Generator, directions: np.ndarray) -> np.ndarray:
    reach = HALF_CROP_MM * (1 - 2 * VERTEX_MARGIN)
    places = rng.uniform(-reach, reach, size=(VERTEX_TRIES, 1, 3))
    # Distance from each place along each direction to the crop's walls.
    to_wall = np.min((np.sign(directions) * HALF_CROP_MM - places) / directions, axis=2)
    inside = np.minimum(to_wall, USEFUL_LENGTH_MM).sum(axis=1)
    return places[np.argmax(inside), 0]


def _draw_cosmic(rng: np.random.Generator) -> Particle:
    """A muon that crosses the crop from above (y is up), zenith angle as cos^2."""
    cosine = rng.uniform() ** (1 / 4)  # flux through a horizontal plane: cos^2 x cos
    azimuth = rng.uniform(0, 2 * np.pi)
    sine = np.sqrt(1 - cosine**2)
    direction = np.array([sine * np.cos(azimuth), -cosine, sine * np.sin(azimuth)])
    through = rng.uniform(-HALF_CROP_MM, HALF_CROP_MM, 3) * 0.7
    back = np.min((np.sign(direction) * HALF_CROP_MM + through) / direction)
    position = through - direction * back
    # Flat in logarithm: steep enough, and dE/dx hardly depends on it.
    energy = np.exp(rng.uniform(np.log(COSMIC_LOWEST_MEV), np.log(COSMIC_HIGHEST_MEV)))
    return Particle(
        pdg=_choose(rng, (13, -13)),
        kinetic_energy_mev=float(energy),
        position_mm=tuple(position.tolist()),
        direction=tuple(direction.tolist()),
    )


def _draw_count(rng: np.random.Generator, odds: tuple[float, ...], first: int = 0) -> int:
    return first + int(rng.choice(len(odds), p=odds))


def _choose(rng: np.random.Generator, options: tuple):
    return options[rng.integers(len(options))]
