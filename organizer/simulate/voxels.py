"""Geant4's steps -> energy at points in the crop -> voxels with label and origin."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from lartpc_challenge.format import GRID_SHAPE, GRID_SIZE, VOXEL_SIZE_MM, SemanticLabel
from organizer.simulate.geant4 import Steps, Tracks

HALF_CROP_MM = GRID_SIZE * VOXEL_SIZE_MM / 2
POINT_SPACING_MM = 0.5  # a step is split into points no farther apart

ELECTRON, MUON, PHOTON, NEUTRON, PROTON = 11, 13, 22, 2112, 2212  # PDG codes


class Origin(IntEnum):
    """How the particle that left most of a voxel's energy came to be."""

    PRIMARY = 1  # drawn by the recipe
    DELTA = 2  # electron knocked out by a muon, hadron or nucleus, and what follows from it
    MICHEL = 3  # electron of a muon's decay, and what follows
    CONVERSION = 4  # electron or positron that a photon set free, and what follows
    HADRONIC = 5  # of a nuclear reaction, or a nucleus that recoils
    DECAY = 6  # muon or hadron of a decay


@dataclass(frozen=True)
class Deposits:
    """Energy left as ionisation at points in the crop. P is the number of points."""

    position_mm: np.ndarray  # (P, 3) float64, from the crop's lower corner
    energy_mev: np.ndarray  # (P,) float64, what ends as ionisation
    length_mm: np.ndarray  # (P,) float64, way on which it was left, 0 for neutral particles
    label: np.ndarray  # (P,) int64
    origin: np.ndarray  # (P,) int64


@dataclass(frozen=True)
class Tally:
    """What each voxel got, from which class and origin. V is the number of voxels."""

    key: np.ndarray  # (V,) int64, ascending: flat index into GRID_SHAPE
    parts: np.ndarray  # (V, labels, origins) float64, in the unit of what was tallied


@dataclass(frozen=True)
class Voxels:
    """What a file keeps of an event. V is the number of voxels, in order of x, y, z."""

    coords: np.ndarray  # (V, 3) uint8
    energy: np.ndarray  # (V,) float32, MeV
    label: np.ndarray  # (V,) uint8, the class that left most
    origin: np.ndarray  # (V,) uint8, the commonest within that class
    second_share: np.ndarray  # (V,) float32, 0 to 0.5: what the second class left


def labels_of(pdg: np.ndarray, proton_is_a_class: bool) -> np.ndarray:
    """(n,) int64: the label of what particles with PDG codes (n,) leave."""
    label = np.full(len(pdg), SemanticLabel.OTHER, np.int64)
    label[np.isin(np.abs(pdg), (ELECTRON, PHOTON))] = SemanticLabel.ELECTROMAGNETIC
    if proton_is_a_class:
        label[pdg == PROTON] = SemanticLabel.PROTON
    return label


def track_origins(tracks: Tracks) -> np.ndarray:
    """(T,) int64: the origin of each track, from its creator process and its parent's origin."""
    origins = np.empty(len(tracks.pdg), np.int64)
    parents = {0: (0, Origin.PRIMARY)}  # track id -> PDG code, origin
    columns = (tracks.track_id, tracks.parent_id, tracks.pdg, tracks.creator)
    # Geant4 tracks a parent before its children: one pass in the order of tracking is enough.
    for row, (track_id, parent_id, pdg, creator) in enumerate(
        zip(*(column.tolist() for column in columns))
    ):
        parent_pdg, parent_origin = parents[parent_id]
        origins[row] = origin = (
            _origin(pdg, creator, parent_pdg, parent_origin) if parent_id else Origin.PRIMARY
        )
        parents[track_id] = pdg, origin
    return origins


def _origin(pdg: int, creator: str, parent_pdg: int, parent_origin: Origin) -> Origin:
    if abs(pdg) not in (ELECTRON, PHOTON):
        return Origin.DECAY if creator == "Decay" else Origin.HADRONIC
    if abs(parent_pdg) == ELECTRON or parent_origin in (Origin.MICHEL, Origin.DELTA):
        return parent_origin
    if parent_pdg == PHOTON:
        return Origin.CONVERSION
    # A mu- decays from the orbit of an argon atom: Geant4 has that in the capture process.
    if abs(parent_pdg) == MUON and creator in ("Decay", "muMinusCaptureAtRest"):
        return Origin.MICHEL if abs(pdg) == ELECTRON else Origin.CONVERSION
    return Origin.DELTA if creator.endswith("Ioni") else Origin.CONVERSION


def deposits_in_crop(steps: Steps, proton_is_a_class: bool) -> Deposits:
    """Split the steps into points and keep those in the crop, the cube around the world's centre.

    A charged particle leaves its energy along the step, a neutral one only where the step ends.
    """
    label = labels_of(steps.tracks.pdg, proton_is_a_class)
    origin = track_origins(steps.tracks)
    is_neutral = np.isin(steps.tracks.pdg, (PHOTON, NEUTRON))[steps.track]
    start = np.where(is_neutral[:, None], steps.end_mm, steps.start_mm)
    way = steps.end_mm - start
    pieces = np.ceil(np.linalg.norm(way, axis=1) / POINT_SPACING_MM).astype(np.int64)
    pieces = np.maximum(pieces, 1)
    step = np.repeat(np.arange(len(pieces)), pieces)
    piece = np.arange(len(step)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    middle = ((piece + 0.5) / pieces[step])[:, None]
    position = start[step] + middle * way[step] + HALF_CROP_MM
    inside = np.all((position >= 0) & (position < 2 * HALF_CROP_MM), axis=1)
    step = step[inside]
    track = steps.track[step]
    return Deposits(
        position_mm=position[inside],
        energy_mev=(steps.ionising_mev / pieces)[step],
        length_mm=(np.where(is_neutral, 0, steps.length_mm) / pieces)[step],
        label=label[track],
        origin=origin[track],
    )


def ideal_readout(deposits: Deposits, threshold_mev: float) -> Voxels:
    """The voxels whose true energy is above the threshold."""
    index = np.floor(deposits.position_mm / VOXEL_SIZE_MM).astype(np.int64)
    key = np.ravel_multi_index(tuple(index.T), GRID_SHAPE)
    tallied = tally(key, deposits.energy_mev, deposits.label, deposits.origin)
    energy = tallied.parts.sum(axis=(1, 2))
    return read_out(tallied, energy, energy > threshold_mev)


def tally(key: np.ndarray, weight: np.ndarray, label: np.ndarray, origin: np.ndarray) -> Tally:
    """Sum (n,) weights by voxel, label and origin."""
    is_hit = np.zeros(GRID_SIZE**3, bool)  # a table of the whole grid: quicker than sorting keys
    is_hit[key] = True
    hit = np.flatnonzero(is_hit)
    row_of_key = np.empty(GRID_SIZE**3, np.int32)
    row_of_key[hit] = np.arange(len(hit))
    shape = (len(hit), max(SemanticLabel) + 1, max(Origin) + 1)
    cell = np.ravel_multi_index((row_of_key[key], label, origin), shape)
    return Tally(hit, np.bincount(cell, weight, minlength=np.prod(shape)).reshape(shape))


def read_out(tallied: Tally, energy_mev: np.ndarray, is_kept: np.ndarray) -> Voxels:
    """The voxels where is_kept (V,), with energy_mev (V,) as measured; labels as tallied."""
    parts = tallied.parts[is_kept]
    by_label = parts.sum(axis=2)
    label = np.argmax(by_label, axis=1)
    second = np.sort(by_label, axis=1)[:, -2]
    return Voxels(
        coords=np.stack(np.unravel_index(tallied.key[is_kept], GRID_SHAPE), 1).astype(np.uint8),
        energy=energy_mev[is_kept].astype(np.float32),
        label=label.astype(np.uint8),
        origin=np.argmax(parts[np.arange(len(parts)), label], axis=1).astype(np.uint8),
        second_share=(second / by_label.sum(axis=1)).astype(np.float32),
    )
