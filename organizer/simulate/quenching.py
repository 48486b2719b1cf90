"""Quenching: the part of the energy of a nucleus that becomes ionisation.

A slow nucleus loses most of its energy to other nuclei, as heat (Lindhard). In the dense track of a
nucleus, excitations are lost in collisions with each other (Birks). Both factors are those of the
model that ARIS fits to nuclear recoils in liquid argon (P. Agnes et al., Phys. Rev. D 97 (2018)
112005):

    ionisation / kinetic energy = f_nuclear * f_dense

- f_nuclear: J. Lindhard et al., Mat. Fys. Medd. Dan. Vid. Selsk. 33, no. 10 (1963), as
  parametrised by J. D. Lewin, P. F. Smith, Astropart. Phys. 6 (1996) 87;
- f_dense: the mean of 1 / (1 + kB dE/dx) while the nucleus slows down, with its electronic dE/dx:
  D.-M. Mei et al., Astropart. Phys. 30 (2008) 12.

Hydrogen nuclei are treated like protons: they are not quenched here.
"""

from __future__ import annotations

import numpy as np

from organizer.pdg import FIRST_NUCLEUS
from organizer.simulate.constants import ARGON_MOLAR_MASS_G, ARGON_Z, AVOGADRO

BIRKS_G_CM2_MEV = 5.2e-4  # kB: ARIS, ibid.
ARGON_MASS_NUMBER = 40
# Electronic stopping of slow nuclei is proportional to their velocity: J. Lindhard, M. Scharff,
# Phys. Rev. 124 (1961) 128: 8 pi e^2 a0 = 191.5 eV Angstrom^2 at 25 keV per nucleon.
_SCHARFF_MEV_CM2 = 191.5e-6 * 1e-16
_BOHR_VELOCITY_MEV = 0.025
HELIUM_Z = 2


def is_quenched(pdg: np.ndarray) -> np.ndarray:
    """Return (n,) bool: whether PDG codes (n,) are those of nuclei heavier than hydrogen."""
    return _charge(pdg) >= HELIUM_Z


def ionising_share(
    pdg: np.ndarray, kinetic_energy_mev: np.ndarray, dedx_mev_cm2_g: np.ndarray
) -> np.ndarray:
    """Return the share of a nucleus's kinetic energy that becomes ionisation: (n,), 0 to 1.

    pdg: (n,) PDG codes of nuclei. kinetic_energy_mev: (n,) at the track's start. dedx_mev_cm2_g:
    (n,) mean electronic energy loss, used for helium. For heavier nuclei it follows Lindhard and
    Scharff, valid below 1 MeV per nucleon, where all recoils are.
    """
    z, mass_number = _charge(pdg), pdg // 10 % 1000
    dense = np.where(
        z <= HELIUM_Z,
        1 / (1 + BIRKS_G_CM2_MEV * dedx_mev_cm2_g),
        _dense_share(z, kinetic_energy_mev / mass_number),
    )
    return lindhard_share(z, mass_number, kinetic_energy_mev) * dense


def lindhard_share(
    z: np.ndarray, mass_number: np.ndarray, kinetic_energy_mev: np.ndarray
) -> np.ndarray:
    """Return the share of the energy of nuclei in argon that goes to electrons, not to nuclei.

    z, mass_number, kinetic_energy_mev: (n,).
    """
    zs = z ** (2 / 3) + ARGON_Z ** (2 / 3)
    masses = mass_number + ARGON_MASS_NUMBER
    # 30.7 eV = e^2 / (0.8853 a0): Lindhard's energy in units of the screened Coulomb energy.
    epsilon = 1e6 * kinetic_energy_mev * ARGON_MASS_NUMBER
    epsilon /= 30.74 * z * ARGON_Z * masses * np.sqrt(zs)
    k = 0.0793 * z ** (2 / 3) * ARGON_Z**0.5 * masses**1.5
    k /= zs**0.75 * mass_number**1.5 * ARGON_MASS_NUMBER**0.5
    g = 3 * epsilon**0.15 + 0.7 * epsilon**0.6 + epsilon
    return k * g / (1 + k * g)


def _dense_share(z: np.ndarray, mev_per_nucleon: np.ndarray) -> np.ndarray:
    """Return the mean of 1 / (1 + kB dE/dx) of stopping nuclei, with dE/dx ~ velocity: (n,)."""
    atoms_per_g = AVOGADRO / ARGON_MOLAR_MASS_G
    velocity = np.sqrt(mev_per_nucleon / _BOHR_VELOCITY_MEV)
    zs = z ** (2 / 3) + ARGON_Z ** (2 / 3)
    dedx = z ** (1 / 6) * _SCHARFF_MEV_CM2 * z * ARGON_Z / zs**1.5 * velocity * atoms_per_g
    x = np.maximum(BIRKS_G_CM2_MEV * dedx, 1e-6)
    return 2 / x**2 * (x - np.log1p(x))


def _charge(pdg: np.ndarray) -> np.ndarray:
    """Return Z of nuclei from their PDG codes 10LZZZAAAI, and 0 for all other particles."""
    return np.where(pdg >= FIRST_NUCLEUS, pdg // 10_000 % 1000, 0)
