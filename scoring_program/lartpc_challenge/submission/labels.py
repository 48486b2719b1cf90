"""Whether a submission's values are labels of the cycle, in whatever form it comes."""

from __future__ import annotations

import numpy as np

from lartpc_challenge.format import Cycle
from lartpc_challenge.submission.problems import Cases, Problems


def find_not_labels(values: np.ndarray, cycle: Cycle) -> np.ndarray:
    """(k,) indices of the values (n,), integers of any type, that are no label of the cycle."""
    # Compared as stored: a cast could hide 257.
    return np.flatnonzero((values < 0) | (values >= cycle.n_labels))


def note_not_labels(problems: Problems, cases: Cases, cycle: Cycle) -> None:
    """Note values that `find_not_labels` found."""
    allowed = ", ".join(str(int(label)) for label in cycle.predictable)
    problems.add_cases(
        f"holds values that are no label of cycle {cycle.number}, expected {allowed}",
        cases,
        "Write the predicted class of each voxel.",
    )
