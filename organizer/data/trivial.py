"""Predictions that take no thought: what a network must beat, and how hard a mix of events is.

majority    the label that most voxels have, everywhere
threshold   the best labels by energy intervals (lartpc_challenge.trivial)
hindsight   in each event the label that most of its voxels have, which takes the truth to know
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import Event
from lartpc_challenge.metrics import accuracy, leaderboard
from lartpc_challenge.trivial import fit_threshold

Rule = Callable[[Event], np.ndarray]  # an event's (n,) labels, or one for all its voxels


def fit_trivial_rules(events: Iterable[Event], cycle: Cycle) -> dict[str, Rule]:
    """The rules `majority` and `threshold`, by name, fitted on labelled events (read twice).

    Raises ChallengeError where no event holds a labelled voxel.
    """
    threshold = fit_threshold(events, cycle)
    counts = sum(np.bincount(np.asarray(e.label), minlength=cycle.n_labels) for e in events)
    majority = np.uint8(np.argmax(counts))
    return {
        "majority": lambda event: np.full(len(event), majority),
        "threshold": lambda event: threshold.predict(event.energy),
    }


def hindsight(event: Event) -> np.ndarray:
    """(n,) uint8: the label that most of the event's voxels have."""
    return np.full(len(event), np.argmax(np.bincount(np.asarray(event.label))), np.uint8)


def score_rule(rule: Rule, events: Iterable[Event]) -> dict[str, float]:
    """The leaderboard's metrics of a rule on labelled events; events without voxels are skipped.

    Raises ChallengeError where all are.
    """
    counts = [(np.count_nonzero(rule(e) == e.label), len(e)) for e in events if len(e)]
    return leaderboard(accuracy(*np.array(counts, np.int64).reshape(-1, 2).T))
