"""What a TPC makes of energy deposits (cycle 3): charge lost, spread out, noisy, and not read everywhere.

The charge drifts along -x to the anode. Recombination -> attachment during the drift -> diffusion -> dead
slabs -> noise on the voxels that hold charge -> threshold. Energies are given back in MeV as if every
voxel held a minimum-ionising track close to the anode: a constant factor, since a participant knows
neither the true dE/dx nor the drift distance.
"""

import math
from dataclasses import dataclass

import numpy as np

from organizer.simulation.voxels import (
    GRID,
    VOXEL_SIZE_MM,
    Deposits,
    Tally,
    Voxels,
    read_out,
    tally,
)

FIELD_KV_CM = 0.5
LAR_DENSITY_G_CM3 = 1.396  # NIST, as Geant4's G4_lAr
# Modified Box model, ArgoNeuT, R. Acciarri et al., JINST 8 (2013) P08005.
BOX_ALPHA = 0.93
BOX_BETA_KV_G_CM3_MEV = 0.212
MIP_DEDX_MEV_CM = 2.11  # PDG 2024, minimum in liquid argon
# Measured up to some 30 MeV/cm; where a particle stops, Geant4's steps have no useful length.
MAX_DEDX_MEV_CM = 50.0
MEV_PER_ELECTRON = 23.6e-6  # M. Miyajima et al., Phys. Rev. A 9 (1974) 1438
DRIFT_SPEED_MM_US = 1.6  # at 0.5 kV/cm and 87 K, W. Walkowiak, NIM A 449 (2000) 288
# At 0.5 kV/cm: Y. Li et al., NIM A 816 (2016) 160; the Wire-Cell toolkit's defaults.
DIFFUSION_LONGITUDINAL_MM2_US = 7.2e-4
DIFFUSION_TRANSVERSE_MM2_US = 12.0e-4
LIFETIME_US = 8000.0  # ProtoDUNE-SP, JINST 15 (2020) P12004, and Wire-Cell's default
NOISE_ELECTRONS = 500.0  # a collection wire's equivalent noise charge, ProtoDUNE-SP, ibid.

NEGLIGIBLE_ELECTRONS = 1.0


@dataclass(frozen=True)
class Detector:
    """Where the crop lies in the TPC, and what is dead. `dead` (3, GRID) bool, slabs by axis."""

    drift_mm: float  # from the anode to the crop's lower face in x
    dead: np.ndarray


MAX_DRIFT_MM = 1500.0  # of the crop's lower face: a TPC of 2 m, as SBND's (arXiv:1503.01520)
WIRE_AXES = (1, 2)  # the wires lie in planes across the drift
DEAD_SLABS = (1, 4)  # least and most on each axis
DEAD_WIDTH_VOXELS = (1, 5)


def draw_detector(rng: np.random.Generator) -> Detector:
    """A place for the crop in the TPC and its dead slabs (broken wires, gaps between anode planes)."""
    dead = np.zeros((3, GRID), bool)
    for axis in WIRE_AXES:
        for _ in range(rng.integers(*DEAD_SLABS, endpoint=True)):
            width = rng.integers(*DEAD_WIDTH_VOXELS, endpoint=True)
            first = rng.integers(0, GRID - width, endpoint=True)
            dead[axis, first : first + width] = True
    return Detector(drift_mm=rng.uniform(0, MAX_DRIFT_MM), dead=dead)


def recombination(dedx_mev_cm: np.ndarray) -> np.ndarray:
    """Share of the electrons that escape recombination, modified Box model."""
    beta = BOX_BETA_KV_G_CM3_MEV / (LAR_DENSITY_G_CM3 * FIELD_KV_CM) * dedx_mev_cm
    return np.log(BOX_ALPHA + beta) / beta


def measured_readout(
    deposits: Deposits, detector: Detector, threshold_mev: float, rng: np.random.Generator
) -> Voxels:
    """What the detector reads out of the deposits."""
    electrons = collected_electrons(deposits, detector)
    spread = diffuse(deposits, electrons, detector)
    # Where less than the noise arrives, nothing is read: noise must not make voxels of its own.
    charge = spread.parts.sum(axis=(1, 2))
    index = np.stack(np.unravel_index(spread.key, (GRID,) * 3))
    alive = ~np.any(np.take_along_axis(detector.dead, index, axis=1), axis=0)
    holds = alive & (charge > NOISE_ELECTRONS)
    noisy = np.where(holds, charge + rng.normal(0, NOISE_ELECTRONS, len(charge)), 0)
    energy = noisy * MEV_PER_ELECTRON / recombination(MIP_DEDX_MEV_CM)
    return read_out(spread, energy, energy > threshold_mev)


def collected_electrons(deposits: Deposits, detector: Detector) -> np.ndarray:
    """(P,) electrons of each deposit that arrive at the anode."""
    length_cm = np.maximum(deposits.length_mm / 10, 1e-9)
    dedx = np.clip(deposits.energy_mev / length_cm, None, MAX_DEDX_MEV_CM)
    # Below the Box model's range (ln < 0) nothing recombines less than a minimum-ionising track's 1 - R.
    escaped = recombination(np.maximum(dedx, 1.0))
    survived = np.exp(-drift_time_us(deposits, detector) / LIFETIME_US)
    return deposits.energy_mev / MEV_PER_ELECTRON * escaped * survived


def drift_time_us(deposits: Deposits, detector: Detector) -> np.ndarray:
    """(P,) time from each deposit to the anode."""
    return (detector.drift_mm + deposits.position_mm[:, 0]) / DRIFT_SPEED_MM_US


REACH = np.arange(-2, 3)  # voxels: at least 6 mm, three times the widest spread
_CDF_AT = np.linspace(-6, 6, 2401)
_CDF = np.array([(1 + math.erf(x / math.sqrt(2))) / 2 for x in _CDF_AT])


def diffuse(deposits: Deposits, electrons: np.ndarray, detector: Detector) -> Tally:
    """Spread each deposit's electrons over the voxels around it: a Gaussian, integrated voxel by voxel."""
    coefficients = [DIFFUSION_LONGITUDINAL_MM2_US] + 2 * [DIFFUSION_TRANSVERSE_MM2_US]
    time_us = drift_time_us(deposits, detector)[:, None]
    sigma_voxels = np.sqrt(2 * time_us * coefficients) / VOXEL_SIZE_MM + 1e-6
    position = deposits.position_mm / VOXEL_SIZE_MM
    voxel = np.floor(position).astype(np.int64)
    edges = np.arange(REACH[0], REACH[-1] + 2)
    distance = (voxel - position)[:, :, None] + edges
    share = np.diff(np.interp(distance / sigma_voxels[:, :, None], _CDF_AT, _CDF), axis=2)
    share /= share.sum(axis=2, keepdims=True)
    weight = np.einsum("p,pi,pj,pk->pijk", electrons, share[:, 0], share[:, 1], share[:, 2])
    x, y, z = np.moveaxis(voxel[:, :, None] + REACH, 1, 0)
    key = (x[:, :, None, None] * GRID + y[:, None, :, None]) * GRID + z[:, None, None, :]
    in_grid = [(axis >= 0) & (axis < GRID) for axis in (x, y, z)]
    inside = in_grid[0][:, :, None, None] & in_grid[1][:, None, :, None] & in_grid[2][:, None, None]
    inside &= weight > NEGLIGIBLE_ELECTRONS
    point = np.nonzero(inside)[0]
    return tally(key[inside], weight[inside], deposits.label[point], deposits.origin[point])
