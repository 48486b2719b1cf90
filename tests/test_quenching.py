"""Quenching of nuclei in liquid argon compared with measurements and Lindhard's tables."""

from __future__ import annotations

import numpy as np
import pytest

from organizer.simulate.quenching import ionising_share, is_quenched, lindhard_share

ARGON_40, HELIUM_4, SULPHUR_36 = 1000180400, 1000020040, 1000160360


def share(pdg: int, kinetic_energy_mev: float, dedx_mev_cm2_g: float = 0.0) -> float:
    arguments = (np.array([x]) for x in (pdg, kinetic_energy_mev, dedx_mev_cm2_g))
    return float(ionising_share(*arguments)[0])


@pytest.mark.parametrize(
    ("kinetic_energy_mev", "low", "high"),
    [
        # SCENE, H. Cao et al., Phys. Rev. D 91 (2015) 092007: from 0.235 at 10.3 keV to about 0.30
        # at 57.3 keV; ARIS, P. Agnes et al., Phys. Rev. D 97 (2018) 112005: 7.1 to 117.8 keV.
        (0.0103, 0.21, 0.26),
        (0.0573, 0.27, 0.33),
        (0.1178, 0.30, 0.38),
    ],
)
def test_argon_recoils_yield_what_was_measured(kinetic_energy_mev, low, high):
    assert low < share(ARGON_40, kinetic_energy_mev) < high


def test_alphas_yield_what_was_measured():
    # 0.71 of 5.3 MeV alphas (A. Hitachi et al., Phys. Rev. B 35 (1987) 3956); in argon they lose
    # 700 MeV cm2/g in the mean (ICRU report 49).
    assert share(HELIUM_4, 5.3, 700) == pytest.approx(0.71, abs=0.03)


@pytest.mark.parametrize(
    ("kinetic_energy_kev", "expected"),
    # k = 0.144 and epsilon = 0.01354 E/keV for argon in argon: by hand from Lewin and Smith (1996).
    [(10, 0.271), (100, 0.4347)],
)
def test_lindhard_of_argon_in_argon(kinetic_energy_kev, expected):
    found = lindhard_share(np.array([18]), np.array([40]), np.array([kinetic_energy_kev / 1e3]))
    assert found == pytest.approx(expected, rel=0.01)


def test_fast_light_nuclei_give_all_to_electrons():
    found = lindhard_share(np.array([2]), np.array([4]), np.array([5.0]))
    assert 0.98 < found[0] < 1


def test_a_neighbour_of_argon_is_quenched_alike():
    assert share(SULPHUR_36, 0.1) == pytest.approx(share(ARGON_40, 0.1), rel=0.15)


def test_nuclei_beyond_hydrogen_are_quenched():
    pdg = np.array(
        [ARGON_40, HELIUM_4, 1000020030, 1000010020, 1000010030, 2212, 11, -13, 22, 2112]
    )
    assert is_quenched(pdg).tolist() == [True] * 3 + [False] * 7
