from __future__ import annotations

import numpy as np
import pytest

from organizer.cycles import PRODUCTIONS
from organizer.simulate.primaries import draw_primaries

SHOWERS, TRACKS, MESONS_AND_MUONS = (11, -11, 22), (13, -13, 211, -211, 2212), (13, -13, 211, -211)
HALF_CROP_MM = 288.0  # 192 voxels of 3 mm


def draw(cycle: int, n: int = 500):
    rng = np.random.default_rng(cycle)
    return [draw_primaries(rng, PRODUCTIONS[cycle].recipe) for _ in range(n)]


def is_cosmic(particle) -> bool:
    return abs(particle.pdg) == 13 and particle.kinetic_energy_mev > 1000


@pytest.mark.parametrize("cycle", [1, 2])
def test_one_vertex_of_two_to_four_particles(cycle):
    for particles in draw(cycle):
        assert 2 <= len(particles) <= 4
        assert len({p.position_mm for p in particles}) == 1
        assert np.abs(particles[0].position_mm).max() <= HALF_CROP_MM


@pytest.mark.parametrize(
    ("cycle", "groups"),
    [(1, [SHOWERS, TRACKS]), (2, [SHOWERS, MESONS_AND_MUONS, (2212,)])],
)
def test_every_event_starts_a_particle_of_each_group(cycle, groups):
    for particles in draw(cycle):
        assert all(any(p.pdg in group for p in particles) for group in groups)


def test_cycle_3_has_one_to_three_vertices_each_with_shower_and_track_and_crossing_muons():
    vertices = []
    for particles in draw(3):
        cosmics = [p for p in particles if is_cosmic(p)]
        assert 1 <= len(cosmics) <= 2
        others = [p for p in particles if not is_cosmic(p)]
        places = {p.position_mm for p in others}
        for place in places:
            pdgs = [p.pdg for p in others if p.position_mm == place]
            assert any(pdg in SHOWERS for pdg in pdgs)
            assert any(pdg in TRACKS for pdg in pdgs)
        vertices.append(len(places))
    assert set(vertices) == {1, 2, 3}


def test_crossing_muons_come_from_above_and_enter_through_a_wall():
    cosmics = [p for particles in draw(3) for p in particles if is_cosmic(p)]
    for muon in cosmics:
        assert muon.direction[1] < 0
        assert np.abs(muon.position_mm).max() == pytest.approx(HALF_CROP_MM, abs=1e-6)
        inwards = np.array(muon.position_mm) + 1e-3 * np.array(muon.direction)
        assert np.abs(inwards).max() < HALF_CROP_MM


@pytest.mark.parametrize("cycle", [1, 2, 3])
def test_energies_lie_in_the_recipes_ranges(cycle):
    limits = {11: (50, 450), 22: (100, 450), 13: (100, 1000), 211: (100, 1000), 2212: (100, 400)}
    for particles in draw(cycle):
        for particle in particles:
            if not is_cosmic(particle):
                low, high = limits[abs(particle.pdg)]
                assert low <= particle.kinetic_energy_mev <= high


@pytest.mark.parametrize("cycle", [1, 2])
def test_directions_are_isotropic(cycle):
    # The mean of n unit vectors has components of sigma 1/sqrt(3 n), the mean of their squares is
    # 1/3 with sigma sqrt(4/45 n): 4.5 sigma fail by chance once in 25,000 (6 numbers a cycle).
    directions = np.array([p.direction for particles in draw(cycle) for p in particles])
    n = len(directions)
    assert np.linalg.norm(directions, axis=1) == pytest.approx(1)
    assert np.abs(directions.mean(axis=0)).max() < 4.5 / np.sqrt(3 * n)
    assert np.abs((directions**2).mean(axis=0) - 1 / 3).max() < 4.5 * np.sqrt(4 / 45 / n)


def test_vertices_leave_their_particles_room():
    # One place out of eight, chosen for the way to the walls: on average the particles travel
    # farther than from a place drawn blindly, which test_primaries draws for itself.
    rng = np.random.default_rng(5)

    def to_wall(particle, position):
        direction = np.array(particle.direction)
        return np.min((np.sign(direction) * HALF_CROP_MM - position) / direction)

    chosen, blind = [], []
    for particles in draw(1):
        anywhere = rng.uniform(-HALF_CROP_MM, HALF_CROP_MM, 3)
        chosen += [to_wall(p, np.array(p.position_mm)) for p in particles]
        blind += [to_wall(p, anywhere) for p in particles]
    assert np.mean(chosen) > 1.2 * np.mean(blind)


def test_the_same_stream_gives_the_same_particles():
    assert draw(3, 5) == draw(3, 5)


def test_an_event_of_general_follows_any_of_its_recipes():
    events = draw(8, 1000)
    energies = [p.kinetic_energy_mev for particles in events for p in particles]
    assert min(energies) < 30
    assert max(energies) > 3000
    assert {len(particles) for particles in events} >= {1, 2, 3, 4, 5, 6, 12}
    assert any(
        {abs(p.pdg) for p in particles} == {13} for particles in events if len(particles) > 5
    )
    vertices = [len({p.position_mm for p in particles if not p.is_cosmic}) for particles in events]
    assert set(vertices) == {0, 1, 2, 3, 4}
