"""How fine a figure of a public phase may be, so that a submission can't read the truth off it.

A participant chooses the predictions, and with them what a figure counts. Here every figure gets
enough voxels and events that one voxel moves it by at most half of its last digit. Whether a figure
is shown depends only on the truth and on what the participant knows anyway (the prediction of the
whole test file): if it depended on which events are public, the dash itself would tell it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHARE_STEPS = 1000  # shares are rounded to 0.001, so 0.1 %
_EVENT_STEPS = (SHARE_STEPS, 500, 200, 100, 50, 20, 10, 5, 2, 1)


@dataclass(frozen=True)
class Bound:
    """What must be behind a figure.

    voxels: how many of a class the phase's truth holds; one of them moves a ratio of voxels by at
    most 1 / voxels, and the mean of two classes' F1 by 1.25 / voxels.
    voxels_per_event: how many of them one event counts for, so that several events are behind it.
    predicted: how many voxels of the whole test file, public and hidden, are predicted as a class.
    step_events: how many events are behind one step of a share of events; 0 for any number.
    """

    voxels: int
    voxels_per_event: int
    predicted: int
    step_events: int

    def holds(self, counts: np.ndarray) -> np.ndarray:
        """(C,) bool: whether the truth's voxels per event and class, counts (N, C), are enough."""
        return self._capped(counts) >= self.voxels

    def holds_predicted(self, counts: np.ndarray) -> np.ndarray:
        """(C,) bool: the same for predicted voxels of all test events."""
        return self._capped(counts) >= self.predicted

    def _capped(self, counts: np.ndarray) -> np.ndarray:
        return np.minimum(counts, self.voxels_per_event).sum(axis=0)

    def holds_mean(self, labelled: np.ndarray) -> bool:
        """Whether the mean accuracy of events with these labelled voxels (n,) may be shown."""
        return len(labelled) > 0 and len(labelled) * int(labelled.min()) >= self.voxels

    def event_shares(self, counts: np.ndarray, n_events: int) -> np.ndarray:
        """counts / n_events, rounded so that one event is at most half a step.

        A tie goes to the nearer of 0 and 1: one event among many can't be told from none.
        """
        most = n_events // self.step_events if self.step_events else SHARE_STEPS
        n_steps = next((steps for steps in _EVENT_STEPS if steps <= most), 1)
        share = counts * n_steps / n_events
        is_low = share < n_steps / 2
        return (
            np.where(is_low, np.maximum(np.ceil(share - 0.5), 0), np.floor(share + 0.5)) / n_steps
        )


# 2,500 voxels: one moves macro F1 by 1.25 / 2,500 = 0.0005, half of its last digit. About half of
# the test file is public; a factor of three leaves room for chance.
PUBLIC = Bound(voxels=2500, voxels_per_event=100, predicted=7500, step_events=2)
# On events of one's own nothing is to be hidden.
OWN = Bound(voxels=1, voxels_per_event=1 << 62, predicted=1, step_events=0)
