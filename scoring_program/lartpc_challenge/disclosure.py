"""Limit the precision of a public phase's figures, so that submissions can't reveal the truth.

A participant chooses the predictions, and so the voxels that a figure counts. The bounds here
ensure that one voxel changes a figure by at most half of its last digit. Whether a figure is shown
depends only on the truth and on facts that the participant knows (the prediction of the whole test
file). It must not depend on which events are public, because a missing figure would reveal that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHARE_STEPS = 1000  # shares are rounded to 0.001, so 0.1 %
_EVENT_STEPS = (SHARE_STEPS, 500, 200, 100, 50, 20, 10, 5, 2, 1)


@dataclass(frozen=True)
class Bound:
    """The smallest numbers of voxels and events that a figure may be made of.

    voxels: voxels of a class in the phase's truth; one voxel changes a ratio of voxels by at most
    1 / voxels, and the mean F1 of two classes by at most 1.25 / voxels.
    voxels_per_event: the largest number of them that one event counts for, so that several events
    are behind a figure.
    predicted: voxels of the whole test file (public and hidden) that are predicted as a class.
    step_events: events per rounding step of a share of events; 0 for no limit.
    """

    voxels: int
    voxels_per_event: int
    predicted: int
    step_events: int

    def capped(self, counts: np.ndarray) -> np.ndarray:
        """Return (C,), the voxels of each class; an event counts for at most voxels_per_event.

        counts: (N, C), the voxels per event and class.
        """
        return np.minimum(counts, self.voxels_per_event).sum(axis=0)

    def holds_mean(self, labelled: np.ndarray) -> bool:
        """Return whether the mean accuracy of some events may be shown.

        labelled: (n,), the labelled voxels of each event.
        """
        return len(labelled) > 0 and len(labelled) * int(labelled.min()) >= self.voxels

    def event_shares(self, counts: np.ndarray, n_events: int) -> np.ndarray:
        """Return counts / n_events, rounded so that one event changes it by at most half a step.

        A tie is rounded towards the nearer of 0 and 1, so that one event and none look the same.
        """
        most = n_events // self.step_events if self.step_events else SHARE_STEPS
        n_steps = next((steps for steps in _EVENT_STEPS if steps <= most), 1)
        share = counts * n_steps / n_events
        is_low = share < n_steps / 2
        return (
            np.where(is_low, np.maximum(np.ceil(share - 0.5), 0), np.floor(share + 0.5)) / n_steps
        )


# 2,500 voxels: one changes macro F1 by 1.25 / 2,500 = 0.0005, half of its last digit. About half of
# the test file is public, so a factor of three is enough for `predicted`.
PUBLIC = Bound(voxels=2500, voxels_per_event=100, predicted=7500, step_events=2)
# A participant's own events have no secrets.
OWN = Bound(voxels=1, voxels_per_event=1 << 62, predicted=1, step_events=0)
