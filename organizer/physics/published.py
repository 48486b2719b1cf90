"""Published numbers for the checks, each with its source. None comes from our own code.

Ranges and stopping powers of PDG and PSTAR are per mass density: divide or multiply them by
LAR_DENSITY_G_CM3.
"""

import numpy as np

from organizer.simulate.argon_data import (
    ELECTRON_RADIUS_CM,
    ESTAR_ENERGY_MEV,
    ESTAR_RADIATIVE_MEV_CM2_G,
    log_log,
)
from organizer.simulate.constants import (
    ARGON_MOLAR_MASS_G,
    ARGON_Z,
    AVOGADRO,
    ELECTRON_MASS_MEV,
    LAR_DENSITY_G_CM3,
)

PION_MASS_MEV, MUON_MASS_MEV = 139.570, 105.658  # PDG 2024

PDG_MUON_SOURCE = (
    "PDG muE_liquid_argon: D. E. Groom, N. V. Mokhov, S. I. Striganov, "
    "At. Data Nucl. Data Tables 78 (2001) 183, and pdg.lbl.gov/AtomicNuclearProperties"
)
# Kinetic energy (MeV), mean dE/dx (MeV cm2/g), CSDA range (g/cm2).
PDG_MUON = np.array(
    [
        (10, 5.687, 0.9833), (20, 3.502, 3.321), (30, 2.731, 6.598), (40, 2.340, 10.58),
        (50, 2.107, 15.10), (60, 1.954, 20.04), (70, 1.848, 25.31), (80, 1.771, 30.84),
        (100, 1.670, 42.50), (140, 1.570, 67.32), (200, 1.519, 106.3), (250, 1.508, 139.4),
        (300, 1.510, 172.5), (400, 1.526, 238.5), (500, 1.548, 303.5), (700, 1.591, 431.0),
        (1000, 1.645, 616.3),
    ]
)  # fmt: skip

PSTAR_SOURCE = (
    "NIST PSTAR, argon: M. J. Berger et al., NISTIR 4999, physics.nist.gov/PhysRefData/Star"
)
# Kinetic energy (MeV), total stopping power (MeV cm2/g), CSDA range (g/cm2).
PSTAR_PROTON = np.array(
    [
        (10, 30.61, 0.1887), (15, 22.42, 0.3823), (20, 17.93, 0.6335), (30, 13.07, 1.296),
        (40, 10.44, 2.159), (50, 8.783, 3.208), (60, 7.636, 4.433), (70, 6.792, 5.824),
        (80, 6.145, 7.375), (100, 5.213, 10.92), (125, 4.445, 16.14), (150, 3.919, 22.15),
        (200, 3.246, 36.27), (250, 2.834, 52.82), (300, 2.557, 71.44), (400, 2.210, 113.8),
        (500, 2.004, 161.4),
    ]
)  # fmt: skip

# A pion loses energy like a muon of the same velocity: energies and ranges scale with the mass
# (PDG 2024, Passage of particles through matter: R/M is a function of beta gamma = p/M).
PION_SOURCE = f"scaled by mass from the muon's: {PDG_MUON_SOURCE}"
PDG_PION = PDG_MUON * (PION_MASS_MEV / MUON_MASS_MEV, 1, PION_MASS_MEV / MUON_MASS_MEV)

STOPPING = {13: PDG_MUON, 211: PDG_PION, 2212: PSTAR_PROTON}
STOPPING_SOURCE = {13: PDG_MUON_SOURCE, 211: PION_SOURCE, 2212: PSTAR_SOURCE}
# Rows of the tables above that are checked.
RANGE_ROWS = {13: (8, 10, 13), 211: (7, 9, 12), 2212: (5, 9, 15)}


def range_cm(pdg: int, row: int) -> float:
    """Return the published range in cm in row `row` of STOPPING[pdg]."""
    return STOPPING[pdg][row, 2] / LAR_DENSITY_G_CM3


def energy_at_residual_range(pdg: int, residual_cm: float) -> float:
    """Return the kinetic energy in MeV of a particle with a residual range of `residual_cm`."""
    energy, _, reach = STOPPING[pdg].T
    return float(log_log(residual_cm * LAR_DENSITY_G_CM3, reach, energy))


# Electrons: collision stopping power of S. M. Seltzer, M. J. Berger (ICRU report 37, 1984), as in
# ESTAR, with the constants for liquid argon below; radiative stopping power of ESTAR.
ELECTRON_SOURCE = "CSDA range, integral of ESTAR's stopping powers: ICRU report 37 and NISTIR 4999"


def electron_range_cm(kinetic_energy_mev: float) -> float:
    """Return the CSDA range of an electron in liquid argon, in cm."""
    energy = np.geomspace(1e-3, kinetic_energy_mev, 2000)
    radiative = log_log(energy, ESTAR_ENERGY_MEV, ESTAR_RADIATIVE_MEV_CM2_G)
    inverse = 1 / (_electron_collision_mev_cm2_g(energy) + radiative)
    # Below 1 keV, where the formula is not valid, the range is 0.1 um.
    return float(np.trapezoid(inverse, energy) / LAR_DENSITY_G_CM3)


def _electron_collision_mev_cm2_g(energy_mev: np.ndarray) -> np.ndarray:
    tau = energy_mev / ELECTRON_MASS_MEV
    beta2 = 1 - 1 / (tau + 1) ** 2
    moller = 1 - beta2 + (tau**2 / 8 - (2 * tau + 1) * np.log(2)) / (tau + 1) ** 2
    bracket = 2 * np.log(energy_mev / _EXCITATION_MEV) + np.log(1 + tau / 2) + moller
    density = _density_effect(np.sqrt(tau * (tau + 2)))
    return _K_MEV_CM2_MOL / 2 * ARGON_Z / ARGON_MOLAR_MASS_G / beta2 * (bracket - density)


# Energy loss of 3 mm: Landau's distribution, L. D. Landau, J. Phys. USSR 8 (1944) 201, with the
# density effect: PDG 2024, "Passage of particles through matter", density effect and fluctuations
# in energy loss; constants for liquid argon from R. M. Sternheimer, M. J. Berger, S. M. Seltzer,
# At. Data Nucl. Data Tables 30 (1984) 261, as in PDG's muon table.
LANDAU_SOURCE = (
    "Landau's distribution with density effect: PDG 2024, Passage of particles through matter, "
    "fluctuations in energy loss; constants of Sternheimer et al. (1984)"
)
LANDAU_FWHM_IN_XI = 4.018  # L. D. Landau (1944); PDG 2024: about 4 xi
_K_MEV_CM2_MOL, _EXCITATION_MEV = 0.307075, 188e-6
_STERNHEIMER = {"c": 5.2146, "x0": 0.2, "x1": 3.0, "a": 0.19559, "k": 3.0}


def landau_of_muon(kinetic_energy_mev: float, thickness_cm: float) -> tuple[float, float]:
    """Return the most probable energy loss and xi, in MeV, of a muon in liquid argon."""
    gamma = 1 + kinetic_energy_mev / MUON_MASS_MEV
    beta2_gamma2 = gamma**2 - 1
    beta2 = beta2_gamma2 / gamma**2
    density = _density_effect(np.sqrt(beta2_gamma2))
    xi = (
        _K_MEV_CM2_MOL / 2 * ARGON_Z / ARGON_MOLAR_MASS_G * LAR_DENSITY_G_CM3 * thickness_cm / beta2
    )
    most_probable = xi * (
        np.log(2 * ELECTRON_MASS_MEV * beta2_gamma2 / _EXCITATION_MEV)
        + np.log(xi / _EXCITATION_MEV)
        + 0.200 - beta2 - density
    )  # fmt: skip
    return float(most_probable), float(xi)


def _density_effect(beta_gamma: np.ndarray) -> np.ndarray:
    """Return Sternheimer's density correction delta (the Bethe formula has delta/2)."""
    s, x = _STERNHEIMER, np.log10(beta_gamma)
    below_x1 = s["a"] * np.maximum(s["x1"] - x, 0) ** s["k"]
    return np.where(x < s["x0"], 0, 2 * np.log(10) * x - s["c"] + below_x1)


DELTA_SOURCE = (
    "PDG 2024, Passage of particles through matter, energetic knock-on electrons; spin 1/2"
)


def delta_rays_per_cm(kinetic_energy_mev: float, above_mev: float) -> float:
    """Return the number of delta electrons above `above_mev` per cm of a muon in liquid argon."""
    total = kinetic_energy_mev + MUON_MASS_MEV
    gamma = total / MUON_MASS_MEV
    beta2 = 1 - 1 / gamma**2
    ratio = ELECTRON_MASS_MEV / MUON_MASS_MEV
    highest = 2 * ELECTRON_MASS_MEV * beta2 * gamma**2 / (1 + 2 * gamma * ratio + ratio**2)
    # Integral of (1 - beta^2 T / Tmax + T^2 / 2 E^2) / T^2.
    integral = 1 / above_mev - 1 / highest - beta2 / highest * np.log(highest / above_mev)
    integral += (highest - above_mev) / (2 * total**2)
    per_g = _K_MEV_CM2_MOL / 2 * ARGON_Z / ARGON_MOLAR_MASS_G / beta2
    return float(per_g * LAR_DENSITY_G_CM3 * integral)


HIGHLAND_SOURCE = "PDG 2024, Passage of particles through matter, multiple scattering (Highland)"


def highland_angle(kinetic_energy_mev: float, thickness_cm: float) -> float:
    """Return the width of a muon's plane scattering angle (central 98 %) in rad, within 11 %."""
    momentum = np.sqrt(kinetic_energy_mev * (kinetic_energy_mev + 2 * MUON_MASS_MEV))
    beta = momentum / (kinetic_energy_mev + MUON_MASS_MEV)
    x = thickness_cm / RADIATION_LENGTH_CM
    return float(13.6 / (beta * momentum) * np.sqrt(x) * (1 + 0.038 * np.log(x / beta**2)))


# Photons: total cross section, barn per argon atom. Coherent scattering adds less than 0.1 %.
XCOM_SOURCE = (
    "NIST XCOM (NBSIR 87-3597), argon; at 5 and 20 MeV as in J. H. Hubbell, S. M. Seltzer, "
    "NISTIR 5632 (0.02802 and 0.02453 cm2/g)"
)
XCOM_BARN: dict[float, float] = {5: 1.859, 20: 1.627, 100: 2.036, 1000: 2.488}
PAIR_SOURCE = f"total cross section minus that of Klein-Nishina: {XCOM_SOURCE}"
ATOMS_PER_BARN_CM = LAR_DENSITY_G_CM3 * AVOGADRO / ARGON_MOLAR_MASS_G * 1e-24


def photon_path_cm(energy_mev: float) -> float:
    """Return the mean free path in cm of a photon to its first interaction."""
    return 1 / (XCOM_BARN[energy_mev] * ATOMS_PER_BARN_CM)


def pair_share(energy_mev: float) -> float:
    """Return the share of pair production in first interactions: all except Compton scattering."""
    return 1 - ARGON_Z * klein_nishina_barn(energy_mev) / XCOM_BARN[energy_mev]


def klein_nishina_barn(energy_mev: float) -> float:
    """Return the cross section of Compton scattering off a free electron, in barn.

    O. Klein, Y. Nishina, Z. Phys. 52 (1929) 853.
    """
    k = energy_mev / ELECTRON_MASS_MEV
    logarithm = np.log(1 + 2 * k)
    first = (1 + k) / k**2 * (2 * (1 + k) / (1 + 2 * k) - logarithm / k)
    radius2_barn = (ELECTRON_RADIUS_CM**2) * 1e24
    bracket = first + logarithm / (2 * k) - (1 + 3 * k) / (1 + 2 * k) ** 2
    return float(2 * np.pi * radius2_barn * bracket)


# Showers: PDG 2024, table 6.1 and "Passage of particles through matter", electromagnetic cascades.
RADIATION_LENGTH_CM = 19.55 / LAR_DENSITY_G_CM3
CRITICAL_ENERGY_MEV = 32.84  # of electrons
SHOWER_MAXIMUM_SOURCE = (
    "ln(E / Ec) - 1 (B. Rossi, High-Energy Particles, 1952, approximation B) to ln(E / Ec) - 0.5 "
    "(PDG 2024, electromagnetic cascades, fitted from 1 GeV up)"
)


def shower_maximum(energy_mev: float) -> tuple[float, float]:
    """Return the lowest and highest published depth of an electron shower's maximum.

    In radiation lengths.
    """
    logarithm = float(np.log(energy_mev / CRITICAL_ENERGY_MEV))
    return logarithm - 1.0, logarithm - 0.5


# Muon decay at rest: PDG 2024, "Muon decay parameters", rho = 3/4, delta = 3/4, electron mass and
# radiative corrections neglected: x = E / MICHEL_ENDPOINT_MEV has density 2 x^2 (3 - 2 x).
MICHEL_SOURCE = "Michel spectrum with rho = 3/4, PDG 2024, review of muon decay parameters"
MICHEL_ENDPOINT_MEV = 52.83
MICHEL_MEAN_MEV = 0.7 * MICHEL_ENDPOINT_MEV


def michel_density(energy_mev: np.ndarray) -> np.ndarray:
    """Return the probability density per MeV of the electron's total energy."""
    x = energy_mev / MICHEL_ENDPOINT_MEV
    return 2 * x**2 * (3 - 2 * x) / MICHEL_ENDPOINT_MEV


def michel_share_above(energy_mev: float) -> float:
    """Return the share of electrons with a higher total energy."""
    x = energy_mev / MICHEL_ENDPOINT_MEV
    return 1 - x**3 * (2 - x)


# A stopped mu- decays or is captured. The share that decays is its lifetime in argon divided by the
# free one (within 1.5 %, because a bound muon decays more slowly).
FREE_MUON_LIFETIME_NS = 2197.0  # PDG 2024
ARGON_MUON_LIFETIME_NS, ARGON_MUON_LIFETIME_ERROR_NS = 537.0, 32.0
ARGON_MUON_SOURCE = (
    "lifetime of mu- in argon, 537 +- 32 ns (T. Suzuki, D. F. Measday, J. P. Roalsvig, "
    "Phys. Rev. C 35 (1987) 2212), over 2197 ns; limits: three of its errors"
)

# Reaction (inelastic) cross sections of the neighbours of argon at 190 MeV, interpolated between
# 180 and 200 MeV: mass number -> mb. The tables of the evaluation are in Geant4's
# G4PiNuclearCrossSection. They scale with A^(2/3).
PION_REACTION_SOURCE = (
    "evaluated reaction cross sections of Al, Ca, Fe scaled by A^(2/3): V. S. Barashenkov, "
    "Cross sections of interactions of particles and nuclei with nuclei, JINR, Dubna (1993)"
)
PION_REACTION_MB = {
    211: {26.98: 645, 40.08: 790, 55.85: 985},
    -211: {26.98: 680, 40.08: 840, 55.85: 1070},
}


def pion_path_cm() -> float:
    """Return the mean free path in cm to the first reaction of 190 MeV pions, pi+ and pi- alike."""
    barn = [
        mb / 1000 * (ARGON_MOLAR_MASS_G / mass) ** (2 / 3)
        for neighbours in PION_REACTION_MB.values()
        for mass, mb in neighbours.items()
    ]
    return float(1 / (np.mean(barn) * ATOMS_PER_BARN_CM))


# A pi+ at rest: PDG 2024, "pi+ decay modes": 99.988 % to mu+ nu, energy fixed by the masses.
PION_DECAY_SOURCE = "decay at rest into two: (m_pi - m_mu)^2 / (2 m_pi), masses of PDG 2024"
PION_DECAY_MUON_MEV = (PION_MASS_MEV - MUON_MASS_MEV) ** 2 / (2 * PION_MASS_MEV)

# Nuclear recoils in liquid argon without field: light relative to electrons of equal energy, that
# is, the share of the energy that excites and ionises. Lowest and highest of the measurements.
RECOIL_SOURCE = (
    "D. Gastler et al., Phys. Rev. C 85 (2012) 065811 (0.25 from 20 keV on); SCENE, H. Cao et al., "
    "Phys. Rev. D 91 (2015) 092007; ARIS, P. Agnes et al., Phys. Rev. D 97 (2018) 112005"
)
RECOIL_SHARE = {(20, 60): (0.25, 0.32), (70, 120): (0.25, 0.36)}  # recoil energy in keV

ARGON_LINE_MEV = 1.46085
ARGON_LINE_SOURCE = "first excited level of argon-40: J. Chen, Nuclear Data Sheets 140 (2017) 1"
# Nearly all inelastic scattering passes through that level. The cascade model leaves nuclei with
# energies between the levels; their first gamma has any energy, so part of it is a continuum.
ARGON_LINE_SHARE = (0.25, 1.0)
ARGON_LINE_SHARE_SOURCE = (
    f"{ARGON_LINE_SOURCE}: nearly all reactions would show it; without levels 0.01"
)
