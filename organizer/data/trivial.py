"""The trivial baselines: predictions without a network, which show how difficult the events are.

majority    the most frequent label of all events, for every voxel
threshold   a label per interval of energy (lartpc_challenge.trivial)
hindsight   in each event its most frequent label, which needs the truth
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import Event
from lartpc_challenge.metrics import accuracy, leaderboard
from lartpc_challenge.trivial import fit_threshold

Rule = Callable[[Event], np.ndarray]  # returns the labels (n,) of an event's voxels


def fit_trivial_rules(events: Iterable[Event], cycle: Cycle) -> dict[str, Rule]:
    """Fit `majority` and `threshold` on labelled events, which are read twice: name -> rule.

    Raises ChallengeError if the events have no labels or no voxels.
    """
    threshold = fit_threshold(events, cycle)
    counts = sum(np.bincount(np.asarray(e.label), minlength=cycle.n_labels) for e in events)
    majority = np.uint8(np.argmax(counts))
    return {
        "majority": lambda event: np.full(len(event), majority),
        "threshold": lambda event: threshold.predict(event.energy),
    }


def hindsight(event: Event) -> np.ndarray:
    """Return the event's most frequent label for all its voxels: (n,) uint8."""
    return np.full(len(event), np.argmax(np.bincount(np.asarray(event.label))), np.uint8)


def score_rule(rule: Rule, events: Iterable[Event]) -> dict[str, float]:
    """Return the scores of a rule on labelled events. Events without voxels are skipped.

    Raises ReferenceDataError if all events are empty.
    """
    counts = [(np.count_nonzero(rule(e) == e.label), len(e)) for e in events if len(e)]
    return leaderboard(accuracy(*np.array(counts, np.int64).reshape(-1, 2).T))
