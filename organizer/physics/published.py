"""Published numbers that the simulation must meet, each with its source; none was made by our code.

Ranges and stopping powers of PDG and PSTAR are per mass: divide or multiply by LAR_DENSITY_G_CM3.
"""

import numpy as np

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

# A pion loses as a muon of the same velocity does: energies and ranges grow with the mass
# (PDG 2024, Passage of particles through matter: R/M is a function of beta gamma = p/M).
PION_SOURCE = f"scaled by mass from the muon's: {PDG_MUON_SOURCE}"
PDG_PION = PDG_MUON * (PION_MASS_MEV / MUON_MASS_MEV, 1, PION_MASS_MEV / MUON_MASS_MEV)

STOPPING = {13: PDG_MUON, 211: PDG_PION, 2212: PSTAR_PROTON}
STOPPING_SOURCE = {13: PDG_MUON_SOURCE, 211: PION_SOURCE, 2212: PSTAR_SOURCE}
# Rows of the tables above whose ranges are measured.
RANGE_ROWS = {13: (8, 10, 13, 16), 211: (7, 9, 12, 15), 2212: (5, 9, 12, 15)}


def range_cm(pdg: int, row: int) -> float:
    """Published range in cm of row `row` of STOPPING[pdg]."""
    return STOPPING[pdg][row, 2] / LAR_DENSITY_G_CM3


def energy_at_residual_range(pdg: int, residual_cm: float) -> float:
    """Kinetic energy in MeV of a particle that can still go `residual_cm`; log-log between rows."""
    energy, _, reach = STOPPING[pdg].T
    return float(
        np.exp(np.interp(np.log(residual_cm * LAR_DENSITY_G_CM3), np.log(reach), np.log(energy)))
    )


# Energy loss of 3 mm: Landau's distribution, L. D. Landau, J. Phys. USSR 8 (1944) 201, with the
# density effect: PDG 2024, "Passage of particles through matter", density effect and fluctuations
# in energy loss; constants for liquid argon from R. M. Sternheimer, M. J. Berger, S. M. Seltzer,
# At. Data Nucl. Data Tables 30 (1984) 261, as PDG's muon table has them.
LANDAU_SOURCE = (
    "Landau's distribution with density effect: PDG 2024, Passage of particles through matter, "
    "fluctuations in energy loss; constants of Sternheimer et al. (1984)"
)
LANDAU_FWHM_IN_XI = 4.018  # L. D. Landau (1944); PDG 2024: about 4 xi
_K_MEV_CM2_MOL, _EXCITATION_MEV = 0.307075, 188e-6
_STERNHEIMER = {"c": 5.2146, "x0": 0.2, "x1": 3.0, "a": 0.19559, "k": 3.0}


def landau_of_muon(kinetic_energy_mev: float, thickness_cm: float) -> tuple[float, float]:
    """Most probable energy loss and xi (MeV) of a muon in `thickness_cm` of liquid argon."""
    gamma = 1 + kinetic_energy_mev / MUON_MASS_MEV
    beta2_gamma2 = gamma**2 - 1
    beta2 = beta2_gamma2 / gamma**2
    s = _STERNHEIMER
    x = np.log10(np.sqrt(beta2_gamma2))
    assert s["x0"] < x < s["x1"]
    density = 2 * np.log(10) * x - s["c"] + s["a"] * (s["x1"] - x) ** s["k"]
    xi = (
        _K_MEV_CM2_MOL / 2 * ARGON_Z / ARGON_MOLAR_MASS_G * LAR_DENSITY_G_CM3 * thickness_cm / beta2
    )
    most_probable = xi * (
        np.log(2 * ELECTRON_MASS_MEV * beta2_gamma2 / _EXCITATION_MEV)
        + np.log(xi / _EXCITATION_MEV)
        + 0.200 - beta2 - density
    )  # fmt: skip
    return float(most_probable), float(xi)


# Photons: total cross section without coherent scattering, barn an argon atom.
XCOM_SOURCE = "NIST XCOM (NBSIR 87-3597), argon, total without coherent scattering"
XCOM_BARN = {50: 1.833, 100: 2.036, 300: 2.313, 1000: 2.488}
ATOMS_PER_BARN_CM = LAR_DENSITY_G_CM3 * AVOGADRO / ARGON_MOLAR_MASS_G * 1e-24


def photon_path_cm(energy_mev: float) -> float:
    """Mean free path of a photon to its first interaction."""
    return 1 / (XCOM_BARN[energy_mev] * ATOMS_PER_BARN_CM)


# Showers: PDG 2024, table 6.1 and "Passage of particles through matter", electromagnetic cascades.
RADIATION_LENGTH_CM = 19.55 / LAR_DENSITY_G_CM3
CRITICAL_ENERGY_MEV = 32.84  # of electrons
SHOWER_MAXIMUM_SOURCE = (
    "ln(E / Ec) - 1 (B. Rossi, High-Energy Particles, 1952, approximation B) to ln(E / Ec) - 0.5 "
    "(PDG 2024, electromagnetic cascades, fitted from 1 GeV up)"
)
# One Moliere radius holds 90 % of a shower: a rule of thumb, from heavy elements. In argon, photons
# of a few MeV go thrice that radius (attenuation length 25-29 cm, XCOM) and carry energy outward.
MOLIERE_RADIUS_CM = 9.04
SHOWER_RADIUS_CM = (MOLIERE_RADIUS_CM, 1.75 * MOLIERE_RADIUS_CM)
SHOWER_RADIUS_SOURCE = (
    "1 to 1.75 Moliere radii of 9.04 cm (PDG 2024, electromagnetic cascades: about 90 % within one)"
)


def shower_maximum(energy_mev: float) -> tuple[float, float]:
    """Earliest and latest published depth of the maximum, in radiation lengths, for an electron."""
    logarithm = float(np.log(energy_mev / CRITICAL_ENERGY_MEV))
    return logarithm - 1.0, logarithm - 0.5


# Muon decay at rest: PDG 2024, "Muon decay parameters", rho = 3/4, delta = 3/4, electron mass and
# radiative corrections neglected: x = E / MICHEL_ENDPOINT_MEV has density 2 x^2 (3 - 2 x).
MICHEL_SOURCE = "Michel spectrum with rho = 3/4, PDG 2024, review of muon decay parameters"
MICHEL_ENDPOINT_MEV = 52.83
MICHEL_MEAN_MEV = 0.7 * MICHEL_ENDPOINT_MEV


def michel_density(energy_mev: np.ndarray) -> np.ndarray:
    """Density of the electron's total energy, per MeV."""
    x = energy_mev / MICHEL_ENDPOINT_MEV
    return 2 * x**2 * (3 - 2 * x) / MICHEL_ENDPOINT_MEV


def michel_share_above(energy_mev: float) -> float:
    """Share of electrons above a total energy."""
    x = energy_mev / MICHEL_ENDPOINT_MEV
    return 1 - x**3 * (2 - x)


# A stopped mu- decays or is captured: the share that decays is the ratio of its lifetime in argon
# to the free one (within 1.5 %, the slower decay of a bound muon).
FREE_MUON_LIFETIME_NS = 2197.0  # PDG 2024
ARGON_MUON_LIFETIME_NS, ARGON_MUON_LIFETIME_ERROR_NS = 537.0, 32.0
ARGON_MUON_SOURCE = (
    "lifetime of mu- in argon, 537 +- 32 ns (T. Suzuki, D. F. Measday, J. P. Roalsvig, "
    "Phys. Rev. C 35 (1987) 2212), over 2197 ns; limits: four of its errors"
)

# Reaction (inelastic) cross sections at 190 MeV, interpolated between the evaluation's 180 and
# 200 MeV, of the neighbours of argon: mass number -> mb; read in Geant4's G4PiNuclearCrossSection,
# which has the evaluation's tables. They scale with A^(2/3).
PION_REACTION_SOURCE = (
    "evaluated reaction cross sections of Al, Ca, Fe scaled by A^(2/3): V. S. Barashenkov, "
    "Cross sections of interactions of particles and nuclei with nuclei, JINR, Dubna (1993)"
)
PION_REACTION_MB = {
    211: {26.98: 645, 40.08: 790, 55.85: 985},
    -211: {26.98: 680, 40.08: 840, 55.85: 1070},
}


def pion_path_cm() -> float:
    """Mean free path of 190 MeV pions, half of them pi+, half pi-, to their first reaction."""
    barn = [
        mb / 1000 * (ARGON_MOLAR_MASS_G / mass) ** (2 / 3)
        for neighbours in PION_REACTION_MB.values()
        for mass, mb in neighbours.items()
    ]
    return float(1 / (np.mean(barn) * ATOMS_PER_BARN_CM))
