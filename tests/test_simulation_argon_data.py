"""The argon tables, read like Geant4 and compared with the published values."""

from __future__ import annotations

import numpy as np
import pytest

from organizer.simulate.argon_data import bremsstrahlung_table, level_files, write_argon_data


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("argon")
    write_argon_data(directory)
    return directory


def read_vector(path):
    """Energies in MeV and values of a file that holds a Geant4 physics vector."""
    numbers = np.array(path.read_text().split(), float)
    low, high, n_nodes, n_rows = numbers[:4]
    energy, value = numbers[4:].reshape(-1, 2).T
    assert n_nodes == n_rows == len(energy)
    assert (energy[0], energy[-1]) == pytest.approx((low, high))
    return energy, value


def test_photoelectric_cross_section_is_xcoms(directory):
    energy, value = read_vector(directory / "EMLOW/epics2017/phot/pe-cs-18.dat")
    section_barn = value / energy**3
    # NIST XCOM, argon: photoelectric absorption, barn an atom.
    for at_mev, expected in ((5e-3, 2.78e4), (1e-2, 4134), (2e-2, 539), (0.1, 3.69)):
        found = np.exp(np.interp(np.log(at_mev), np.log(energy), np.log(section_barn)))
        assert found == pytest.approx(expected, rel=0.02)


def test_the_k_edge_is_a_step(directory):
    energy, value = read_vector(directory / "EMLOW/epics2017/phot/pe-cs-18.dat")
    section_barn = value / energy**3
    below, above = np.searchsorted(energy, 3.2029e-3), np.searchsorted(energy, 3.20291e-3)
    # NIST XCOM: 1.045e4 and 8.42e4 barn on the two sides of 3.2029 keV.
    assert section_barn[above] / section_barn[below] == pytest.approx(8.06, rel=0.02)


def test_rayleigh_cross_section_is_xcoms_in_internal_units(directory):
    energy, value = read_vector(directory / "EMLOW/epics2017/rayl/re-cs-18.dat")
    section_barn = value / energy**2 / 1e-22  # mm^2
    found = np.exp(np.interp(np.log(0.1), np.log(energy), np.log(section_barn)))
    assert found == pytest.approx(1.369, rel=0.02)  # NIST XCOM at 100 keV


def read_bremsstrahlung(text):
    """Grid of k/E, energies in MeV and the cross sections (energies, k/E) in mb of a table."""
    numbers = text.split()
    n_x, n_energy = int(numbers[1]), int(numbers[2])
    values = np.array(numbers[3:], float)
    x, log_energy = values[:n_x], values[n_x : n_x + n_energy]
    return x, np.exp(log_energy), values[n_x + n_energy :].reshape(n_energy, n_x)


@pytest.mark.parametrize(
    ("energy_mev", "expected"), [(1, 2.741e-2), (10, 0.3569), (100, 4.601), (1000, 50.12)]
)
def test_radiative_stopping_power_is_estars(energy_mev, expected):
    # dE/dx = N_A / A * Z^2 / beta^2 * E * integral of the scaled cross section over k/E.
    x, energies, section_mb = read_bremsstrahlung(bremsstrahlung_table())
    integral_mb = np.trapezoid(section_mb, x, axis=1)
    beta2 = 1 - (0.511 / (energies + 0.511)) ** 2
    power = 6.022e23 / 39.948 * 18**2 / beta2 * energies * integral_mb * 1e-27
    found = np.exp(np.interp(np.log(energy_mev), np.log(energies), np.log(power)))
    assert found == pytest.approx(expected, rel=0.02)  # NIST ESTAR, MeV cm^2/g


@pytest.mark.parametrize("name", ["el18", "cap18", "inel1", "inel18", "inel92"])
def test_neutron_tables_reach_20_mev(directory, name):
    energy, value = read_vector(directory / f"PARTICLEXS/neutron/{name}")
    assert energy[-1] == pytest.approx(20)
    assert (value > 0).all()


def test_neutrons_below_the_first_level_of_argon_only_scatter(directory):
    energy, value = read_vector(directory / "PARTICLEXS/neutron/inel18")
    assert value[energy < 1.461].max() < 1e-3 * value.max()


def test_all_of_it_is_small(directory):
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    assert size < 1e6


def test_writing_again_changes_nothing_and_leaves_nothing_behind(directory):
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    write_argon_data(directory)
    after = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    assert after == before


def read_levels(path):
    """Level energies (keV) and gammas (from, to, keV, percent), read as G4LevelReader does."""
    words = iter(path.read_text().split())
    energies, gammas = [], []
    for number in words:
        _mark, energy, _lifetime, _spin, count = (next(words) for _ in range(5))
        energies.append(float(energy))
        for _ in range(int(count)):
            to, kev, percent, *_ = (next(words) for _ in range(6))
            gammas.append((int(number), int(to), float(kev), float(percent)))
    return energies, gammas


# First excited levels, keV: NNDC's ENSDF. Argon-40's is that of potassium-40's well-known line.
@pytest.mark.parametrize(
    ("z", "mass_number", "first_kev"),
    [(18, 40, 1460.85), (18, 38, 2167.5), (18, 36, 1970.4), (17, 37, 1726.6), (16, 34, 2127.6)],
)
def test_the_first_excited_level_is_ensdfs(directory, z, mass_number, first_kev):
    energies, gammas = read_levels(directory / f"PhotonEvaporation/z{z}.a{mass_number}")
    assert energies[1] == pytest.approx(first_kev, abs=0.3)
    assert gammas[0] == (1, 0, energies[1], 100)


def test_every_level_leads_down_with_all_of_its_gammas(directory):
    assert len(level_files()) == 33
    for z, mass_number in level_files():
        energies, gammas = read_levels(directory / f"PhotonEvaporation/z{z}.a{mass_number}")
        assert energies == sorted(energies)
        for number in range(1, len(energies)):
            own = [gamma for gamma in gammas if gamma[0] == number]
            assert all(
                kev == pytest.approx(energies[number] - energies[to], abs=0.01)
                for _, to, kev, _ in own
            )
            assert sum(percent for *_, percent in own) == pytest.approx(100, abs=1)
