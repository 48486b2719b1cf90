"""Keep events together that are tiles of one event of a source (FORMAT.md, "source/").

Particles continue from one tile to the next, so the labels of a tile reveal those of its neighbour.
Therefore all tiles of an event must be in the same file and in the same phase.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lartpc_challenge.format import ChallengeError
from organizer.convert.source_group import read_source


def groups_of(path: Path, n_events: int) -> np.ndarray:
    """Return a group number per event: (n_events,) int64. Events of a group stay together."""
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
            f"{second}: holds event {shared[0]} of {other.path}, as {first} does; one part would "
            "reveal labels of the other. Convert different events for train and test"
        )


def hidden_groups(drawn: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Choose the hidden events, about half of them, without dividing a group: (n,) bool.

    drawn: (n,), the numbers 0 to n - 1 in random order. group: (n,), see `groups_of`. Raises
    ChallengeError if all events are in one group.
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
    is_public[order[0]] = True  # even if it has more than half of the events
    return ~is_public[member]
