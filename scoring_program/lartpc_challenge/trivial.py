"""What a voxel's own energy tells: the best energy threshold, which every network must beat.

The cycle's classes share the energy axis between them, one interval each. Of all cuts and all
orders of the classes, `fit_threshold` takes those with the highest mean event accuracy (acc_mean)
on labelled events. Organisers publish its score; participants get it as the simplest baseline.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import Event
from lartpc_challenge.format import ChallengeError

# Where a cut can lie: steps of 0.7 %, finer than what any training set determines.
_CUTS_MEV = np.array([0.0, *np.geomspace(1e-3, 1e3, 2001), np.inf])


@dataclass(frozen=True)
class EnergyThreshold:
    """labels[i] is predicted between cuts_mev[i - 1] (included) and cuts_mev[i] (excluded)."""

    cuts_mev: tuple[float, ...]
    labels: tuple[int, ...]

    def predict(self, energy: np.ndarray) -> np.ndarray:
        """(n,) uint8 labels of voxels with energy (n,) MeV."""
        interval = np.searchsorted(self.cuts_mev, energy, side="right")
        return np.array(self.labels, np.uint8)[interval]


def fit_threshold(events: Iterable[Event], cycle: Cycle) -> EnergyThreshold:
    """The rule with the best acc_mean on labelled `events`, which are read once, one by one.

    Raises ChallengeError where no event holds a labelled voxel.
    """
    share = _class_shares(events, cycle)
    # below[t, c]: what the labels c below cut t add to acc_mean when they are predicted right.
    below = np.vstack([np.zeros(share.shape[1]), np.cumsum(share, axis=0)])
    best = max((_best_cuts(below[:, order]), order) for order in permutations(cycle.labels))
    (_, cuts), labels = best
    return EnergyThreshold(tuple(float(_CUTS_MEV[cut]) for cut in cuts), tuple(map(int, labels)))


def _class_shares(events: Iterable[Event], cycle: Cycle) -> np.ndarray:
    """(n_bins, n_labels): the mean share of an event's voxels in each energy bin and class."""
    shape = (len(_CUTS_MEV) - 1, cycle.n_labels)
    share, n_events = np.zeros(shape), 0
    for event in events:
        if event.label is None:
            raise ChallengeError("a threshold is fitted on labelled events: give a train file")
        if len(event):
            energy_bin = np.searchsorted(_CUTS_MEV[1:-1], event.energy, side="right")
            cell = np.ravel_multi_index((energy_bin, event.label), shape)
            share += np.bincount(cell, minlength=share.size).reshape(shape) / len(event)
            n_events += 1
    if not n_events:
        raise ChallengeError("no event to fit a threshold on: all of them are empty")
    return share / n_events


def _best_cuts(below: np.ndarray) -> tuple[float, tuple[int, ...]]:
    """Highest acc_mean and its ascending cuts where column j of below (n_cuts, k) is interval j.

    Dynamic programming over the intervals: gain[s] is what starting interval j at cut s adds to
    the best way to get there, so that its running maximum serves every later cut.
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
