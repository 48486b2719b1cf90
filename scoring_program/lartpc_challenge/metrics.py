"""Metrics of semantic segmentation, event by event.

Goal
    All events have the same weight, however many voxels they have. The leaderboard shows how good
    a typical event is and the accuracy that the best fifth of the events reaches; a few large
    showers do not dominate it.

Conventions
    `true` and `pred` are (M,) integer labels of the same voxels in the same order, event after
    event. `offset` is (N+1,): event i is true[offset[i]:offset[i+1]].
    Label 0 means empty. If `true` is 0, the prediction does not count; else the voxel is labelled,
    and a prediction of 0 is wrong. Events without labelled voxels are skipped.
    Tables of classes are indexed by label: confusion[true, predicted].

Metrics
    A_e of an event = voxels with true > 0 and pred == true / voxels with true > 0
    acc_at_80, acc_at_50 = 80th and 50th percentile of A_e over events, linear interpolation
    acc_mean = mean of A_e over events
    recall, precision, F1 and intersection over union (IoU) of each class, over all labelled voxels;
    macro F1 and mean IoU are means over classes

Source
    The competition of the Machine Learning in High Energy Physics school 2018 (CodaLab 19818) had
    these three scores, ranked in the order of METRICS. Percentile: type 7 of R. J. Hyndman and
    Y. Fan, The American Statistician 50 (1996) 361. Macro F1: the mean of the classes' F1, the
    first of the two definitions in J. Opitz and S. Burst, arXiv:1911.03347.
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
    """Count per event the correctly predicted labelled voxels, and all labelled voxels.

    Returns two arrays (N,) int64. Raises ValueError for arrays against the conventions.
    """
    validate(true, pred, offset)
    bounds = offset.tolist()
    counts = np.empty((2, len(bounds) - 1), np.int64)
    # A loop is faster than whole-array temporaries; np.add.reduceat can't handle empty events.
    for i, (start, stop) in enumerate(zip(bounds, bounds[1:])):
        event = true[start:stop]
        is_labelled = event > 0
        counts[0, i] = np.count_nonzero((pred[start:stop] == event) & is_labelled)
        counts[1, i] = np.count_nonzero(is_labelled)
    return counts[0], counts[1]


def accuracy(correct: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """Return A_e of the events with labelled voxels: (n <= N,) float64 in 0..1, in event order.

    correct, labelled: (N,) counts of `count_correct`. Raises ReferenceDataError if no event has a
    labelled voxel.
    """
    scored = labelled > 0
    if not scored.any():
        raise ReferenceDataError("no event holds a labelled voxel, so that nothing can be scored")
    return correct[scored] / labelled[scored]


def leaderboard(accuracy: np.ndarray) -> dict[str, float]:
    """Return the scores of events with accuracies A_e (n,): name -> value, in METRICS' order."""
    at_50, at_80 = np.percentile(accuracy, (50, 80))
    scores = {"acc_at_80": at_80, "acc_at_50": at_50, "acc_mean": np.mean(accuracy)}
    return {name: float(scores[name]) for name in METRICS}


def evaluate(true: np.ndarray, pred: np.ndarray, offset: np.ndarray) -> dict[str, float]:
    """Return the scores of predicted labels: name -> value, in METRICS' order.

    true, pred: (M,) integers. offset: (N+1,) integers. Raises ValueError for arrays against the
    conventions, ReferenceDataError if no voxel is labelled.
    """
    return leaderboard(accuracy(*count_correct(true, pred, offset)))


def count_classes(labels: np.ndarray, offset: np.ndarray, n_labels: int) -> np.ndarray:
    """Count the voxels of each label in each event: (N, n_labels) int64."""
    bounds = offset.tolist()
    counts = np.zeros((len(bounds) - 1, n_labels), np.int64)
    for event, start, stop in zip(counts, bounds, bounds[1:]):
        event += np.bincount(labels[start:stop], minlength=n_labels)
    return counts


def count_confusion(true: np.ndarray, pred: np.ndarray, n_labels: int) -> np.ndarray:
    """Return confusion[true, predicted], (n_labels, n_labels) int64, over all labelled voxels.

    Row 0 is zero. Raises ValueError for labels outside 0..n_labels - 1.
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
    """Return the share of each class's voxels that are predicted as it: (n_labels,) or NaN."""
    return ratio(np.diag(confusion), confusion.sum(axis=1))


def precision(confusion: np.ndarray) -> np.ndarray:
    """Return the share of the voxels predicted as a class that belong to it: (n_labels,) or NaN."""
    return ratio(np.diag(confusion), confusion.sum(axis=0))


def iou(confusion: np.ndarray) -> np.ndarray:
    """Return the intersection over union of true and predicted voxels: (n_labels,) or NaN."""
    right = np.diag(confusion)
    return ratio(right, confusion.sum(axis=0) + confusion.sum(axis=1) - right)


def f1(confusion: np.ndarray) -> np.ndarray:
    """Return the harmonic mean of precision and recall of each class: (n_labels,) or NaN."""
    return ratio(2 * np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1))


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, of the shape of `part`; NaN where `whole` is 0."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
