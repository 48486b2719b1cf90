"""What a TPC makes of energy deposits: charge gets lost, spreads, is noisy, isn't read everywhere.

The charge drifts against x to the anode: recombination where it is set free, attachment on the way,
diffusion, dead planes, noise on the voxels that hold charge. Energies are given back in MeV as if
every voxel held a minimum-ionising track beside the anode: one constant factor, as neither the true
dE/dx nor the drift distance is known to whoever looks at the event.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lartpc_challenge.format import GRID_SHAPE, GRID_SIZE, VOXEL_SIZE_MM
from organizer.simulate.constants import LAR_DENSITY_G_CM3
from organizer.simulate.voxels import Deposits, Tally, Truth, Voxels, read_out, tally

# Of the constants below, as the data page shows them too.
SOURCES = {
    "mev_per_electron": "M. Miyajima et al., Phys. Rev. A 9 (1974) 1438",
    "box": "ArgoNeuT: R. Acciarri et al., JINST 8 (2013) P08005",
    "drift_speed_mm_us": "at 87 K: W. Walkowiak, NIM A 449 (2000) 288",
    "diffusion": "the Wire-Cell toolkit's, after Y. Li et al., NIM A 816 (2016) 160",
    "lifetime_us": "the Wire-Cell toolkit's; ProtoDUNE-SP: JINST 15 (2020) P12004",
    "noise_electrons": "of a collection wire: ProtoDUNE-SP, JINST 15 (2020) P12004",
    "drift_mm": "2 m, as in SBND's TPC",
}
FIELD_KV_CM = 0.5  # for which all below was measured
MIP_DEDX_MEV_CM = 2.11  # minimum in liquid argon, PDG 2024, table 6.1
MEV_PER_ELECTRON = 23.6e-6
BOX_ALPHA = 0.93
BOX_BETA_KV_G_CM3_MEV = 0.212
# Its range. Steps where a particle stops, or that have no length, would lie far above.
BOX_DEDX_MEV_CM = (1.0, 50.0)
# Nuclei do lie there. At an alpha's 1000 MeV/cm the model leaves 2 % of the electrons; J. Thomas,
# D. A. Imel, Phys. Rev. A 36 (1987) 614, find 1 % for alphas at this field.
NUCLEUS_DEDX_MEV_CM = (1.0, 1000.0)


@dataclass(frozen=True)
class Detector:
    """A TPC. Lengths in mm unless said otherwise; ranges are (least, most), both possible."""

    drift_speed_mm_us: float = 1.6
    diffusion_longitudinal_mm2_us: float = 7.2e-4
    diffusion_transverse_mm2_us: float = 12.0e-4
    lifetime_us: float = 8000.0
    noise_electrons: float = 500.0
    drift_mm: tuple[float, float] = (0.0, 1500.0)  # from the anode to the crop
    # Broken wires and the gaps between anode planes, across y and z, where the wires are.
    dead_planes: tuple[int, int] = (1, 4)  # on each of the two axes
    dead_width_voxels: tuple[int, int] = (1, 5)


@dataclass(frozen=True)
class Conditions:
    """Where in the detector an event lies, and how it is read out there.

    dead (3, GRID_SIZE) bool: dead planes, axis by axis. missing: boxes that are not read out, each
    (3, 2) int: first voxel and the one after the last, axis by axis. scale: what the energies are
    multiplied with. recombines: whether charge is lost to recombination.
    """

    drift_mm: float
    dead: np.ndarray
    missing: tuple[np.ndarray, ...] = ()
    scale: float = 1.0
    recombines: bool = True


def draw_conditions(rng: np.random.Generator, detector: Detector) -> Conditions:
    """A place for the crop in the detector, and with it the dead planes."""
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
    """The voxels above the threshold; a voxel's label is the class of most of its charge."""
    electrons = arriving_electrons(deposits, detector, conditions)
    spread = diffuse(deposits, truth, electrons, detector, conditions)
    charge = spread.parts.sum(axis=(1, 2))
    x, y, z = np.unravel_index(spread.key, GRID_SHAPE)
    is_dead = conditions.dead[0, x] | conditions.dead[1, y] | conditions.dead[2, z]
    for box in conditions.missing:
        is_in_box = [(a >= first) & (a < end) for a, (first, end) in zip((x, y, z), box)]
        is_dead |= np.all(is_in_box, axis=0)
    # Where less than the noise arrives no voxel is made: noise alone must not get a label.
    is_read = ~is_dead & (charge > detector.noise_electrons)
    noisy = charge + rng.normal(0, detector.noise_electrons, len(charge))
    energy = noisy * MEV_PER_ELECTRON / recombination(MIP_DEDX_MEV_CM) * conditions.scale
    return read_out(spread, energy, is_read & (energy > threshold_mev), truth.precedence)


def recombination(
    dedx_mev_cm: np.ndarray | float, limits_mev_cm: tuple[float, float] = BOX_DEDX_MEV_CM
) -> np.ndarray:
    """Share of the electrons set free that escape recombination, by the modified Box model."""
    dedx = np.clip(dedx_mev_cm, *limits_mev_cm)
    scaled = BOX_BETA_KV_G_CM3_MEV * dedx / (LAR_DENSITY_G_CM3 * FIELD_KV_CM)
    return np.log(BOX_ALPHA + scaled) / scaled


def arriving_electrons(
    deposits: Deposits, detector: Detector, conditions: Conditions
) -> np.ndarray:
    """(P,) electrons of each deposit that arrive at the anode."""
    escaping = _escaping(deposits) if conditions.recombines else recombination(MIP_DEDX_MEV_CM)
    free = deposits.energy_mev / MEV_PER_ELECTRON * escaping
    return free * np.exp(-_drift_time_us(deposits, detector, conditions) / detector.lifetime_us)


def _escaping(deposits: Deposits) -> np.ndarray:
    """(P,) share of each deposit's electrons that escape recombination."""
    with np.errstate(divide="ignore"):
        dedx = deposits.energy_mev / (deposits.length_mm / 10)
    return np.where(
        deposits.is_nucleus, recombination(dedx, NUCLEUS_DEDX_MEV_CM), recombination(dedx)
    )


def _drift_time_us(deposits: Deposits, detector: Detector, conditions: Conditions) -> np.ndarray:
    return (conditions.drift_mm + deposits.position_mm[:, 0]) / detector.drift_speed_mm_us


_LEAST_REACH = 2  # voxels around a deposit's that charge can spread to
_SIGMAS_REACHED = 3  # for `Detector` as it stands, 2 voxels are enough
_NEGLIGIBLE_ELECTRONS = 1.0
_BLOCK = 512  # deposits at a time, so that their 125 voxels each stay in the cache
_SIGMAS = np.linspace(-6, 6, 2401)
_NORMAL_CDF = np.array([math.erfc(-x / math.sqrt(2)) / 2 for x in _SIGMAS])


def diffuse(
    deposits: Deposits,
    truth: Truth,
    electrons: np.ndarray,
    detector: Detector,
    conditions: Conditions,
) -> Tally:
    """Spread each deposit's electrons: a Gaussian, integrated over the voxels that it reaches.

    Deposits outside the crop are dropped before, so that the outer two voxels of each face lose
    charge through it (at most 22 % and 1 %, where the drift is longest) and gain none.
    """
    along, across = detector.diffusion_longitudinal_mm2_us, detector.diffusion_transverse_mm2_us
    if not along and not across:
        return tally(deposits.voxel, electrons, deposits.track, truth)
    time_us = _drift_time_us(deposits, detector, conditions)
    sigma_mm = np.sqrt(2 * time_us[:, None] * np.array([along, across, across])) + 1e-6
    position_mm, track = deposits.position_mm, deposits.track
    widest = math.ceil(_SIGMAS_REACHED * sigma_mm.max(initial=0) / VOXEL_SIZE_MM)
    if widest > _LEAST_REACH:
        # Where so much spreads, a track's deposits in a voxel may as well lie in one point.
        position_mm, sigma_mm, electrons, track = _gathered(deposits, sigma_mm, electrons)
    reach = np.arange(-max(widest, _LEAST_REACH), max(widest, _LEAST_REACH) + 1)
    blocks = [
        _spread(position_mm[i], sigma_mm[i], electrons[i], first, reach)
        for first in range(0, len(electrons), _BLOCK)
        for i in [slice(first, first + _BLOCK)]
    ]
    key, weight, row = map(np.concatenate, zip(*blocks)) if blocks else np.zeros((3, 0), int)
    return tally(key, weight, track[row], truth)


def _gathered(deposits: Deposits, sigma_mm: np.ndarray, electrons: np.ndarray):
    """Position, spread, electrons and track of deposits gathered by track and voxel."""
    pair = deposits.track * GRID_SIZE**3 + deposits.voxel
    _, first, group = np.unique(pair, return_index=True, return_inverse=True)
    total = np.bincount(group, electrons)
    position_mm = np.stack(
        [np.bincount(group, electrons * x) / total for x in deposits.position_mm.T], axis=1
    )
    return position_mm, sigma_mm[first], total, deposits.track[first]


def _spread(position_mm, sigma_mm, electrons, first_row, reach):
    """Voxel key, electrons and deposit of every voxel that the deposits reach."""
    voxel = np.floor(position_mm / VOXEL_SIZE_MM).astype(np.int64)
    edge_mm = (voxel[:, :, None] + np.append(reach, reach[-1] + 1)) * VOXEL_SIZE_MM
    sigmas = (edge_mm - position_mm[:, :, None]) / sigma_mm[:, :, None]
    share = np.diff(np.interp(sigmas, _SIGMAS, _NORMAL_CDF))
    share /= share.sum(axis=2, keepdims=True)
    reached = voxel[:, :, None] + reach
    share[(reached < 0) | (reached >= GRID_SIZE)] = 0  # leaves the crop
    weight = np.einsum("p,pi,pj,pk->pijk", electrons, *np.moveaxis(share, 1, 0))
    row, i, j, k = np.nonzero(weight > _NEGLIGIBLE_ELECTRONS)
    index = (reached[row, 0, i], reached[row, 1, j], reached[row, 2, k])
    return np.ravel_multi_index(index, GRID_SHAPE), weight[row, i, j, k], row + first_row
