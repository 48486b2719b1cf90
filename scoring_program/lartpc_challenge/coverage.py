"""What the forms of a submission are checked against: a manifest's events and a cycle's labels."""

from __future__ import annotations

import numpy as np

from .format import Cycle
from .problems import Cases, Problems
from .reference import Manifest


class EventIndex:
    """Finds events by their ids."""

    def __init__(self, manifest: Manifest):
        event_id = manifest.event_id.astype(np.int64)
        self._order = np.argsort(event_id)
        self._sorted = event_id[self._order]

    def rows(self, event_id: np.ndarray) -> np.ndarray:
        """(n,) int64: where events (n,) int64 stand in the test file, -1 where it has no such."""
        if not len(self._sorted):
            return np.full(len(event_id), -1)
        place = np.minimum(np.searchsorted(self._sorted, event_id), len(self._sorted) - 1)
        return np.where(self._sorted[place] == event_id, self._order[place], -1)


def not_labels(values: np.ndarray, cycle: Cycle) -> np.ndarray:
    """(k,) indices of the values (n,), integers of any type, that are no label of the cycle."""
    # Labels are the whole numbers from 0 (empty) on. Compared as stored: a cast could hide 257.
    return np.flatnonzero((values < 0) | (values > max(cycle.labels)))


def note_not_labels(problems: Problems, cases: Cases, cycle: Cycle) -> None:
    """Note values that `not_labels` found."""
    allowed = ", ".join(str(int(label)) for label in (0, *cycle.labels))
    problems.add_cases(
        f"holds values that are no label of cycle {cycle.number}, expected {allowed}",
        cases,
        "Write the predicted class of each voxel.",
    )
