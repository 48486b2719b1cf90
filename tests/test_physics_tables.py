"""The published numbers compared with each other, where two sources must agree."""

import numpy as np
import pytest
from scipy import stats

from organizer.physics import published
from organizer.simulate.constants import LAR_DENSITY_G_CM3


@pytest.mark.parametrize("pdg", published.STOPPING)
def test_ranges_are_the_integral_of_one_over_the_stopping_power(pdg):
    energy, stopping, reach = published.STOPPING[pdg].T
    # log-log interpolation between rows, as the tables are smooth
    fine = np.geomspace(energy[0], energy[-1], 20_000)
    power = np.exp(np.interp(np.log(fine), np.log(energy), np.log(stopping)))
    grown = np.concatenate(([0], np.cumsum(np.diff(fine) * 2 / (power[1:] + power[:-1]))))
    integral = reach[0] + np.interp(energy, fine, grown)
    np.testing.assert_allclose(integral, reach, rtol=0.01)


def test_pion_ranges_agree_with_the_bethe_formula():
    # CSDA ranges of pions in argon, g/cm2, integrated from the Bethe formula with I = 188 eV.
    for energy, expected in ((100, 37.56), (200, 98.57), (300, 164.1), (500, 296.4)):
        table = published.PDG_PION
        reach = np.exp(np.interp(np.log(energy), np.log(table[:, 0]), np.log(table[:, 2])))
        assert reach == pytest.approx(expected, rel=0.01)


def test_energy_at_residual_range_inverts_the_range():
    for pdg, row in ((13, 10), (2212, 9)):
        energy = published.energy_at_residual_range(pdg, published.range_cm(pdg, row))
        assert energy == pytest.approx(published.STOPPING[pdg][row, 0])


def test_landau_width_is_that_of_the_distribution():
    # SciPy's standard Landau distribution has a scale of pi / 2 in Landau's own variable.
    at = np.linspace(-3, 6, 200_001)
    density = stats.landau(scale=np.pi / 2).pdf(at)
    above_half = at[density >= density.max() / 2]
    assert above_half[-1] - above_half[0] == pytest.approx(published.LANDAU_FWHM_IN_XI, rel=1e-3)


def test_most_probable_loss_is_below_the_mean_and_grows_faster_than_the_thickness():
    mean_mev = 0.3 * 1.508 * LAR_DENSITY_G_CM3
    thin, xi = published.landau_of_muon(266, 0.3)
    thick, _ = published.landau_of_muon(266, 3.0)
    assert 0.7 * mean_mev < thin < 0.85 * mean_mev
    assert thick == pytest.approx(10 * (thin + xi * np.log(10)))


def test_photons_go_nine_sevenths_of_a_radiation_length_at_high_energy():
    limit = 9 / 7 * published.RADIATION_LENGTH_CM
    assert limit < published.photon_path_cm(1000) < 1.1 * limit


def test_michel_density_share_and_mean_agree():
    energy = np.linspace(0, published.MICHEL_ENDPOINT_MEV, 100_001)
    density = published.michel_density(energy)
    assert np.trapezoid(density, energy) == pytest.approx(1)
    assert np.trapezoid(density * energy, energy) == pytest.approx(published.MICHEL_MEAN_MEV)
    above = energy >= 40
    share = np.trapezoid(density[above], energy[above])
    assert share == pytest.approx(published.michel_share_above(40), abs=1e-4)


def test_klein_nishina_is_thomsons_for_soft_photons_and_falls_as_tabulated():
    # 0.66525 b at zero energy (CODATA); at 1 MeV 0.2112 b, at 10 MeV 0.0510 b (R. D. Evans, The
    # Atomic Nucleus, 1955).
    for energy, barn in ((1e-4, 0.66525), (1.0, 0.2112), (10.0, 0.0510)):
        assert published.klein_nishina_barn(energy) == pytest.approx(barn, rel=0.005)


def test_pair_production_takes_over():
    shares = [published.pair_share(energy) for energy in (5, 20, 100, 1000)]
    assert shares == sorted(shares)
    # Half of all interactions in argon between 12 and 14 MeV (XCOM).
    assert shares[0] < 0.5 < shares[1]


def test_electron_ranges_grow_as_the_stopping_power_says():
    # ESTAR, argon: 1.4 to 1.5 MeV cm2/g between 1 and 2 MeV.
    way = published.electron_range_cm(2.0) - published.electron_range_cm(1.0)
    assert 1 / way / LAR_DENSITY_G_CM3 == pytest.approx(1.41, abs=0.04)


def test_scattering_angle_of_a_radiation_length():
    # 13.6 MeV / (beta c p): the formula's own unit, a momentum of 1 GeV.
    energy = np.hypot(1000, published.MUON_MASS_MEV) - published.MUON_MASS_MEV
    angle = published.highland_angle(energy, published.RADIATION_LENGTH_CM)
    assert angle == pytest.approx(13.6e-3, rel=0.01)


def test_delta_rays_are_rarer_the_harder_they_are():
    # Rutherford: half as many above twice the energy, a little fewer near the highest.
    ratio = published.delta_rays_per_cm(1000, 2.0) / published.delta_rays_per_cm(1000, 1.0)
    assert 0.45 < ratio < 0.5


def test_muons_of_pion_decay_at_rest():
    assert pytest.approx(4.12, abs=0.005) == published.PION_DECAY_MUON_MEV


def test_pions_meet_a_nucleus_that_looks_larger_than_it_is():
    # Argon-40's radius is 1.2 A^(1/3) fm; near the Delta resonance nuclei look black and larger,
    # but not by more than a pion's Compton wavelength, 1.4 fm.
    radius_fm = 1.2 * 40 ** (1 / 3)
    smallest, largest = (np.pi * r**2 / 100 for r in (radius_fm, radius_fm + 1.4))
    barn = 1 / (published.pion_path_cm() * published.ATOMS_PER_BARN_CM)
    assert smallest < barn < largest
