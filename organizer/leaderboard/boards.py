"""From submissions to the boards of a cycle's two phases, with what may be chance.

The order is Codabench's (apps/api/serializers/leaderboards.py, c7dbc756): by the columns of the
leaderboard, then the earlier upload first; it numbers the lines and knows no shared rank. What is
on a board follows its rule Force_Best (apps/leaderboards/strategies.py), what moves on to the
hidden phase its migration (apps/competitions/models.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from lartpc_challenge import metrics
from lartpc_challenge.cycles import Cycle
from lartpc_challenge.format import METRICS, ChallengeError
from lartpc_challenge.reference import Reference, read_reference
from lartpc_challenge.scoring import shown_scores
from organizer.competition import Phase
from organizer.leaderboard.names import readable
from organizer.source import Source

N_RESAMPLES = 2000
_BATCH = 50  # resamples in memory at once: 30 entries with 5,000 events take 60 MB


@dataclass(frozen=True)
class Submission:
    """A submission to a cycle. uploaded: seconds since 1970. pred (M,) uint8, test-file order.

    participant: the name as it is shown, unique among participants.
    """

    participant: str
    path: Path
    uploaded: float
    pred: np.ndarray


@dataclass(frozen=True)
class Entry:
    """A submission scored in a phase, with the scores that the platform stores.

    accuracy (n,): A_e of the phase's events, in the same order in all entries of a phase.
    """

    submission: Submission
    scores: dict[str, float]
    accuracy: np.ndarray

    @property
    def place(self) -> tuple:
        """Sorts as Codabench does: by the columns in their order, then by the time of upload."""
        return (*(-self.scores[name] for name in METRICS), self.submission.uploaded)


@dataclass(frozen=True)
class Row:
    """A line of a board. tied: all scores equal the previous line's, the upload time decided.

    intervals: metric -> 95 % interval. lead, lead_interval, p: by how much acc_at_80 is above the
    next line's, in paired resamples; None in the last line.
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
    """The leaderboard of a phase. n_events: those that are scored, with labelled voxels.

    trivial: name of a trivial baseline -> its scores there.
    """

    phase: Phase
    n_events: int
    rows: tuple[Row, ...]
    trivial: dict[str, dict[str, float]]


def boards(submissions: Iterable[Submission], cycle: Cycle, source: Source) -> list[Board]:
    """The public board of a cycle and, after migration, its hidden one."""
    made = []
    for phase in source.competition.phases_of(cycle):
        reference = _reference(source.reference(phase))
        entries = _best([_entry(submission, reference) for submission in submissions])
        made.append(_board(entries, phase, reference))
        submissions = [entry.submission for entry in entries]
    return made


def _reference(path: Path) -> Reference:
    reference = read_reference(path)
    if reference is None:
        raise ChallengeError(f"{path}: a placeholder; the true reference is needed to rank anybody")
    return reference


def _entry(submission: Submission, reference: Reference) -> Entry:
    pred = reference.own(submission.pred)
    counts = metrics.count_correct(reference.label, pred, reference.offset)
    accuracy = metrics.accuracy(*counts)
    return Entry(submission, shown_scores(reference, accuracy), accuracy)


def _best(entries: Iterable[Entry]) -> list[Entry]:
    """Each participant's best entry, in the order of the board."""
    best: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda entry: entry.place):
        best.setdefault(entry.submission.participant, entry)
    return list(best.values())


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
    """(3, k, n_resamples): METRICS of k entries with A_e (k, n), all on the same resampled events.

    Of one event every resample is that event.
    """

    def scores(index: np.ndarray, axis: int) -> np.ndarray:
        return _scores(accuracy[:, index], axis)

    if accuracy.shape[1] == 1:
        return np.repeat(_scores(accuracy, -1)[..., np.newaxis], n_resamples, axis=-1)
    events = np.arange(accuracy.shape[1])
    result = stats.bootstrap(
        (events,),
        scores,
        n_resamples=n_resamples,
        batch=_BATCH,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return result.bootstrap_distribution


def _scores(accuracy: np.ndarray, axis: int) -> np.ndarray:
    """METRICS along an axis, one after another on a new first axis."""
    at_50, at_80 = np.percentile(accuracy, (50, 80), axis=axis)
    scores = {"acc_at_80": at_80, "acc_at_50": at_50, "acc_mean": accuracy.mean(axis=axis)}
    return np.stack([scores[name] for name in METRICS])


def paired_lead(first: np.ndarray, second: np.ndarray) -> dict:
    """Interval and two-sided p of the difference of two entries in paired resamples (N,).

    p by A. C. Davison, D. V. Hinkley, Bootstrap Methods and their Application (1997), 4.2: one
    more resample than there are, which never lets p be 0.
    """
    difference = first - second
    low, high = np.percentile(difference, (2.5, 97.5))
    tails = (np.count_nonzero(difference <= 0), np.count_nonzero(difference >= 0))
    p = min(1.0, 2 * (1 + min(tails)) / (1 + len(difference)))
    return {"lead_interval": (float(low), float(high)), "p": p}
