"""Simulate the response of a TPC: recombination, attachment, diffusion, noise, dead planes.

The charge drifts in the direction of -x to the anode. Noise is added only to voxels with charge.
Charge is converted to MeV with one constant factor, that of a minimum-ionising particle at the
anode, because neither the true dE/dx nor the drift distance is known in an event.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lartpc_challenge.format import GRID_SHAPE, GRID_SIZE, VOXEL_SIZE_MM
from organizer.simulate.constants import LAR_DENSITY_G_CM3
from organizer.simulate.voxels import Deposits, Tally, Truth, Voxels, read_out, tally

# Sources of the constants below; the data page shows them.
SOURCES = {
    "mev_per_electron": "M. Miyajima et al., Phys. Rev. A 9 (1974) 1438",
    "box": "ArgoNeuT: R. Acciarri et al., JINST 8 (2013) P08005",
    "drift_speed_mm_us": "at 87 K: W. Walkowiak, NIM A 449 (2000) 288",
    "diffusion": "the Wire-Cell toolkit's, after Y. Li et al., NIM A 816 (2016) 160",
    "lifetime_us": "the Wire-Cell toolkit's; ProtoDUNE-SP: JINST 15 (2020) P12004",
    "noise_electrons": "of a collection wire: ProtoDUNE-SP, JINST 15 (2020) P12004",
    "drift_mm": "2 m, as in SBND's TPC",
}
FIELD_KV_CM = 0.5  # the field at which the values below were measured
MIP_DEDX_MEV_CM = 2.11  # minimum in liquid argon, PDG 2024, table 6.1
MEV_PER_ELECTRON = 23.6e-6
BOX_ALPHA = 0.93
BOX_BETA_KV_G_CM3_MEV = 0.212
# The range of the Box model. Steps at the end of a track or without length would be far above.
BOX_DEDX_MEV_CM = (1.0, 50.0)
# Nuclei are above it. For an alpha's 1000 MeV/cm the model gives 2 % of the electrons; J. Thomas,
# D. A. Imel, Phys. Rev. A 36 (1987) 614, find 1 % for alphas at this field.
NUCLEUS_DEDX_MEV_CM = (1.0, 1000.0)


@dataclass(frozen=True)
class Detector:
    """The properties of a TPC. Units are in the names; ranges are (least, most), both inclusive."""

    drift_speed_mm_us: float = 1.6
    diffusion_longitudinal_mm2_us: float = 7.2e-4
    diffusion_transverse_mm2_us: float = 12.0e-4
    lifetime_us: float = 8000.0
    noise_electrons: float = 500.0
    drift_mm: tuple[float, float] = (0.0, 1500.0)  # distance from the anode to the crop
    # Dead planes are perpendicular to y or z: broken wires, or gaps between anode planes.
    dead_planes: tuple[int, int] = (1, 4)  # number per axis
    dead_width_voxels: tuple[int, int] = (1, 5)


@dataclass(frozen=True)
class Conditions:
    """The position of an event in the detector, and its read-out.

    drift_mm: distance from the anode to the crop. dead: (3, GRID_SIZE) bool, dead planes per axis.
    missing: boxes that are not read out, each (3, 2) int: first voxel and last voxel + 1 per axis.
    scale: factor on the energies. recombines: whether charge is lost to recombination.
    """

    drift_mm: float
    dead: np.ndarray
    missing: tuple[np.ndarray, ...] = ()
    scale: float = 1.0
    recombines: bool = True


def draw_conditions(rng: np.random.Generator, detector: Detector) -> Conditions:
    """Draw the position of the crop in the detector, and the dead planes."""
    dead = np.zeros((3, GRID_SIZE), bool)
    for axis in (1, 2):
        for _ in range(rng.integers(*detector.dead_planes, endpoint=True)):
            width = rng.integers(*detector.dead_width_voxels, endpoint=True)
            first = rng.integers(0, GRID_SIZE - width, endpoint=True)
            dead[axis, first : first + width] = True
    return Conditions(rng.uniform(*detector.drift_mm), dead)


def measured_readout(
    deposits: Deposits,
    truth: Truth,
    detector: Detector,
    conditions: Conditions,
    threshold_mev: float,
    rng: np.random.Generator,
) -> Voxels:
    """Return the voxels above the threshold. A voxel's label is the class with most charge."""
    electrons = arriving_electrons(deposits, detector, conditions)
    spread = diffuse(deposits, truth, electrons, detector, conditions)
    charge = spread.parts.sum(axis=(1, 2))
    x, y, z = np.unravel_index(spread.key, GRID_SHAPE)
    is_dead = conditions.dead[0, x] | conditions.dead[1, y] | conditions.dead[2, z]
    for box in conditions.missing:
        is_in_box = [(a >= first) & (a < end) for a, (first, end) in zip((x, y, z), box)]
        is_dead |= np.all(is_in_box, axis=0)
    # Voxels with less charge than the noise are dropped: noise alone must not have a label.
    is_read = ~is_dead & (charge > detector.noise_electrons)
    noisy = charge + rng.normal(0, detector.noise_electrons, len(charge))
    energy = noisy * MEV_PER_ELECTRON / recombination(MIP_DEDX_MEV_CM) * conditions.scale
    return read_out(spread, energy, is_read & (energy > threshold_mev), truth.precedence)


def recombination(
    dedx_mev_cm: np.ndarray | float, limits_mev_cm: tuple[float, float] = BOX_DEDX_MEV_CM
) -> np.ndarray:
    """Return the share of electrons that escape recombination, by the modified Box model."""
    dedx = np.clip(dedx_mev_cm, *limits_mev_cm)
    scaled = BOX_BETA_KV_G_CM3_MEV * dedx / (LAR_DENSITY_G_CM3 * FIELD_KV_CM)
    return np.log(BOX_ALPHA + scaled) / scaled


def arriving_electrons(
    deposits: Deposits, detector: Detector, conditions: Conditions
) -> np.ndarray:
    """Return the number of electrons of each deposit that arrive at the anode: (P,)."""
    escaping = recombination(MIP_DEDX_MEV_CM)
    if conditions.recombines:
        with np.errstate(divide="ignore"):
            dedx = deposits.energy_mev / (deposits.length_mm / 10)
        of_nuclei = recombination(dedx, NUCLEUS_DEDX_MEV_CM)
        escaping = np.where(deposits.is_nucleus, of_nuclei, recombination(dedx))
    free = deposits.energy_mev / MEV_PER_ELECTRON * escaping
    return free * np.exp(-_drift_time_us(deposits, detector, conditions) / detector.lifetime_us)


def _drift_time_us(deposits: Deposits, detector: Detector, conditions: Conditions) -> np.ndarray:
    return (conditions.drift_mm + deposits.position_mm[:, 0]) / detector.drift_speed_mm_us


_LEAST_REACH = 2  # voxels around a deposit that get charge, at least
_SIGMAS_REACHED = 3  # 2 voxels are enough for this with the default `Detector`
_NEGLIGIBLE_ELECTRONS = 1.0
_BLOCK = 512  # deposits per block, so that their 125 voxels each fit into the CPU cache
_SIGMAS = np.linspace(-6, 6, 2401)
_NORMAL_CDF = np.array([math.erfc(-x / math.sqrt(2)) / 2 for x in _SIGMAS])


def diffuse(
    deposits: Deposits,
    truth: Truth,
    electrons: np.ndarray,
    detector: Detector,
    conditions: Conditions,
) -> Tally:
    """Distribute each deposit's electrons over voxels: a Gaussian, integrated over each voxel.

    Deposits outside the crop have been dropped, so the two outer layers of voxels lose charge
    through the crop's faces (at most 22 % and 1 %, for the longest drift) and gain none.
    """
    along, across = detector.diffusion_longitudinal_mm2_us, detector.diffusion_transverse_mm2_us
    if not along and not across:
        return tally(deposits.voxel, electrons, deposits.track, truth)
    time_us = _drift_time_us(deposits, detector, conditions)
    sigma_mm = np.sqrt(2 * time_us[:, None] * np.array([along, across, across])) + 1e-6
    position_mm, track = deposits.position_mm, deposits.track
    widest = math.ceil(_SIGMAS_REACHED * sigma_mm.max(initial=0) / VOXEL_SIZE_MM)
    if widest > _LEAST_REACH:
        # With so much diffusion all deposits of a track in a voxel can be merged into one point.
        position_mm, sigma_mm, electrons, track = _gathered(deposits, sigma_mm, electrons)
    reach = np.arange(-max(widest, _LEAST_REACH), max(widest, _LEAST_REACH) + 1)
    keys, weights, rows = [], [], []
    # At least one block, so that there is something to concatenate.
    for first in range(0, max(len(electrons), 1), _BLOCK):
        part = slice(first, first + _BLOCK)
        key, weight, row = _spread(position_mm[part], sigma_mm[part], electrons[part], reach)
        keys.append(key)
        weights.append(weight)
        rows.append(row + first)
    return tally(np.concatenate(keys), np.concatenate(weights), track[np.concatenate(rows)], truth)


def _gathered(
    deposits: Deposits, sigma_mm: np.ndarray, electrons: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Return position, sigma, electrons and track of deposits merged by track and voxel."""
    pair = deposits.track * GRID_SIZE**3 + deposits.voxel
    _, first, group = np.unique(pair, return_index=True, return_inverse=True)
    total = np.bincount(group, electrons)
    position_mm = np.stack(
        [np.bincount(group, electrons * x) / total for x in deposits.position_mm.T], axis=1
    )
    return position_mm, sigma_mm[first], total, deposits.track[first]


def _spread(
    position_mm: np.ndarray, sigma_mm: np.ndarray, electrons: np.ndarray, reach: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the flat voxel index, electrons and deposit of every voxel that gets charge."""
    voxel = np.floor(position_mm / VOXEL_SIZE_MM).astype(np.int64)
    edge_mm = (voxel[:, :, None] + np.append(reach, reach[-1] + 1)) * VOXEL_SIZE_MM
    sigmas = (edge_mm - position_mm[:, :, None]) / sigma_mm[:, :, None]
    share = np.diff(np.interp(sigmas, _SIGMAS, _NORMAL_CDF))
    share /= share.sum(axis=2, keepdims=True)
    reached = voxel[:, :, None] + reach
    share[(reached < 0) | (reached >= GRID_SIZE)] = 0  # outside the crop
    weight = np.einsum("p,pi,pj,pk->pijk", electrons, *np.moveaxis(share, 1, 0))
    row, i, j, k = np.nonzero(weight > _NEGLIGIBLE_ELECTRONS)
    index = (reached[row, 0, i], reached[row, 1, j], reached[row, 2, k])
    return np.asarray(np.ravel_multi_index(index, GRID_SHAPE)), weight[row, i, j, k], row
