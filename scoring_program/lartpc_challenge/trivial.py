"""Fit energy thresholds, the simplest baseline: they classify a voxel by its energy alone.

Each class of the cycle has one interval of energy; of many classes, only the most frequent ones
have. `fit_threshold` finds the cuts and the order of the classes with the highest mean accuracy per
event (acc_mean) on labelled events. Organisers publish its score; every network must score higher.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import Event
from lartpc_challenge.format import ChallengeError

# The possible cuts, in steps of 0.7 %: finer than a training set can determine.
_CUTS_MEV = np.array([0.0, *np.geomspace(1e-3, 1e3, 2001), np.inf])

_MOST_CLASSES = 7  # their 5,040 orders take a second; ten classes would take minutes


@dataclass(frozen=True)
class EnergyThreshold:
    """A rule that predicts labels[i] for cuts_mev[i - 1] <= energy < cuts_mev[i]."""

    cuts_mev: tuple[float, ...]
    labels: tuple[int, ...]

    def predict(self, energy: np.ndarray) -> np.ndarray:
        """Return the labels (n,) uint8 of voxels with energy (n,) in MeV."""
        interval = np.searchsorted(self.cuts_mev, energy, side="right")
        return np.array(self.labels, np.uint8)[interval]


def fit_threshold(events: Iterable[Event], cycle: Cycle) -> EnergyThreshold:
    """Return the rule with the highest acc_mean on labelled events. They are read once.

    Raises ChallengeError if the events have no labels or no voxels.
    """
    share = _class_shares(events, cycle)
    # below[t, c]: contribution to acc_mean of the voxels of class c below cut t, if correct.
    below = np.vstack([np.zeros(share.shape[1]), np.cumsum(share, axis=0)])
    frequent = sorted(cycle.labels, key=lambda label: -below[-1, label])[:_MOST_CLASSES]
    best = max((_best_cuts(below[:, order]), order) for order in permutations(frequent))
    (_, cuts), labels = best
    return EnergyThreshold(tuple(float(_CUTS_MEV[cut]) for cut in cuts), tuple(map(int, labels)))


def _class_shares(events: Iterable[Event], cycle: Cycle) -> np.ndarray:
    """Return the mean share of an event's voxels per energy bin and class: (n_bins, n_labels)."""
    shape = (len(_CUTS_MEV) - 1, cycle.n_labels)
    share, n_events = np.zeros(shape), 0
    for event in events:
        if event.label is None:
            raise ChallengeError("fitting a threshold needs labels: give a train file")
        if len(event):
            energy_bin = np.searchsorted(_CUTS_MEV[1:-1], event.energy, side="right")
            cell = np.ravel_multi_index((energy_bin, event.label), shape)
            share += np.bincount(cell, minlength=share.size).reshape(shape) / len(event)
            n_events += 1
    if not n_events:
        raise ChallengeError("all events are empty, so that no threshold can be fitted")
    return share / n_events


def _best_cuts(below: np.ndarray) -> tuple[float, tuple[int, ...]]:
    """Return the highest acc_mean and the indices of its ascending cuts.

    below: (n_cuts, k), column j for the class of interval j. Dynamic programming over the
    intervals: gain[s] is the best acc_mean of the intervals before j if they end at cut s, minus
    the part of class j below s. Its running maximum gives the best start for every later end.
    """
    reached, gains = below[:, 0], []
    for column in below.T[1:]:
        gains.append(reached - column)
        reached = np.maximum.accumulate(gains[-1]) + column
    cuts, end = [], len(below) - 1
    for gain in reversed(gains):
        end = int(np.argmax(gain[: end + 1]))
        cuts.append(end)
    return float(reached[-1]), tuple(reversed(cuts))
