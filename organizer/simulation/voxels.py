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


def collect(deposits: Deposits, threshold_mev: float) -> Voxels:
    """Sum the deposits in each voxel and keep the voxels above the threshold."""
    index = np.floor(deposits.position_mm / VOXEL_SIZE_MM).astype(np.int64)
    key = (index[:, 0] * GRID + index[:, 1]) * GRID + index[:, 2]
    return collect_keys(key, deposits.energy_mev, deposits.label, deposits.origin, threshold_mev)


def collect_keys(key, energy_mev, label, origin, threshold_mev: float) -> Voxels:
    voxel, row = np.unique(key, return_inverse=True)
    width = max(Origin) + 1
    parts = np.bincount(
        (row * 4 + label) * width + origin, weights=energy_mev, minlength=len(voxel) * 4 * width
    ).reshape(len(voxel), 4, width)
    by_label = parts.sum(axis=2)
    energy = by_label.sum(axis=1)
    kept = energy > threshold_mev
    voxel, parts, by_label, energy = voxel[kept], parts[kept], by_label[kept], energy[kept]
    best = np.argmax(by_label, axis=1)
    second = np.sort(by_label, axis=1)[:, -2]
    x, yz = np.divmod(voxel, GRID * GRID)
    return Voxels(
        coords=np.column_stack((x, *np.divmod(yz, GRID))).astype(np.uint8),
        energy=energy.astype(np.float32),
        label=best.astype(np.uint8),
        origin=np.argmax(parts[np.arange(len(voxel)), best], axis=1).astype(np.uint8),
        second_share=(second / energy).astype(np.float32),
    )
