"""Make the boards of a cycle's two phases from submissions, with statistical uncertainties.

The order is that of Codabench (apps/api/serializers/leaderboards.py, c7dbc756): by the columns of
the leaderboard, then the earlier upload first; the lines are numbered, and there are no shared
ranks. The entries of a board follow Codabench's rule Force_Best (apps/leaderboards/strategies.py),
the hidden phase its migration (apps/competitions/models.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lartpc_challenge import metrics
from lartpc_challenge.cycles import Cycle
from lartpc_challenge.format import METRICS
from lartpc_challenge.reference import Reference, read_truth
from lartpc_challenge.scoring import shown_scores
from organizer.competition import Phase
from organizer.source import Source

N_RESAMPLES = 2000
_BATCH = 50  # resamples in memory at the same time: 60 MB for 30 entries with 5,000 events


def readable(name: object) -> str:
    """Return `name` (text or a path) with all characters escaped that are not printable.

    Different names give different results. Bytes that are not UTF-8 are surrogates in a name
    (PEP 383); byte ff becomes `\\udcff`.
    """
    return "".join(
        c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode()
        for c in str(name)
    )


@dataclass(frozen=True)
class Submission:
    """A submission to a cycle.

    participant: the unique name to show. uploaded: seconds since 1970. pred: (M,) uint8 in
    test-file order.
    """

    participant: str
    path: Path
    uploaded: float
    pred: np.ndarray


@dataclass(frozen=True)
class Entry:
    """A scored submission in a phase.

    scores: as the platform stores them. accuracy: (n,) A_e of the phase's events, in the same order
    in all entries of a phase.
    """

    submission: Submission
    scores: dict[str, float]
    accuracy: np.ndarray

    @property
    def place(self) -> tuple:
        """The key that sorts like Codabench: by the columns in order, then by upload time."""
        return (*(-self.scores[name] for name in METRICS), self.submission.uploaded)


@dataclass(frozen=True)
class Row:
    """A line of a board.

    intervals: metric -> 95 % interval. tied: all scores are equal to those of the previous line, so
    that the upload time decided. lead, lead_interval, p: difference in acc_at_80 to the next line,
    with its interval and p-value from paired resamples; None in the last line.
    """

    rank: int
    participant: str
    submission: str
    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    tied: bool
    lead: float | None = None
    lead_interval: tuple[float, float] | None = None
    p: float | None = None


@dataclass(frozen=True)
class Board:
    """The leaderboard of a phase.

    n_events: scored events (with labelled voxels). trivial: name of a trivial baseline -> its
    scores.
    """

    phase: Phase
    n_events: int
    rows: tuple[Row, ...]
    trivial: dict[str, dict[str, float]]


def boards(submissions: Iterable[Submission], cycle: Cycle, source: Source) -> list[Board]:
    """Return the public board of a cycle and, after migration, the hidden one."""
    made = []
    for phase in source.competition.phases_of(cycle):
        reference = read_truth(source.reference(phase))
        best: dict[str, Entry] = {}  # of each participant, in the order of the board
        scored = [_score(submission, reference) for submission in submissions]
        for entry in sorted(scored, key=lambda entry: entry.place):
            best.setdefault(entry.submission.participant, entry)
        entries = list(best.values())
        made.append(_board(entries, phase, reference))
        submissions = [entry.submission for entry in entries]
    return made


def _score(submission: Submission, reference: Reference) -> Entry:
    pred = reference.own(submission.pred)
    counts = metrics.count_correct(reference.label, pred, reference.offset)
    accuracy = metrics.accuracy(*counts)
    return Entry(submission, shown_scores(reference, accuracy), accuracy)


def _board(entries: Sequence[Entry], phase: Phase, reference: Reference) -> Board:
    accuracy = np.stack([entry.accuracy for entry in entries])
    resampled = resample(accuracy)
    low, high = np.percentile(resampled, (2.5, 97.5), axis=-1)  # both (metric, entry)
    rows = []
    for i, entry in enumerate(entries):
        tied = i > 0 and entry.scores == entries[i - 1].scores
        lead = paired_lead(*resampled[0, i : i + 2]) if i + 1 < len(entries) else {}
        if lead:
            lead["lead"] = entry.scores[METRICS[0]] - entries[i + 1].scores[METRICS[0]]
        rows.append(
            Row(
                rank=i + 1,
                participant=entry.submission.participant,
                submission=readable(entry.submission.path),
                scores=entry.scores,
                intervals={
                    name: (float(low[m, i]), float(high[m, i])) for m, name in enumerate(METRICS)
                },
                tied=tied,
                **lead,
            )
        )
    return Board(phase, accuracy.shape[1], tuple(rows), reference.trivial)


def resample(accuracy: np.ndarray, *, n_resamples: int = N_RESAMPLES, seed: int = 0) -> np.ndarray:
    """Return METRICS of k entries on resampled events, the same for all: (3, k, n_resamples).

    accuracy: (k, n) A_e of the entries' events.
    """
    rng, n_events = np.random.default_rng(seed), accuracy.shape[1]
    parts = []
    for first in range(0, n_resamples, _BATCH):
        drawn = rng.integers(n_events, size=(min(_BATCH, n_resamples - first), n_events))
        parts.append(_scores(accuracy[:, drawn]))
    return np.concatenate(parts, axis=-1)


def _scores(accuracy: np.ndarray) -> np.ndarray:
    """Return METRICS along the last axis, stacked on a new first axis."""
    at_50, at_80 = np.percentile(accuracy, (50, 80), axis=-1)
    scores = {"acc_at_80": at_80, "acc_at_50": at_50, "acc_mean": accuracy.mean(axis=-1)}
    return np.stack([scores[name] for name in METRICS])


def paired_lead(first: np.ndarray, second: np.ndarray) -> dict:
    """Return the interval and the two-sided p of the difference of two entries.

    first, second: (N,) scores in paired resamples. p follows A. C. Davison, D. V. Hinkley,
    Bootstrap Methods and their Application (1997), 4.2: it is never 0.
    """
    difference = first - second
    low, high = np.percentile(difference, (2.5, 97.5))
    tails = (np.count_nonzero(difference <= 0), np.count_nonzero(difference >= 0))
    p = min(1.0, 2 * (1 + min(tails)) / (1 + len(difference)))
    return {"lead_interval": (float(low), float(high)), "p": p}
