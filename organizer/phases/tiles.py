"""Events that belong together: tiles of one event of a converted source (FORMAT.md, "source/").

One tile tells much about the next: their particles go on. So all tiles of an event stand in one
file, and in one phase.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lartpc_challenge.format import ChallengeError
from organizer.convert.source_group import read_source


def groups_of(path: Path, n_events: int) -> np.ndarray:
    """(n_events,) int64: the same number for events that must stay together, else one each."""
    source = read_source(path)
    return np.arange(n_events) if source is None else source.parent


def check_apart(first: Path, second: Path) -> None:
    """Raise ChallengeError if the two files hold parts of the same event of one source."""
    one, other = read_source(first), read_source(second)
    if one is None or other is None or one.fingerprint != other.fingerprint:
        return
    shared = np.intersect1d(one.parent, other.parent)
    if len(shared):
        raise ChallengeError(
            f"{second}: holds event {shared[0]} of {other.path}, as {first} does; what is learnt "
            "from one part would tell the other. Convert different events for train and test"
        )


def hidden_groups(drawn: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(n,) bool: which of n events are hidden; half of them, or nearly: no group is divided.

    drawn (n,): the numbers 0 to n - 1 in an order that the secret decides. group (n,): `groups_of`.
    ChallengeError where all events are one group.
    """
    _, member, size = np.unique(group, return_inverse=True, return_counts=True)
    if len(size) < 2:
        raise ChallengeError(
            f"the {len(drawn)} test events are tiles of one event of their source: they can't be "
            "divided into a public and a hidden phase"
        )
    lowest = np.full(len(size), len(drawn))
    np.minimum.at(lowest, member, drawn)
    order = np.argsort(lowest)
    is_public = np.zeros(len(size), bool)
    is_public[order] = np.cumsum(size[order]) <= len(drawn) // 2
    is_public[order[0]] = True  # be it larger than half
    return ~is_public[member]
