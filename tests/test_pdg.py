"""Particles by their numbers; the numbers are those of the Review of Particle Physics 2024."""

import math

import numpy as np
import pytest

from organizer.pdg import is_neutral, mass_mev

NEUTRAL = {"photon": 22, "neutron": 2112, "antineutron": -2112, "pi0": 111, "K0L": 130, "K0S": 310,
           "Lambda": 3122, "electron's neutrino": 12, "muon's antineutrino": -14}  # fmt: skip
CHARGED = {"electron": 11, "positron": -11, "muon": 13, "pion": 211, "K-": -321, "proton": 2212,
           "Sigma-": 3112, "deuteron": 1000010020, "alpha": 1000020040, "argon": 1000180400,
           "excited argon": 1000180401}  # fmt: skip


def test_neutral_particles_are_told_from_charged_ones():
    numbers = np.array([*NEUTRAL.values(), *CHARGED.values()] * 2)
    expected = [True] * len(NEUTRAL) + [False] * len(CHARGED)
    assert is_neutral(numbers).tolist() == expected * 2
    assert is_neutral(numbers[:0]).shape == (0,)


@pytest.mark.parametrize(("pdg", "mass"), [(11, 0.511), (13, 105.658), (-321, 493.677), (22, 0)])
def test_masses_are_published_ones_in_mev(pdg, mass):
    assert mass_mev(pdg) == pytest.approx(mass, abs=2e-3)


@pytest.mark.parametrize("pdg", [0, 81, 99_999_999])
def test_of_no_particle_the_mass_is_not_known(pdg):
    assert math.isnan(mass_mev(pdg))
