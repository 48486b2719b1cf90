"""From a prediction and the truth to what may be known of it: `Scores`.

The leak boundary is this module's result. `Scores` holds aggregates alone, already rounded to what
may be shown, and in a hidden phase nothing but the leaderboard's three numbers; whatever prints or
draws sees nothing else.

What the three scores tell
    A public phase shows them with four decimals: 10,001 values each, so that a submission can tell
    at most 3 x 13.3 = 40 bits, 600 in 15 submissions and 2,400 in 60. The labels of a phase hold
    some 10^5 bits at demonstration scale (200 events) and 10^6 to 10^7 at full scale. One voxel of
    an event with n moves acc_mean by 1 / (n N), for N events: of n = 250 by a fifth of the last
    decimal at N = 200, by less than a hundredth at N = 5,000. A percentile can be made to be the
    accuracy of one event by predictions that put known shares of the events below and above it:
    acc_at_80 and acc_at_50 then tell how many voxels of two events are right, some 20 bits. So
    all submissions together can tell the composition of a few dozen events, never of a whole
    phase, and they tell it of public events only.
What else a page tells
    Each other figure is bound by `disclosure`: one voxel moves it by at most half of its last
    digit. The interval and the quantiles are made of the rounded distribution of accuracies, not
    of single events, and so tell nothing beyond it. Together the figures of a page can hold some
    hundred bits more; they too speak of public events only.
Why hidden ranks are not touched
    Hidden phases score other events, show their scores at the end alone, and take one submission.
    Whatever was learnt of public labels changes predictions of public events; to score higher on
    hidden ones a model must be better. benchmarks/probing.py tries it.
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
QUANTILES = (5, 20)  # percent of events: the bad end, which the leaderboard doesn't see
_RANK = {"acc_at_80": 0.8, "acc_at_50": 0.5}  # where a percentile stands among the events
_NORMAL_95 = 1.96  # standard deviations that hold 95 % of a normal distribution
N_PROFILE_BINS = 8
MIN_EVENTS_PER_BIN = 20


@dataclass(frozen=True)
class ProfileBin:
    """Events whose energy or size lies in low <= x < high; the last bin has its end too.

    mean, error: mean accuracy and its standard error.
    """

    low: float
    high: float
    mean: float
    error: float


@dataclass(frozen=True)
class Details:
    """What a public phase shows beside the scores. Shares are rounded to 0.001 or coarser.

    A figure is NaN where too few voxels are behind it (`disclosure`).
    intervals: name of METRICS -> (low, high), 95 % interval over events.
    quantiles: percent of events -> accuracy below which that share of events lies.
    histogram, cumulative (50,): share of events in each accuracy bin of 0.02, and up to its end.
    class_share (C,): share of the labelled voxels that each of the cycle's labels has.
    confusion (C, C + 1): row i is the cycle's i-th label, column j the share predicted as label j.
    recall, precision, iou (C,): of each class. macro_f1, mean_iou: means over the classes that have
    a recall.
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
    macro_f1: float
    mean_iou: float
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
    def is_own(self) -> bool:
        """Whether the truth is a participant's own hold-out, of which nothing is hidden."""
        return self.phase is None

    @property
    def text(self) -> str:
        """The content of scores.txt: one `name: value` a line."""
        return "".join(f"{k}: {v:.{self.decimals}f}\n" for k, v in self.leaderboard.items())


def score(reference: Reference, pred: np.ndarray) -> Scores:
    """Score pred (M,) uint8, labels of all test voxels in test-file order, against the truth.

    Raises ReferenceDataError where the truth holds no labelled voxel.
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
    """The leaderboard's scores of events with accuracies A_e (n,), rounded as they may be shown."""
    return _rounded(metrics.leaderboard(accuracy), _decimals(reference))


def _decimals(reference: Reference) -> int:
    # Ten decimals are what Codabench stores; four tell a participant who probes less.
    return 10 if reference.hidden else 4


def _details(
    reference: Reference,
    pred: np.ndarray,
    own: np.ndarray,
    accuracy: np.ndarray,
    labelled: np.ndarray,
) -> Details:
    """pred (M,) labels of all test voxels, `own` (m,) those of the phase's own events."""
    bound = OWN if reference.phase is None else PUBLIC
    n_events, scored = len(accuracy), labelled > 0
    cumulative = bound.event_shares(np.cumsum(_accuracy_counts(accuracy)), n_events)
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
    """Figures of each class and their means; NaN where `bound` wants more voxels behind one."""
    n_labels, labels = reference.cycle.n_labels, np.array(reference.cycle.labels)
    confusion = metrics.count_confusion(reference.label, own, n_labels)
    true = metrics.count_classes(reference.label, reference.offset, n_labels)
    predicted = metrics.count_classes(pred, reference.manifest.offset, n_labels)
    is_shown = bound.holds(true)
    n_true, n_predicted, right = confusion.sum(axis=1), confusion.sum(axis=0), np.diag(confusion)
    # The participant knows whether this holds; a denominator that can't become small does the rest.
    precision = np.where(
        bound.holds_predicted(predicted), right / np.maximum(n_predicted, bound.voxels), np.nan
    )
    rows = np.where(is_shown, n_true, 1)[:, np.newaxis]
    iou, f1 = metrics.iou(confusion), metrics.f1(confusion)
    in_mean = is_shown[labels]
    may_mean = in_mean.sum() > 1 or reference.phase is None
    mean = {
        name: float(np.mean(values[labels][in_mean])) if may_mean else math.nan
        for name, values in (("macro_f1", f1), ("mean_iou", iou))
    }

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
        "macro_f1": round(mean["macro_f1"], 3),
        "mean_iou": round(mean["mean_iou"], 3),
    }


def _accuracy_counts(accuracy: np.ndarray) -> np.ndarray:
    """(50,) events in each accuracy bin; the last one includes 1."""
    # k / 50 rather than k * 0.02: an accuracy of 49/50 stands exactly on its edge.
    edges = np.arange(N_ACCURACY_BINS + 1) / N_ACCURACY_BINS
    return np.histogram(accuracy, edges)[0]


def _intervals(
    scores: dict[str, float], histogram: np.ndarray, cumulative: np.ndarray, n_events: int
) -> dict[str, tuple[float, float]]:
    """95 % intervals of the scores by what the drawn distribution tells, and by nothing else.

    Percentiles: R. S. Woodruff, J. Am. Stat. Assoc. 47 (1952) 635. The mean: its standard error.
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
    """(k,) accuracies up to which these shares (k,) of the events lie, linear within a bin."""
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
    """Mean accuracy of the scored events, with values (n,), in bins of a quantity (N,) of all.

    Bins are cut at round numbers near quantiles of all test events, which are public anyway, and
    joined until each holds MIN_EVENTS_PER_BIN scored ones, large enough for `bound`.
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
