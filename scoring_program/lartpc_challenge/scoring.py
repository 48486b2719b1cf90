"""From a prediction and the truth to what may be known of it: `Scores`.

The leak boundary is this module's result. `Scores` holds aggregates alone, already rounded to what
may be shown, and in a hidden phase nothing but the leaderboard's three numbers; whatever prints or
draws sees nothing else. Finer numbers would undo the rounding of the public scores: exact counts
of voxels, or any curve of single events, tell label by label what the truth is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lartpc_challenge import metrics
from lartpc_challenge.format import Cycle
from lartpc_challenge.reference import Reference

N_ACCURACY_BINS = 50  # of 0.02 each
QUANTILES = (5, 20)  # percent of events: the bad end, which the leaderboard doesn't see
N_PROFILE_BINS = 8
MIN_EVENTS_PER_BIN = 20


@dataclass(frozen=True)
class ProfileBin:
    """Events whose energy or size lies in low <= x < high, open at either end of the range.

    mean, error: mean accuracy and its standard error.
    """

    low: float
    high: float
    mean: float
    error: float


@dataclass(frozen=True)
class Details:
    """What a public phase shows beside the scores. All shares are rounded to 0.001.

    intervals: name of METRICS -> (low, high), 95 % bootstrap interval over events.
    quantiles: percent of events -> accuracy below which that share of events lies.
    histogram, cumulative (50,): share of events in each accuracy bin of 0.02, and up to its end.
    class_share (C,): share of the labelled voxels that each of the cycle's labels has.
    confusion (C, C + 1): row i is the cycle's i-th label, column j the share predicted as label j.
    recall, precision, iou (C,): NaN for a class that is absent from truth or from prediction.
    by_energy (MeV), by_voxels: accuracy in bins of an event's total energy and number of voxels.
    trivial: name of a trivial baseline -> its scores on the same events.
    """

    n_events: int
    n_skipped: int
    intervals: dict[str, tuple[float, float]]
    quantiles: dict[int, float]
    histogram: tuple[float, ...]
    cumulative: tuple[float, ...]
    class_share: tuple[float, ...]
    confusion: tuple[tuple[float, ...], ...]
    recall: tuple[float, ...]
    precision: tuple[float, ...]
    iou: tuple[float, ...]
    by_energy: tuple[ProfileBin, ...]
    by_voxels: tuple[ProfileBin, ...]
    trivial: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Scores:
    """What may be known of a scored submission.

    phase: None for a hold-out of one's own. leaderboard: named and ordered as METRICS, rounded to
    `decimals`. details: None in a hidden phase.
    """

    phase: int | None
    cycle: Cycle
    scale: str
    leaderboard: dict[str, float]
    decimals: int
    details: Details | None

    @property
    def text(self) -> str:
        """The content of scores.txt: one `name: value` a line."""
        return "".join(f"{k}: {v:.{self.decimals}f}\n" for k, v in self.leaderboard.items())


def score(reference: Reference, pred: np.ndarray) -> Scores:
    """Score pred (M,) uint8, labels of all test voxels in test-file order, against the truth.

    Raises ReferenceDataError where the truth holds no labelled voxel.
    """
    pred = reference.own(pred)
    correct, labelled = metrics.count_correct(reference.label, pred, reference.offset)
    accuracy = metrics.accuracy(correct, labelled)
    return Scores(
        phase=reference.phase,
        cycle=reference.cycle,
        scale=reference.scale,
        leaderboard=shown_scores(reference, accuracy),
        decimals=_decimals(reference),
        details=None if reference.hidden else _details(reference, pred, accuracy, labelled),
    )


def shown_scores(reference: Reference, accuracy: np.ndarray) -> dict[str, float]:
    """The leaderboard's scores of events with accuracies A_e (n,), rounded as they may be shown."""
    return _rounded(metrics.leaderboard(accuracy), _decimals(reference))


def _decimals(reference: Reference) -> int:
    # Ten decimals are what Codabench stores; four tell a participant who probes less.
    return 10 if reference.hidden else 4


def _details(
    reference: Reference, pred: np.ndarray, accuracy: np.ndarray, labelled: np.ndarray
) -> Details:
    scored = reference.rows[labelled > 0]
    labels = np.array(reference.cycle.labels)
    confusion = metrics.count_confusion(reference.label, pred, reference.cycle.n_labels)
    counts = _accuracy_counts(accuracy)
    n_voxels = np.diff(reference.manifest.offset)
    truth = confusion.sum(axis=1)[labels]
    return Details(
        n_events=len(accuracy),
        n_skipped=len(labelled) - len(accuracy),
        intervals={name: _shares(pair) for name, pair in metrics.bootstrap(accuracy).items()},
        quantiles=dict(zip(QUANTILES, _shares(np.percentile(accuracy, QUANTILES)))),
        histogram=_shares(counts / len(accuracy)),
        cumulative=_shares(np.cumsum(counts) / len(accuracy)),
        class_share=_shares(truth / truth.sum()),
        confusion=tuple(
            _shares(row / row.sum() if row.any() else np.full(len(row), np.nan))
            for row in confusion[labels]
        ),
        recall=_shares(metrics.recall(confusion)[labels]),
        precision=_shares(metrics.precision(confusion)[labels]),
        iou=_shares(metrics.iou(confusion)[labels]),
        by_energy=_profile(reference.energy, scored, accuracy),
        by_voxels=_profile(n_voxels, scored, accuracy),
        trivial={name: _rounded(scores, 4) for name, scores in reference.trivial.items()},
    )


def _accuracy_counts(accuracy: np.ndarray) -> np.ndarray:
    """(50,) events in each accuracy bin; the last one includes 1."""
    # k / 50 rather than k * 0.02: an accuracy of 49/50 stands exactly on its edge.
    edges = np.arange(N_ACCURACY_BINS + 1) / N_ACCURACY_BINS
    return np.histogram(accuracy, edges)[0]


def _profile(
    quantity: np.ndarray, scored: np.ndarray, accuracy: np.ndarray
) -> tuple[ProfileBin, ...]:
    """Mean accuracy of the events `scored` in bins of a quantity (N,) of all test events.

    Bins are cut at round numbers near quantiles of all test events, which are public anyway, and
    joined until each holds MIN_EVENTS_PER_BIN scored ones: no single event can be read off.
    """
    values = quantity[scored]
    if len(values) < MIN_EVENTS_PER_BIN:
        return ()
    percents = np.linspace(0, 100, N_PROFILE_BINS + 1)[1:-1]
    edges = [-math.inf]
    for cut in sorted({float(f"{cut:.2g}") for cut in np.percentile(quantity, percents)}):
        inside = np.count_nonzero((values >= edges[-1]) & (values < cut))
        beyond = np.count_nonzero(values >= cut)
        if min(inside, beyond) >= MIN_EVENTS_PER_BIN:
            edges.append(cut)
    edges.append(math.inf)
    bins = []
    for low, high in zip(edges, edges[1:]):
        inside = accuracy[(values >= low) & (values < high)]
        error = inside.std(ddof=1) / math.sqrt(len(inside))
        bins.append(ProfileBin(low, high, *_shares((inside.mean(), error))))
    return tuple(bins)


def _rounded(scores: dict[str, float], decimals: int) -> dict[str, float]:
    return {name: round(value, decimals) for name, value in scores.items()}


def _shares(values) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in values)
