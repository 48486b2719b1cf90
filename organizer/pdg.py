"""Particles by their numbers in the scheme of the Particle Data Group."""

from __future__ import annotations

import functools
import math

import numpy as np

ELECTRON, MUON, PHOTON, NEUTRON, PROTON = 11, 13, 22, 2112, 2212
FIRST_NUCLEUS = 1_000_000_000  # numbers of nuclei are 10LZZZAAAI


def is_neutral(pdg: np.ndarray) -> np.ndarray:
    """(n,) bool: whether particles with the numbers pdg (n,) have no charge."""
    found, inverse = np.unique(pdg, return_inverse=True)
    return np.array([_is_neutral(code) for code in found.tolist()], bool)[inverse]


@functools.cache
def _is_neutral(pdg: int) -> bool:
    from particle.pdgid import three_charge  # scoring has no need of this library

    return three_charge(pdg) == 0


def mass_mev(pdg: int) -> float:
    """The mass of a particle in MeV (Review of Particle Physics); NaN where none is known."""
    from particle import InvalidParticle, Particle, ParticleNotFound

    try:
        mass = Particle.from_pdgid(pdg).mass
    except (ParticleNotFound, InvalidParticle):
        mass = None
    return math.nan if mass is None else mass
