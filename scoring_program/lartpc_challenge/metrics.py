"""Metrics of semantic segmentation, event by event.

Goal
    Every event counts alike, however many voxels it has: the leaderboard asks how good a typical
    event is and what the best fifth reaches, not how many voxels of a few large showers are right.

Conventions
    `true` and `pred` are (M,) integer labels of the same voxels in the same order, event after
    event; `offset` (N+1,) bounds the events: event i is true[offset[i]:offset[i+1]].
    Label 0 means empty. Where `true` is 0 the prediction does not count; where it is not, a
    prediction of 0 is wrong. Events without a labelled voxel are skipped.
    Tables of classes are indexed by the label itself: confusion[true, predicted].

Metrics
    A_e of an event = voxels with true > 0 and pred == true / voxels with true > 0
    acc_at_80, acc_at_50 = 80th and 50th percentile of A_e over events, linear between neighbours
    acc_mean = mean of A_e over events
    recall, precision, F1 and intersection over union (IoU) of each class, over all labelled voxels;
    macro F1 and mean IoU are means over classes

Source
    The competition of the Machine Learning in High Energy Physics school 2018 (CodaLab 19818) had
    these three scores, ranked in the order of METRICS. Percentile: type 7 of R. J. Hyndman and
    Y. Fan, The American Statistician 50 (1996) 361. Macro F1: the mean of the classes' F1, the
    first of the two that J. Opitz and S. Burst, arXiv:1911.03347, compare.
"""

from __future__ import annotations

import numpy as np

from lartpc_challenge.format import METRICS, ReferenceDataError

_BLOCK_VOXELS = 1 << 18


def validate(true: np.ndarray, pred: np.ndarray, offset: np.ndarray) -> None:
    """Raise ValueError unless the arguments follow the conventions above."""
    for name, labels in (("true", true), ("pred", pred)):
        if not isinstance(labels, np.ndarray) or labels.ndim != 1 or labels.dtype.kind not in "ui":
            raise ValueError(
                f"{name} must be a one-dimensional array of integers, found {labels!r}"
            )
    if true.shape != pred.shape:
        raise ValueError(f"true holds {true.size} voxels, pred {pred.size}")
    if len(offset) == 0 or offset[0] != 0 or offset[-1] != true.size or (np.diff(offset) < 0).any():
        raise ValueError(f"offset must ascend from 0 to {true.size}, found {offset!r}")


def count_correct(
    true: np.ndarray, pred: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Per event the labelled voxels predicted right, and the labelled voxels: both (N,) int64."""
    validate(true, pred, offset)
    bounds = offset.tolist()
    counts = np.empty((2, len(bounds) - 1), np.int64)
    # Event by event: whole-array temporaries cost more, and np.add.reduceat has no empty slices.
    for i, (start, stop) in enumerate(zip(bounds, bounds[1:])):
        event = true[start:stop]
        is_labelled = event > 0
        counts[0, i] = np.count_nonzero((pred[start:stop] == event) & is_labelled)
        counts[1, i] = np.count_nonzero(is_labelled)
    return counts[0], counts[1]


def accuracy(correct: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """A_e of the events with labelled voxels, in their order: (n <= N,) float64 in 0..1.

    Raises ReferenceDataError where no event has one: there is nothing to score then.
    """
    scored = labelled > 0
    if not scored.any():
        raise ReferenceDataError("no event holds a labelled voxel, so that nothing can be scored")
    return correct[scored] / labelled[scored]


def leaderboard(accuracy: np.ndarray) -> dict[str, float]:
    """The scores of events with accuracies A_e (n,), named and ordered as METRICS."""
    at_50, at_80 = np.percentile(accuracy, (50, 80))
    scores = {"acc_at_80": at_80, "acc_at_50": at_50, "acc_mean": np.mean(accuracy)}
    return {name: float(scores[name]) for name in METRICS}


def evaluate(true: np.ndarray, pred: np.ndarray, offset: np.ndarray) -> dict[str, float]:
    """The scores of predicted labels, named and ordered as METRICS.

    ValueError for arrays against the conventions, ReferenceDataError where nothing is labelled.
    """
    return leaderboard(accuracy(*count_correct(true, pred, offset)))


def count_classes(labels: np.ndarray, offset: np.ndarray, n_labels: int) -> np.ndarray:
    """(N, n_labels) int64: voxels of each label in each event."""
    counts = np.zeros((len(offset) - 1, n_labels), np.int64)
    for event, (start, stop) in zip(counts, zip(offset[:-1].tolist(), offset[1:].tolist())):
        event += np.bincount(labels[start:stop], minlength=n_labels)
    return counts


def count_confusion(true: np.ndarray, pred: np.ndarray, n_labels: int) -> np.ndarray:
    """confusion[true, predicted], (n_labels, n_labels) int64, over all labelled voxels.

    Row 0 is empty. Labels are 0..n_labels - 1; ValueError for others.
    """
    validate(true, pred, np.array([0, true.size]))
    confusion = np.zeros(n_labels * n_labels, np.int64)
    for start in range(0, true.size, _BLOCK_VOXELS):
        block = slice(start, start + _BLOCK_VOXELS)
        confusion += np.bincount(
            np.ravel_multi_index((true[block], pred[block]), (n_labels, n_labels)),
            minlength=confusion.size,
        )
    confusion = confusion.reshape(n_labels, n_labels)
    confusion[0] = 0
    return confusion


def recall(confusion: np.ndarray) -> np.ndarray:
    """Share of a class's voxels that are predicted as it: (n_labels,), NaN where it has none."""
    return _ratio(np.diag(confusion), confusion.sum(axis=1))


def precision(confusion: np.ndarray) -> np.ndarray:
    """Share of the voxels predicted as a class that are of it: (n_labels,), NaN without any."""
    return _ratio(np.diag(confusion), confusion.sum(axis=0))


def iou(confusion: np.ndarray) -> np.ndarray:
    """Voxels of a class predicted as it over those that are either: (n_labels,), NaN without."""
    right = np.diag(confusion)
    return _ratio(right, confusion.sum(axis=0) + confusion.sum(axis=1) - right)


def f1(confusion: np.ndarray) -> np.ndarray:
    """Harmonic mean of precision and recall of each class: (n_labels,), NaN without voxels."""
    return _ratio(2 * np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
