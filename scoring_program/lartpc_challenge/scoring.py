"""Score a prediction against the truth. The result, `Scores`, contains only what may be published.

`Scores` contains only aggregates, rounded to the allowed precision. In a hidden phase it contains
only the three numbers of the leaderboard. Everything that is printed or drawn comes from it.
pages/evaluation.md says how much they reveal of the truth, `disclosure` has the bounds, and
benchmarks/probing.py attacks them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lartpc_challenge import metrics
from lartpc_challenge.cycles import Cycle
from lartpc_challenge.disclosure import OWN, PUBLIC, Bound
from lartpc_challenge.format import METRICS
from lartpc_challenge.reference import Reference

N_ACCURACY_BINS = 50  # of 0.02 each
QUANTILES = (5, 20)  # percent of events: the low end, which the leaderboard does not show
_RANK = {"acc_at_80": 0.8, "acc_at_50": 0.5}  # the percentile of each score, as a share of events
_NORMAL_95 = 1.96  # 95 % of a normal distribution are within this many standard deviations
N_PROFILE_BINS = 8
MIN_EVENTS_PER_BIN = 20


@dataclass(frozen=True)
class ProfileBin:
    """Accuracy of the events with an energy or size of low <= x < high (the last bin: <= high).

    mean: mean accuracy. error: standard error of the mean.
    """

    low: float
    high: float
    mean: float
    error: float


@dataclass(frozen=True)
class Details:
    """The figures that a public phase shows in addition to the scores, rounded to 0.001 or coarser.

    A figure is NaN if too few voxels are behind it (`disclosure`). C is the number of classes.
    n_events: scored events. n_skipped: events without labelled voxels.
    intervals: name of METRICS -> (low, high), 95 % interval.
    quantiles: percent of events -> the accuracy below which they are.
    histogram, cumulative (50,): share of events in each accuracy bin of 0.02, and up to its end.
    class_share (C,): share of each class in the labelled voxels.
    confusion (C, C + 1): row i is label i + 1, column j the share predicted as label j.
    recall, precision, iou (C,): per class. macro_f1, mean_iou: means over classes with a recall.
    by_energy, by_voxels: accuracy in bins of the event's total energy (MeV) and number of voxels.
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
    macro_f1: float
    mean_iou: float
    by_energy: tuple[ProfileBin, ...]
    by_voxels: tuple[ProfileBin, ...]
    trivial: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Scores:
    """The publishable result of scoring a submission.

    phase: number of the phase; None for a participant's own hold-out. leaderboard: name of METRICS
    -> score, rounded to `decimals`. details: None in a hidden phase.
    """

    phase: int | None
    cycle: Cycle
    scale: str
    leaderboard: dict[str, float]
    decimals: int
    details: Details | None

    @property
    def is_own(self) -> bool:
        """Whether the truth is a participant's own hold-out, which has no secrets."""
        return self.phase is None

    @property
    def text(self) -> str:
        """The content of scores.txt: one line `name: value` per score."""
        return "".join(f"{k}: {v:.{self.decimals}f}\n" for k, v in self.leaderboard.items())


def score(reference: Reference, pred: np.ndarray) -> Scores:
    """Score the labels of all test voxels against the truth of a phase.

    pred: (M,) uint8 in test-file order. Raises ReferenceDataError if no voxel is labelled.
    """
    own = reference.own(pred)
    correct, labelled = metrics.count_correct(reference.label, own, reference.offset)
    accuracy = metrics.accuracy(correct, labelled)
    details = None if reference.hidden else _details(reference, pred, own, accuracy, labelled)
    return Scores(
        phase=reference.phase,
        cycle=reference.cycle,
        scale=reference.scale,
        leaderboard=shown_scores(reference, accuracy),
        decimals=_decimals(reference),
        details=details,
    )


def shown_scores(reference: Reference, accuracy: np.ndarray) -> dict[str, float]:
    """Return the leaderboard's scores, rounded for the phase.

    accuracy: (n,) A_e of the phase's events.
    """
    return _rounded(metrics.leaderboard(accuracy), _decimals(reference))


def _decimals(reference: Reference) -> int:
    # Codabench stores ten decimals. In a public phase four reveal less about the truth.
    return 10 if reference.hidden else 4


def _details(
    reference: Reference,
    pred: np.ndarray,
    own: np.ndarray,
    accuracy: np.ndarray,
    labelled: np.ndarray,
) -> Details:
    """Compute the figures of a public phase.

    pred: (M,) labels of all test voxels. own: (m,) those of the phase's own events.
    accuracy: (n,) A_e of the events with labelled voxels. labelled: labelled voxels per event.
    """
    bound = OWN if reference.phase is None else PUBLIC
    n_events, scored = len(accuracy), labelled > 0
    # k / 50, not k * 0.02: an accuracy of 49/50 must be exactly on the edge.
    edges = np.arange(N_ACCURACY_BINS + 1) / N_ACCURACY_BINS
    counts = np.histogram(accuracy, edges)[0]
    cumulative = bound.event_shares(np.cumsum(counts), n_events)
    histogram = np.diff(cumulative, prepend=0)
    sizes = np.diff(reference.manifest.offset)

    def profile(quantity: np.ndarray) -> tuple[ProfileBin, ...]:
        values = quantity[reference.rows[scored]]
        return _profile(quantity, values, accuracy, labelled[scored], bound)

    return Details(
        n_events=n_events,
        n_skipped=len(labelled) - n_events,
        intervals=_intervals(shown_scores(reference, accuracy), histogram, cumulative, n_events),
        quantiles=dict(zip(QUANTILES, _shares(_quantile(cumulative, np.array(QUANTILES) / 100)))),
        histogram=_shares(histogram),
        cumulative=_shares(cumulative),
        by_energy=profile(reference.energy),
        by_voxels=profile(sizes),
        trivial={name: _rounded(scores, 4) for name, scores in reference.trivial.items()},
        **_class_figures(reference, pred, own, bound),
    )


def _class_figures(
    reference: Reference, pred: np.ndarray, own: np.ndarray, bound: Bound
) -> dict[str, Any]:
    """Compute the figures of the classes and their means; NaN if `bound` needs more voxels."""
    n_labels, labels = reference.cycle.n_labels, np.array(reference.cycle.labels)
    confusion = metrics.count_confusion(reference.label, own, n_labels)
    true = metrics.count_classes(reference.label, reference.offset, n_labels)
    predicted = metrics.count_classes(pred, reference.manifest.offset, n_labels)
    is_shown = bound.capped(true) >= bound.voxels
    n_true, n_predicted, right = confusion.sum(axis=1), confusion.sum(axis=0), np.diag(confusion)
    # `predicted` is known to the participant, so a missing value reveals nothing. The limit on the
    # denominator keeps the effect of one voxel small.
    is_precise = bound.capped(predicted) >= bound.predicted
    precision = np.where(is_precise, right / np.maximum(n_predicted, bound.voxels), np.nan)
    rows = np.where(is_shown, n_true, 1)[:, np.newaxis]
    iou = metrics.iou(confusion)
    in_mean = is_shown[labels]
    may_mean = in_mean.sum() > 1 or reference.phase is None

    def mean(values: np.ndarray) -> float:
        return round(float(np.mean(values[labels][in_mean])), 3) if may_mean else math.nan

    def of_shown(values: np.ndarray) -> tuple[float, ...]:
        return _shares(np.where(is_shown, values, np.nan)[labels])

    return {
        "class_share": _shares(n_true[labels] / n_true.sum()),
        "confusion": tuple(
            _shares(row)
            for row in np.where(is_shown[:, np.newaxis], confusion / rows, np.nan)[labels]
        ),
        "recall": of_shown(metrics.recall(confusion)),
        "precision": _shares(precision[labels]),
        "iou": of_shown(iou),
        "macro_f1": mean(metrics.f1(confusion)),
        "mean_iou": mean(iou),
    }


def _intervals(
    scores: dict[str, float], histogram: np.ndarray, cumulative: np.ndarray, n_events: int
) -> dict[str, tuple[float, float]]:
    """Compute 95 % intervals of the scores from the published distribution of accuracies only.

    histogram, cumulative: (50,) shares of events. For percentiles the method of R. S. Woodruff,
    J. Am. Stat. Assoc. 47 (1952) 635; for the mean its standard error.
    """
    centre = (np.arange(N_ACCURACY_BINS) + 0.5) / N_ACCURACY_BINS
    variance = histogram @ (centre - histogram @ centre) ** 2
    intervals = {}
    for name in METRICS:
        if name in _RANK:
            rank = _RANK[name]
            width = _NORMAL_95 * math.sqrt(rank * (1 - rank) / n_events)
            ends = _quantile(cumulative, np.array([rank - width, rank, rank + width]))
            below, above = ends[1] - ends[0], ends[2] - ends[1]
        else:
            below = above = _NORMAL_95 * math.sqrt(variance / n_events)
        low, high = _shares((max(scores[name] - below, 0), min(scores[name] + above, 1)))
        intervals[name] = (low, high)
    return intervals


def _quantile(cumulative: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return the accuracies (k,) up to which the shares (k,) of the events are.

    Linear interpolation within a bin.
    """
    share = np.clip(share, 1e-9, 1)
    i = np.searchsorted(cumulative, share)
    below = np.concatenate([[0], cumulative])[i]
    return (i + (share - below) / (cumulative[i] - below)) / len(cumulative)


def _profile(
    quantity: np.ndarray,
    values: np.ndarray,
    accuracy: np.ndarray,
    labelled: np.ndarray,
    bound: Bound,
) -> tuple[ProfileBin, ...]:
    """Compute the mean accuracy of the scored events in bins of a quantity.

    quantity: (N,) of all test events. values, accuracy, labelled: (n,) of the scored events. The
    bins end at round numbers near quantiles of all test events, which are public. They are merged
    until each has MIN_EVENTS_PER_BIN scored events and fulfils `bound`.
    """

    def is_enough(inside: np.ndarray) -> bool:
        many = np.count_nonzero(inside) >= MIN_EVENTS_PER_BIN
        return bool(many and bound.holds_mean(labelled[inside]))

    if not is_enough(np.full(len(values), True)):
        return ()
    percents = np.linspace(0, 100, N_PROFILE_BINS + 1)[1:-1]
    cuts = [-math.inf]
    for cut in sorted({float(f"{cut:.2g}") for cut in np.percentile(quantity, percents)}):
        if is_enough((values >= cuts[-1]) & (values < cut)) and is_enough(values >= cut):
            cuts.append(cut)
    cuts.append(math.inf)
    bins = []
    for low, high in zip(cuts, cuts[1:]):
        inside = accuracy[(values >= low) & (values < high)]
        error = inside.std(ddof=1) / math.sqrt(len(inside))
        ends = max(low, float(quantity.min())), min(high, float(quantity.max()))
        bins.append(ProfileBin(*ends, *_shares((inside.mean(), error))))
    return tuple(bins)


def _rounded(scores: dict[str, float], decimals: int) -> dict[str, float]:
    return {name: round(value, decimals) for name, value in scores.items()}


def _shares(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in values)
