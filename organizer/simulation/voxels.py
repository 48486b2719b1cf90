"""Geant4's steps -> voxels with energy, label, origin and the share of the second class."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from organizer.simulation.geant4 import Steps, Tracks

GRID = 192
VOXEL_SIZE_MM = 3.0
HALF_CROP_MM = GRID * VOXEL_SIZE_MM / 2
POINT_SPACING_MM = 0.5  # a step is split into points no farther apart

SHOWER, OTHER, PROTON = 1, 2, 3  # labels


class Origin(IntEnum):
    """How the particle that left most of a voxel's energy came to be."""

    PRIMARY = 1  # drawn by the recipe
    DELTA = 2  # electron knocked out by a muon, hadron or nucleus, and what follows from it
    MICHEL = 3  # electron from a muon's decay, and what follows
    CONVERSION = 4  # electron or positron set free by a photon, and what follows
    HADRONIC = 5  # from a nuclear reaction, or a nucleus's recoil
    DECAY = 6  # muon (or other track) from a decay in flight or at rest


@dataclass(frozen=True)
class Deposits:
    """Energy left at points. P is the number of points."""

    position_mm: np.ndarray  # (P, 3) float64, from the crop's lower corner
    energy_mev: np.ndarray  # (P,) float64
    length_mm: np.ndarray  # (P,) float64, path length that the energy belongs to
    label: np.ndarray  # (P,) int64
    origin: np.ndarray  # (P,) int64


@dataclass(frozen=True)
class Voxels:
    """What a file keeps of an event. V is the number of voxels, in order of x, y, z."""

    coords: np.ndarray  # (V, 3) uint8
    energy: np.ndarray  # (V,) float32, MeV
    label: np.ndarray  # (V,) uint8, the class that left most energy
    origin: np.ndarray  # (V,) uint8, of that class's largest part
    second_share: np.ndarray  # (V,) float32, of the energy, left by the second class


def track_labels(tracks: Tracks, proton_is_a_class: bool) -> np.ndarray:
    """Label of what each track leaves, (T,) int64."""
    label = np.full(len(tracks.pdg), OTHER)
    label[np.isin(np.abs(tracks.pdg), (11, 22))] = SHOWER
    if proton_is_a_class:
        label[tracks.pdg == 2212] = PROTON
    return label


def track_origins(tracks: Tracks) -> np.ndarray:
    """Origin of each track, (T,) int64, from its creator process and its parent's origin.

    Geant4 tracks a parent before its children, so one pass in the order of tracking is enough.
    """
    origin_of_id = {}
    pdg_of_id = {}
    origins = np.empty(len(tracks.pdg), np.int64)
    rows = zip(
        tracks.track_id.tolist(),
        tracks.parent_id.tolist(),
        tracks.pdg.tolist(),
        tracks.creator.tolist(),
        strict=True,
    )
    for row, (track_id, parent_id, pdg, creator) in enumerate(rows):
        if parent_id == 0:
            origin = Origin.PRIMARY
        else:
            origin = _origin(pdg, creator, pdg_of_id[parent_id], origin_of_id[parent_id])
        origins[row] = origin_of_id[track_id] = origin
        pdg_of_id[track_id] = pdg
    return origins


def _origin(pdg: int, creator: str, parent_pdg: int, parent_origin: Origin) -> Origin:
    electromagnetic = abs(pdg) in (11, 22)
    if not electromagnetic:
        return Origin.DECAY if creator == "Decay" else Origin.HADRONIC
    if abs(parent_pdg) in (11, 22):
        inherits = parent_pdg != 22 or parent_origin in (Origin.MICHEL, Origin.DELTA)
        return parent_origin if inherits else Origin.CONVERSION
    if abs(parent_pdg) == 13 and creator in ("Decay", "muMinusCaptureAtRest") and abs(pdg) == 11:
        return Origin.MICHEL
    if creator.endswith("Ioni"):
        return Origin.DELTA
    return Origin.CONVERSION


def deposits_in_crop(steps: Steps, proton_is_a_class: bool) -> Deposits:
    """Split the steps into points and keep those in the crop, the cube around the world's centre.

    A charged particle leaves its energy along the step; a neutral one only where the step ends.
    """
    labels = track_labels(steps.tracks, proton_is_a_class)
    origins = track_origins(steps.tracks)
    neutral = np.isin(steps.tracks.pdg, (22, 2112))[steps.track]
    way = np.where(neutral[:, None], 0.0, steps.end_mm - steps.start_mm)
    start = steps.end_mm - way
    pieces = np.maximum(1, np.ceil(np.linalg.norm(way, axis=1) / POINT_SPACING_MM)).astype(int)
    step = np.repeat(np.arange(len(pieces)), pieces)
    piece = np.arange(len(step)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    fraction = np.where(neutral[step], 1.0, (piece + 0.5) / pieces[step])
    position = start[step] + way[step] * fraction[:, None] + HALF_CROP_MM
    inside = np.all((position >= 0) & (position < 2 * HALF_CROP_MM), axis=1)
    step = step[inside]
    return Deposits(
        position_mm=position[inside],
        energy_mev=(steps.energy_mev / pieces)[step],
        length_mm=(steps.length_mm / pieces)[step],
        label=labels[steps.track[step]],
        origin=origins[steps.track[step]],
    )


@dataclass(frozen=True)
class Tally:
    """What each voxel got from each class and origin, before any threshold. V voxels."""

    key: np.ndarray  # (V,) int64, ascending: (x * GRID + y) * GRID + z
    parts: np.ndarray  # (V, labels, origins) float64, MeV


def tally_deposits(deposits: Deposits) -> Tally:
    """Sum the deposits voxel by voxel."""
    index = np.floor(deposits.position_mm / VOXEL_SIZE_MM).astype(np.int64)
    return tally(voxel_key(index), deposits.energy_mev, deposits.label, deposits.origin)


def voxel_key(index: np.ndarray) -> np.ndarray:
    """One number for each voxel index (..., 3)."""
    return (index[..., 0] * GRID + index[..., 1]) * GRID + index[..., 2]


def tally(key: np.ndarray, weight: np.ndarray, label: np.ndarray, origin: np.ndarray) -> Tally:
    """Sum weights by voxel key, label and origin."""
    is_hit = np.zeros(GRID**3, bool)  # faster than sorting the keys
    is_hit[key] = True
    hit = np.flatnonzero(is_hit)
    row_of_key = np.empty(GRID**3, np.int64)
    row_of_key[hit] = np.arange(len(hit))
    shape = (len(hit), PROTON + 1, max(Origin) + 1)
    cell = np.ravel_multi_index((row_of_key[key], label, origin), shape)
    return Tally(hit, np.bincount(cell, weight, minlength=np.prod(shape)).reshape(shape))


def read_out(tally: Tally, energy_mev: np.ndarray, kept: np.ndarray) -> Voxels:
    """The voxels `kept` (V,) bool, with `energy_mev` (V,) as measured, labels as tallied."""
    parts = tally.parts[kept]
    by_label = parts.sum(axis=2)
    label = np.argmax(by_label, axis=1)
    second = np.sort(by_label, axis=1)[:, -2]
    return Voxels(
        coords=np.stack(np.unravel_index(tally.key[kept], (GRID,) * 3), axis=1).astype(np.uint8),
        energy=energy_mev[kept].astype(np.float32),
        label=label.astype(np.uint8),
        origin=np.argmax(parts[np.arange(len(parts)), label], axis=1).astype(np.uint8),
        second_share=(second / by_label.sum(axis=1)).astype(np.float32),
    )


def ideal_readout(deposits: Deposits, threshold_mev: float) -> Voxels:
    """Cycles 1 and 2: the true energy of every voxel above the threshold."""
    tallied = tally_deposits(deposits)
    energy = tallied.parts.sum(axis=(1, 2))
    return read_out(tallied, energy, energy > threshold_mev)
