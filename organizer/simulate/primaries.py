"""Draw the primary particles of an event: species, energies, directions, vertices.

organizer/cycles.py has a recipe per cycle.

Directions are isotropic and kinetic energies flat, as in the open LArTPC sample of the competition
of 2018 (a random number of e, gamma, mu, pi, p from one vertex; arXiv:2006.01993). Unlike there,
every vertex has at least one shower and one track, with energies for which no class dominates: one
label per event must not score well (`python -m organizer.data.table` prints that score).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from organizer.simulate.geant4 import Particle
from organizer.simulate.voxels import HALF_CROP_MM


@dataclass(frozen=True)
class Group:
    """Species with equal probability, and the limits of their flat kinetic energy."""

    pdgs: tuple[int, ...]
    lowest_mev: float
    highest_mev: float


@dataclass(frozen=True)
class Recipe:
    """The primary particles of a cycle's events. Groups of a tuple have equal probability."""

    required: tuple[tuple[Group, ...], ...]  # one particle of each tuple at every vertex
    extra: tuple[Group, ...]  # groups of additional particles
    extra_odds: tuple[float, ...]  # probabilities of 0, 1, 2, ... additional particles per vertex
    vertex_odds: tuple[float, ...] = (0.0, 1.0)  # probabilities of 0, 1, 2, ... vertices
    cosmic_odds: tuple[float, ...] = (1.0,)  # probabilities of 0, 1, 2, ... crossing muons


# Balanced energies: a shower has about 1.6 voxels per MeV, a track 5 per cm, in a crop of 58 cm.
ELECTRON = Group((11, -11), 50, 450)
PHOTON = Group((22,), 100, 450)
MUON = Group((13, -13), 100, 1000)
PION = Group((211, -211), 100, 1000)
PROTON = Group((2212,), 100, 400)

# The vertex is the best of this many random places: the one from which its particles can travel
# farthest inside the crop. So the crop contains most of the energy.
VERTEX_TRIES = 8
VERTEX_REACH_MM = 0.9 * HALF_CROP_MM  # largest distance from the crop's centre along each axis
USEFUL_LENGTH_MM = 400.0  # a particle leaves most of its energy within this length
# Crossing muons at ground level: zenith angle as cos^2, mean energy about 4 GeV (PDG 2024, 30.3.1).
# dE/dx depends little on the energy, so a flat distribution of its logarithm is sufficient.
COSMIC_LOWEST_MEV, COSMIC_HIGHEST_MEV = 1e3, 1e4
COSMIC_REACH_MM = 0.7 * HALF_CROP_MM  # largest distance from the crop's centre at which they pass


def draw_primaries(rng: np.random.Generator, recipe: Recipe | tuple[Recipe, ...]) -> list[Particle]:
    """Draw the primary particles of an event. Positions are relative to the crop's centre.

    If there are several recipes, one of them is used; all have the same probability.
    """
    chosen: Recipe = _choose(rng, recipe) if isinstance(recipe, tuple) else recipe
    particles = []
    for _ in range(_draw_count(rng, chosen.vertex_odds)):
        particles += _draw_vertex(rng, chosen)
    particles += [_draw_cosmic(rng) for _ in range(_draw_count(rng, chosen.cosmic_odds))]
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
        for group, direction in zip(groups, directions)
    ]


def _draw_vertex_place(rng: np.random.Generator, directions: np.ndarray) -> np.ndarray:
    places = rng.uniform(-VERTEX_REACH_MM, VERTEX_REACH_MM, size=(VERTEX_TRIES, 1, 3))
    travelled = np.minimum(_distance_to_wall_mm(places, directions), USEFUL_LENGTH_MM)
    return places[np.argmax(travelled.sum(axis=1)), 0]


def _distance_to_wall_mm(position_mm: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Return the distance in mm from positions (..., 3) along directions (..., 3) to the walls."""
    return np.min((np.sign(direction) * HALF_CROP_MM - position_mm) / direction, axis=-1)


def _draw_cosmic(rng: np.random.Generator) -> Particle:
    """Draw a muon that enters the crop through its walls, from above (y points up)."""
    cosine = rng.uniform() ** (1 / 4)  # cos^2 times the cosine of a flux through a horizontal plane
    sine, azimuth = np.sqrt(1 - cosine**2), rng.uniform(0, 2 * np.pi)
    direction = np.array([sine * np.cos(azimuth), -cosine, sine * np.sin(azimuth)])
    through = rng.uniform(-COSMIC_REACH_MM, COSMIC_REACH_MM, 3)
    position = through - direction * _distance_to_wall_mm(through, -direction)
    energy = np.exp(rng.uniform(np.log(COSMIC_LOWEST_MEV), np.log(COSMIC_HIGHEST_MEV)))
    return Particle(
        pdg=_choose(rng, (13, -13)),
        kinetic_energy_mev=float(energy),
        position_mm=tuple(position.tolist()),
        direction=tuple(direction.tolist()),
        is_cosmic=True,
    )


def _draw_count(rng: np.random.Generator, odds: tuple[float, ...]) -> int:
    return int(rng.choice(len(odds), p=odds))


def _choose(rng: np.random.Generator, options: tuple):
    return options[rng.integers(len(options))]
