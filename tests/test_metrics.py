"""The metrics compared with hand values, scikit-learn and numpy, and their rules."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    jaccard_score,
    precision_score,
)
from sklearn.metrics import recall_score as sklearn_recall

from lartpc_challenge import metrics
from lartpc_challenge.format import METRICS, ReferenceDataError


def u8(*labels) -> np.ndarray:
    return np.array(labels, np.uint8)


def split(labels, offset) -> list:
    return [labels[a:b] for a, b in zip(offset, offset[1:])]


@st.composite
def scored_events(draw):
    """Return true, pred, offset of a few events; some are empty, some have unlabelled voxels."""
    lengths = draw(st.lists(st.integers(0, 6), min_size=1, max_size=8))
    n = sum(lengths)
    true, pred = (
        np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)), np.uint8)
        for _ in range(2)
    )
    return true, pred, np.cumsum([0, *lengths])


def test_three_events_by_hand():
    true, pred = u8(1, 2, 2, 1, 1, 3), u8(1, 2, 1, 2, 0, 3)
    scores = metrics.evaluate(true, pred, np.array([0, 3, 5, 6]))
    # A_e = 2/3, 0, 1; the 80th percentile lies 0.6 of the way from 2/3 to 1.
    assert scores["acc_mean"] == pytest.approx(5 / 9, abs=1e-15)
    assert scores["acc_at_50"] == 2 / 3
    assert scores["acc_at_80"] == pytest.approx(13 / 15, abs=1e-15)


def test_percentiles_lie_between_events():
    # Four events with A_e = 0, 1/4, 1/2, 1: positions 1.5 and 2.4 among them.
    true = np.ones(16, np.uint8)
    pred = u8(0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1)
    scores = metrics.evaluate(true, pred, np.arange(0, 17, 4))
    assert scores["acc_at_50"] == 0.375
    assert scores["acc_at_80"] == pytest.approx(0.5 + 0.4 * 0.5, abs=1e-15)
    assert scores["acc_mean"] == 0.4375


def test_scores_are_named_and_ordered_as_the_leaderboard():
    scores = metrics.evaluate(u8(1), u8(1), np.array([0, 1]))
    assert tuple(scores) == METRICS == ("acc_at_80", "acc_at_50", "acc_mean")
    assert all(type(value) is float for value in scores.values())


def test_truth_scores_one():
    rng = np.random.default_rng(11)
    offset = np.cumsum([0, *rng.integers(1, 40, 30)])
    true = rng.integers(1, 4, offset[-1]).astype(np.uint8)
    assert metrics.evaluate(true, true.copy(), offset) == dict.fromkeys(METRICS, 1.0)


def test_known_degradation_gives_the_known_score():
    # 100 events of 50 voxels; in event i exactly i // 2 voxels are made wrong.
    rng = np.random.default_rng(12)
    true = rng.integers(1, 4, (100, 50)).astype(np.uint8)
    pred = true.copy()
    for i in range(100):
        wrong = rng.choice(50, size=i // 2, replace=False)
        pred[i, wrong] = true[i, wrong] % 3 + 1
    scores = metrics.evaluate(true.ravel(), pred.ravel(), np.arange(0, 5001, 50))
    # A_e = 1, 1, 0.98, 0.98, ..., 0.02, 0.02: the 20th and 21st best are 0.82 and 0.8.
    assert scores["acc_mean"] == pytest.approx(0.51, abs=1e-12)
    assert scores["acc_at_50"] == pytest.approx(0.51, abs=1e-12)
    assert scores["acc_at_80"] == pytest.approx(0.8 + 0.2 * 0.02, abs=1e-12)


def test_every_event_counts_alike_whatever_its_size():
    true = np.ones(1001, np.uint8)
    pred = np.concatenate([u8(1), np.zeros(1000, np.uint8)])
    assert metrics.evaluate(true, pred, np.array([0, 1, 1001]))["acc_mean"] == 0.5


def test_predictions_on_empty_voxels_do_not_count():
    true = u8(0, 1, 0, 2)
    for noise in (0, 1, 3):
        pred = u8(noise, 1, noise, 1)
        assert metrics.evaluate(true, pred, np.array([0, 4]))["acc_mean"] == 0.5


def test_nothing_on_a_labelled_voxel_is_wrong():
    scores = metrics.evaluate(u8(1, 2), u8(0, 0), np.array([0, 2]))
    assert scores == dict.fromkeys(METRICS, 0.0)


@pytest.mark.parametrize("empty_at", [[0], [1], [3], [0, 0, 0], [1, 2, 2], [3, 3], [0, 1, 2, 3]])
def test_events_without_voxels_are_skipped(empty_at):
    lengths = [3, 2, 1]
    for place in sorted(empty_at, reverse=True):
        lengths.insert(place, 0)
    true, pred = u8(1, 2, 2, 1, 1, 3), u8(1, 2, 1, 2, 0, 3)
    correct, labelled = metrics.count_correct(true, pred, np.cumsum([0, *lengths]))
    assert labelled.tolist() == lengths
    assert metrics.accuracy(correct, labelled).tolist() == [2 / 3, 0.0, 1.0]


def test_events_without_a_labelled_voxel_are_skipped():
    true, pred = u8(0, 0, 1, 2, 0), u8(1, 0, 1, 1, 2)
    correct, labelled = metrics.count_correct(true, pred, np.array([0, 2, 4, 5]))
    assert labelled.tolist() == [0, 2, 0]
    assert metrics.accuracy(correct, labelled).tolist() == [0.5]


@pytest.mark.parametrize(
    ("true", "offset"), [(u8(), [0]), (u8(), [0, 0, 0]), (u8(0, 0, 0), [0, 1, 3])]
)
def test_nothing_labelled_is_an_error_and_never_a_number(true, offset):
    with pytest.raises(ReferenceDataError, match="no event holds a labelled voxel"):
        metrics.evaluate(true, true, np.array(offset))


@pytest.mark.parametrize(
    "labels",
    [
        np.array([1.0, 2.0]),
        np.array([1.0, np.nan]),
        np.array([True, True]),
        np.array(["1", "2"]),
        np.array([1, 2], object),
        np.array([[1, 2]], np.uint8),
        [1, 2],
        None,
    ],
    ids=["float", "nan", "bool", "text", "object", "two-dimensional", "list", "none"],
)
def test_only_integer_arrays_are_labels(labels):
    good, offset = u8(1, 2), np.array([0, 2])
    with pytest.raises(ValueError, match="pred must be a one-dimensional array of integers"):
        metrics.evaluate(good, labels, offset)
    with pytest.raises(ValueError, match="true must be a one-dimensional array of integers"):
        metrics.evaluate(labels, good, offset)


def test_nothing_is_broadcast():
    with pytest.raises(ValueError, match="true holds 2 voxels, pred 1"):
        metrics.evaluate(u8(1, 2), u8(1), np.array([0, 2]))


@pytest.mark.parametrize("offset", [[], [0, 1], [1, 2], [0, 3], [0, 2, 1, 2]])
def test_offsets_bound_all_voxels_in_order(offset):
    with pytest.raises(ValueError, match="offset must ascend from 0 to 2"):
        metrics.evaluate(u8(1, 2), u8(1, 2), np.array(offset, np.int64))


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scikit_learn_and_numpy(seed):
    rng = np.random.default_rng(seed)
    offset = np.cumsum([0, *rng.integers(1, 300, 200)])
    true = rng.integers(1, 4, offset[-1]).astype(np.uint8)
    pred = np.where(rng.random(len(true)) < 0.8, true, rng.integers(0, 4, len(true)))
    pred = pred.astype(np.uint8)
    expected = [accuracy_score(t, p) for t, p in zip(split(true, offset), split(pred, offset))]
    assert metrics.accuracy(*metrics.count_correct(true, pred, offset)).tolist() == expected
    assert metrics.evaluate(true, pred, offset) == {
        "acc_at_80": np.percentile(expected, 80),
        "acc_at_50": np.median(expected),
        "acc_mean": np.mean(expected),
    }


@given(scored_events(), st.randoms(use_true_random=False))
def test_order_of_events_and_voxels_does_not_matter(case, random):
    true, pred, offset = case
    events = list(zip(split(true, offset), split(pred, offset)))
    random.shuffle(events)
    shuffled = []
    for t, p in events:
        order = random.sample(range(len(t)), len(t))
        shuffled.append((t[order], p[order]))
    again = np.cumsum([0, *(len(t) for t, _ in shuffled)])
    scores = _scores_or_none(true, pred, offset)
    reordered = _scores_or_none(*map(np.concatenate, zip(*shuffled)), again)
    assert reordered == pytest.approx(scores, abs=1e-14)


@given(scored_events())
def test_scores_are_shares_and_ordered(case):
    scores = _scores_or_none(*case)
    if scores:
        assert all(0 <= value <= 1 for value in scores.values())
        assert scores["acc_at_50"] <= scores["acc_at_80"]


@given(scored_events(), st.data())
def test_mending_a_voxel_never_lowers_a_score(case, data):
    true, pred, offset = case
    scores = _scores_or_none(true, pred, offset)
    if scores:
        mended = pred.copy()
        voxel = data.draw(st.integers(0, len(true) - 1))
        mended[voxel] = true[voxel]
        better = metrics.evaluate(true, mended, offset)
        assert all(better[name] >= scores[name] - 1e-15 for name in METRICS)


@given(scored_events(), st.permutations([1, 2, 3]))
def test_names_of_the_classes_do_not_matter(case, names):
    true, pred, offset = case
    renamed = np.array([0, *names], np.uint8)
    assert _scores_or_none(renamed[true], renamed[pred], offset) == _scores_or_none(*case)


def _scores_or_none(true, pred, offset):
    return metrics.evaluate(true, pred, offset) if true.any() else None


def test_confusion_by_hand():
    confusion = metrics.count_confusion(u8(1, 1, 1, 2, 2, 0), u8(1, 1, 2, 2, 0, 1), n_labels=3)
    # Rows true 0, 1, 2; the empty voxel does not count.
    assert confusion.tolist() == [[0, 0, 0], [0, 2, 1], [1, 0, 1]]
    assert metrics.recall(confusion)[1:].tolist() == [2 / 3, 1 / 2]
    assert metrics.precision(confusion)[1:].tolist() == [1, 1 / 2]
    assert metrics.f1(confusion)[1:].tolist() == [4 / 5, 2 / 4]
    assert metrics.iou(confusion)[1:].tolist() == [2 / 3, 1 / 3]


def test_confusion_over_several_blocks_agrees_with_scikit_learn():
    rng = np.random.default_rng(21)
    true = rng.integers(1, 4, 600_000).astype(np.uint8)
    pred = rng.integers(0, 4, 600_000).astype(np.uint8)
    confusion = metrics.count_confusion(true, pred, n_labels=4)
    assert np.array_equal(confusion, confusion_matrix(true, pred, labels=[0, 1, 2, 3]))
    classes = {"labels": [1, 2, 3], "average": None}
    assert metrics.recall(confusion)[1:] == pytest.approx(sklearn_recall(true, pred, **classes))
    assert metrics.precision(confusion)[1:] == pytest.approx(precision_score(true, pred, **classes))
    assert metrics.f1(confusion)[1:] == pytest.approx(f1_score(true, pred, **classes))
    assert metrics.iou(confusion)[1:] == pytest.approx(jaccard_score(true, pred, **classes))


def test_absent_classes_have_no_ratio():
    confusion = metrics.count_confusion(u8(1, 1), u8(1, 2), n_labels=4)
    assert np.isnan(metrics.recall(confusion)).tolist() == [True, False, True, True]
    assert np.isnan(metrics.precision(confusion)).tolist() == [True, False, False, True]
    assert np.isnan(metrics.f1(confusion)).tolist() == [True, False, False, True]
    assert np.isnan(metrics.iou(confusion)).tolist() == [True, False, False, True]


def test_confusion_refuses_labels_it_has_no_room_for():
    with pytest.raises(ValueError, match="invalid entry in coordinates array"):
        metrics.count_confusion(u8(1, 1), u8(1, 3), n_labels=3)


@given(scored_events())
def test_classes_are_counted_in_each_event(case):
    true, _, offset = case
    counts = metrics.count_classes(true, offset, n_labels=4)
    assert counts.tolist() == [
        [event.tolist().count(label) for label in range(4)] for event in split(true, offset)
    ]
