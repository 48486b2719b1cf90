"""Properties of particles by their codes of the Particle Data Group (PDG codes)."""

from __future__ import annotations

import functools
import math

import numpy as np

ELECTRON, MUON, PHOTON, NEUTRON, PROTON = 11, 13, 22, 2112, 2212
FIRST_NUCLEUS = 1_000_000_000  # codes of nuclei are 10LZZZAAAI


def is_neutral(pdg: np.ndarray) -> np.ndarray:
    """Return (n,) bool: whether particles with PDG codes (n,) have no electric charge."""
    found, inverse = np.unique(pdg, return_inverse=True)
    return np.array([_is_neutral(code) for code in found.tolist()], bool)[inverse]


@functools.cache
def _is_neutral(pdg: int) -> bool:
    from particle.pdgid import three_charge  # not needed for scoring, so imported here

    return three_charge(pdg) == 0


def mass_mev(pdg: int) -> float:
    """Return the mass of a particle in MeV (Review of Particle Physics); NaN if unknown."""
    from particle import InvalidParticle, Particle, ParticleNotFound

    try:
        mass = Particle.from_pdgid(pdg).mass
    except (ParticleNotFound, InvalidParticle):
        mass = None
    return math.nan if mass is None else mass
