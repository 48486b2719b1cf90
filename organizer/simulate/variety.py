"""Choose the read-out of an event: the cycle's detector, or one that is drawn for each event."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lartpc_challenge.format import GRID_SIZE
from organizer.pdg import ELECTRON, NEUTRON, PHOTON
from organizer.simulate.geant4 import Steps
from organizer.simulate.response import Conditions, Detector, draw_conditions, measured_readout
from organizer.simulate.voxels import Deposits, Truth, Voxels, ideal_readout

SPREAD_AFTER_MM = 2000.0  # drift distance for which `Variety.spread_mm` is given


@dataclass(frozen=True)
class Readout:
    """The read-out of one event.

    detector, conditions: None to read out the true energies. straight_mm: see `straightened`; 0 for
    unchanged steps.
    """

    threshold_mev: float
    detector: Detector | None = None
    conditions: Conditions | None = None
    straight_mm: float = 0.0

    def read(self, deposits: Deposits, truth: Truth, rng: np.random.Generator) -> Voxels:
        """Return the voxels above the threshold."""
        if self.detector is None or self.conditions is None:
            return ideal_readout(deposits, truth, self.threshold_mev)
        return measured_readout(
            deposits, truth, self.detector, self.conditions, self.threshold_mev, rng
        )


@dataclass(frozen=True)
class Variety:
    """A distribution of detectors. Ranges are (least, most); odds are probabilities per event."""

    drift_odds: float = 0.65  # else there is no diffusion and no noise
    spread_mm: tuple[float, float] = (0.0, 6.0)  # sigma of the diffusion after a drift of 2 m
    noise_electrons: tuple[float, float] = (0.0, 1000.0)
    recombination_odds: float = 0.6
    threshold_mev: tuple[float, float] = (0.03, 0.2)  # flat in the logarithm
    scale: tuple[float, float] = (0.9, 1.1)
    dead_planes_odds: float = 0.4
    missing_odds: float = 0.3  # of boxes that are not read out
    missing_boxes: tuple[int, int] = (1, 3)
    missing_voxels: tuple[int, int] = (5, 60)  # edges of a box that does not cross the cube
    straight_odds: float = 0.3
    straight_mm: tuple[float, float] = (3.0, 60.0)  # flat in the logarithm

    def draw(self, rng: np.random.Generator) -> Readout:
        """Draw an event's detector, its position in it, and its threshold."""
        detector = self._draw_detector(rng)
        conditions = replace(
            draw_conditions(rng, detector),
            missing=self._draw_missing(rng),
            scale=rng.uniform(*self.scale),
            recombines=rng.uniform() < self.recombination_odds,
        )
        straight_mm = _log_uniform(rng, self.straight_mm)
        return Readout(
            threshold_mev=_log_uniform(rng, self.threshold_mev),
            detector=detector,
            conditions=conditions,
            straight_mm=straight_mm if rng.uniform() < self.straight_odds else 0.0,
        )

    def _draw_detector(self, rng: np.random.Generator) -> Detector:
        """Draw diffusion, noise and dead planes."""
        usual = Detector()
        drifts = rng.uniform() < self.drift_odds
        time_us = SPREAD_AFTER_MM / usual.drift_speed_mm_us
        across = rng.uniform(*self.spread_mm) ** 2 / (2 * time_us) * drifts
        along = across * usual.diffusion_longitudinal_mm2_us / usual.diffusion_transverse_mm2_us
        has_dead_planes = rng.uniform() < self.dead_planes_odds
        return replace(
            usual,
            diffusion_longitudinal_mm2_us=along,
            diffusion_transverse_mm2_us=across,
            noise_electrons=rng.uniform(*self.noise_electrons) * drifts,
            dead_planes=usual.dead_planes if has_dead_planes else (0, 0),
        )

    def _draw_missing(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Draw boxes; some of them cross the whole cube along one or two axes."""
        if rng.uniform() >= self.missing_odds:
            return ()
        return tuple(
            self._draw_box(rng) for _ in range(rng.integers(*self.missing_boxes, endpoint=True))
        )

    def _draw_box(self, rng: np.random.Generator) -> np.ndarray:
        width = rng.integers(*self.missing_voxels, size=3, endpoint=True)
        crossed = rng.permutation(3)[: rng.integers(3)]
        width[crossed] = GRID_SIZE
        first = rng.integers(0, GRID_SIZE - width, endpoint=True)
        return np.stack([first, first + width], axis=1)


def draw_readout(
    rng: np.random.Generator, detector: Detector | Variety | None, threshold_mev: float
) -> Readout:
    """Draw the read-out of an event for a cycle's detector and threshold."""
    if isinstance(detector, Variety):
        return detector.draw(rng)
    conditions = None if detector is None else draw_conditions(rng, detector)
    return Readout(threshold_mev, detector, conditions)


def straightened(steps: Steps, length_mm: float) -> Steps:
    """Merge each track's steps into straight segments of about `length_mm`, or longer steps.

    Simulations without a step limit, such as edep-sim, have such segments: those of muons are some
    cm long, with a uniform dE/dx; those of electrons are as short as ours.
    """
    pdg = np.abs(steps.tracks.pdg[steps.track])
    stays = np.isin(pdg, (ELECTRON, PHOTON, NEUTRON))
    piece = np.floor((np.cumsum(steps.length_mm) - steps.length_mm) / length_mm)
    begins = np.ones(len(pdg), bool)
    begins[1:] = stays[1:] | (np.diff(steps.track) != 0) | (np.diff(piece) != 0)
    first = np.flatnonzero(begins)
    last = np.append(first, len(pdg))[1:] - 1

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(np.cumsum(begins) - 1, values, minlength=len(first))

    return replace(
        steps,
        start_mm=steps.start_mm[first],
        end_mm=steps.end_mm[last],
        energy_mev=total(steps.energy_mev),
        ionising_mev=total(steps.ionising_mev),
        length_mm=total(steps.length_mm),
        track=steps.track[first],
    )


def _log_uniform(rng: np.random.Generator, least_and_most: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(*np.log(least_and_most))))
