"""Convert Geant4's steps to energy deposits in the crop, and these to voxels with labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.format import GRID_SHAPE, GRID_SIZE, VOXEL_SIZE_MM
from organizer.pdg import is_neutral
from organizer.simulate.geant4 import Particle, Steps
from organizer.simulate.quenching import is_quenched
from organizer.simulate.truth import Origin, TrackFacts, labels_of_tracks

if TYPE_CHECKING:
    from organizer.cycles import Production

HALF_CROP_MM = GRID_SIZE * VOXEL_SIZE_MM / 2
POINT_SPACING_MM = 0.5  # a step is split into points with at most this distance


@dataclass(frozen=True)
class Deposits:
    """Deposits of ionisation energy at P points in the crop."""

    position_mm: np.ndarray  # (P, 3) float64, from the crop's lower corner
    energy_mev: np.ndarray  # (P,) float64, the part that becomes ionisation
    length_mm: np.ndarray  # (P,) float64, step length for this energy, 0 for neutral particles
    is_nucleus: np.ndarray  # (P,) bool, left by a nucleus heavier than hydrogen
    track: np.ndarray  # (P,) int64, index of the track that left it

    @property
    def voxel(self) -> np.ndarray:
        """(P,) int64: flat index in GRID_SHAPE of the deposit's voxel."""
        index = np.floor(self.position_mm / VOXEL_SIZE_MM).astype(np.int64)
        return np.asarray(np.ravel_multi_index(tuple(index.T), GRID_SHAPE))


@dataclass(frozen=True)
class Truth:
    """The label, origin and primary particle of the deposits of each of T tracks.

    n_labels: number of labels of the cycle, with EMPTY. precedence: see `read_out`.
    """

    label: np.ndarray  # (T,) int64
    origin: np.ndarray  # (T,) int64, `Origin`
    primary: np.ndarray  # (T,) int64, index of the primary particle that it descends from
    n_labels: int
    precedence: tuple[int, ...] = ()


@dataclass(frozen=True)
class Tally:
    """The energy (or charge) in each of V voxels, split by label, origin and primary particle."""

    key: np.ndarray  # (V,) int64, ascending: flat index in GRID_SHAPE
    parts: np.ndarray  # (V, labels, origins) float64, MeV or electrons
    by_primary: np.ndarray  # (V, primaries) float64, MeV or electrons


@dataclass(frozen=True)
class Voxels:
    """The V voxels of an event as a file stores them, in order of x, y, z."""

    coords: np.ndarray  # (V, 3) uint8
    energy: np.ndarray  # (V,) float32, MeV
    label: np.ndarray  # (V,) uint8, the class that left most, see `read_out`
    particle: np.ndarray  # (V,) int16, index of the primary whose descendants left most
    origin: np.ndarray  # (V,) uint8, the `Origin` with most energy within that class
    second_share: np.ndarray  # (V,) float32, 0 to 0.5: the share of the second class


def deposits_in_crop(steps: Steps) -> Deposits:
    """Split the steps into points and return those in the crop, a cube at the world's centre.

    A charged particle leaves its energy along the step, a neutral one at the end of the step.
    """
    no_charge = is_neutral(steps.tracks.pdg)[steps.track]
    start = np.where(no_charge[:, None], steps.end_mm, steps.start_mm)
    way = steps.end_mm - start
    pieces = np.ceil(np.linalg.norm(way, axis=1) / POINT_SPACING_MM).astype(np.int64)
    pieces = np.maximum(pieces, 1)
    step = np.repeat(np.arange(len(pieces)), pieces)
    piece = np.arange(len(step)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    middle = ((piece + 0.5) / pieces[step])[:, None]
    position = start[step] + middle * way[step] + HALF_CROP_MM
    inside = np.all((position >= 0) & (position < 2 * HALF_CROP_MM), axis=1)
    step = step[inside]
    is_nucleus = is_quenched(steps.tracks.pdg)
    return Deposits(
        position_mm=position[inside],
        energy_mev=(steps.ionising_mev / pieces)[step],
        length_mm=(np.where(no_charge, 0, steps.length_mm) / pieces)[step],
        is_nucleus=is_nucleus[steps.track[step]],
        track=steps.track[step],
    )


def find_truth(
    steps: Steps,
    deposits: Deposits,
    particles: Sequence[Particle],
    cycle: Cycle,
    production: Production,
) -> Truth:
    """Return the truth of each track, by the rule of the cycle's `Production`."""
    facts = TrackFacts(steps.tracks, particles, deposits.track, deposits.voxel, deposits.energy_mev)
    return Truth(
        label=labels_of_tracks(facts, production.rule, cycle),
        origin=facts.origin,
        primary=facts.primary,
        n_labels=cycle.n_labels,
        precedence=tuple(map(cycle.label, production.precedence)),
    )


def ideal_readout(deposits: Deposits, truth: Truth, threshold_mev: float) -> Voxels:
    """Return the voxels whose true energy is above the threshold."""
    tallied = tally(deposits.voxel, deposits.energy_mev, deposits.track, truth)
    energy = tallied.parts.sum(axis=(1, 2))
    return read_out(tallied, energy, energy > threshold_mev, truth.precedence)


def tally(key: np.ndarray, weight: np.ndarray, track: np.ndarray, truth: Truth) -> Tally:
    """Sum weights by voxel and by the label, origin and primary of their tracks.

    key: (n,) flat voxel indices. weight: (n,) MeV or electrons. track: (n,) indices of tracks.
    """
    is_hit = np.zeros(GRID_SIZE**3, bool)  # a table of the whole grid is faster than np.unique
    is_hit[key] = True
    hit = np.flatnonzero(is_hit)
    row_of_key = np.empty(GRID_SIZE**3, np.int32)
    row_of_key[hit] = np.arange(len(hit))
    row = row_of_key[key]

    def summed(shape: tuple[int, ...], *of_track: np.ndarray) -> np.ndarray:
        shape = (len(hit), *shape)
        cell = np.ravel_multi_index((row, *(values[track] for values in of_track)), shape)
        return np.bincount(cell, weight, minlength=int(np.prod(shape))).reshape(shape)

    return Tally(
        key=hit,
        parts=summed((truth.n_labels, max(Origin) + 1), truth.label, truth.origin),
        by_primary=summed((truth.primary.max(initial=0) + 1,), truth.primary),
    )


def read_out(
    tallied: Tally, energy_mev: np.ndarray, is_kept: np.ndarray, precedence: tuple[int, ...] = ()
) -> Voxels:
    """Return the voxels for which is_kept (V,) is true, with energy_mev (V,) as measured.

    A voxel's label is the class that left most ionisation energy or, with a detector, most of the
    arriving charge. precedence: labels; the first of them that left anything has priority.
    """
    parts = tallied.parts[is_kept]
    by_label = parts.sum(axis=2)
    label = np.argmax(by_label, axis=1)
    for first in reversed(precedence):
        label[by_label[:, first] > 0] = first
    second = np.sort(by_label, axis=1)[:, -2]
    return Voxels(
        coords=np.stack(np.unravel_index(tallied.key[is_kept], GRID_SHAPE), 1).astype(np.uint8),
        energy=energy_mev[is_kept].astype(np.float32),
        label=label.astype(np.uint8),
        particle=np.argmax(tallied.by_primary[is_kept], axis=1).astype(np.int16),
        origin=np.argmax(parts[np.arange(len(parts)), label], axis=1).astype(np.uint8),
        second_share=(second / by_label.sum(axis=1)).astype(np.float32),
    )
