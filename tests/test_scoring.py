"""The published figures of a prediction, recomputed here in a simple way."""

import dataclasses
import math

import numpy as np
import pytest
import toy
from sklearn.metrics import f1_score, jaccard_score

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.format import METRICS, ReferenceDataError
from lartpc_challenge.reference import read_labelled_events, read_reference
from lartpc_challenge.scoring import MIN_EVENTS_PER_BIN, score

N_EVENTS = 300
SCORED = [*range(5, 300, 2), 0]  # neither all events nor their order in the test file


@pytest.fixture(scope="module")
def events():
    return toy.make_events(N_EVENTS, cycle=2, n_voxels=(140, 400))


@pytest.fixture(scope="module")
def pred(events):
    return toy.degrade(events, np.random.default_rng(5).beta(1, 5, N_EVENTS), n_labels=4)


@pytest.fixture(scope="module")
def references(events, tmp_path_factory):
    """Phase -> reference of a public and a hidden phase with the same events."""
    folder = tmp_path_factory.mktemp("references")
    for phase in (3, 4):
        toy.make_reference(folder / f"{phase}.h5", events, phase=phase, scored=SCORED)
    return {phase: read_reference(folder / f"{phase}.h5") for phase in (3, 4)}


@pytest.fixture(scope="module")
def accuracy(events, pred):
    """Return event index -> A_e of the scored events, computed voxel by voxel."""
    start = toy.offsets(events)
    result = {}
    for i in SCORED:
        right = [t == p for t, p in zip(events[i].label, pred[start[i] : start[i + 1]])]
        result[i] = sum(right) / len(right)
    return result


def test_public_scores_are_those_of_the_phases_own_events_rounded(references, pred, accuracy):
    values = list(accuracy.values())
    scores = score(references[3], pred)
    assert scores.leaderboard == {
        "acc_at_80": round(float(np.percentile(values, 80)), 4),
        "acc_at_50": round(float(np.percentile(values, 50)), 4),
        "acc_mean": round(sum(values) / len(values), 4),
    }
    assert (scores.phase, scores.cycle, scores.scale) == (3, CYCLES[2], "demonstration")


def test_hidden_scores_have_what_the_leaderboard_stores(references, pred, accuracy):
    values = list(accuracy.values())
    scores = score(references[4], pred)
    assert scores.leaderboard["acc_mean"] == pytest.approx(np.mean(values), abs=6e-11)
    assert scores.leaderboard["acc_at_80"] == pytest.approx(np.percentile(values, 80), abs=6e-11)


def test_hidden_scores_hold_nothing_else(references, pred):
    fields = dataclasses.asdict(score(references[4], pred))
    del fields["leaderboard"], fields["cycle"]
    assert fields == {"phase": 4, "scale": "demonstration", "decimals": 10, "details": None}


@pytest.mark.parametrize(("phase", "decimals"), [(3, 4), (4, 10)])
def test_scores_txt_has_three_lines_that_every_reader_takes(references, pred, phase, decimals):
    lines = score(references[phase], pred).text.splitlines(keepends=True)
    assert [line.split(": ")[0] for line in lines] == list(METRICS)
    for line in lines:
        assert line.count(":") == 1
        assert line.endswith("\n")
        assert len(line.strip().split(".")[1]) == decimals
        assert 0 <= float(line.split(": ")[1]) <= 1


def test_tiny_scores_are_written_without_exponent(tmp_path):
    events = toy.make_events(1, cycle=1, n_voxels=(50_000, 50_001))
    toy.make_reference(tmp_path / "r.h5", events, phase=2, scored=[0])
    pred = np.zeros(50_000, np.uint8)
    pred[7] = events[0].label[7]
    text = score(read_reference(tmp_path / "r.h5"), pred).text
    assert text == "".join(f"{name}: 0.0000200000\n" for name in METRICS)


def test_truth_scores_one_in_every_phase(tmp_path):
    for phase in range(1, 7):
        events = toy.make_events(40, cycle=(phase + 1) // 2)
        toy.make_reference(tmp_path / "r.h5", events, phase=phase)
        scores = score(read_reference(tmp_path / "r.h5"), toy.labels(events))
        assert scores.leaderboard == dict.fromkeys(METRICS, 1.0)


def test_only_the_phases_own_events_count(references, events, pred):
    spoilt = pred.copy()
    start = toy.offsets(events)
    for i in set(range(N_EVENTS)) - set(SCORED):
        spoilt[start[i] : start[i + 1]] = 3
    assert score(references[3], spoilt) == score(references[3], pred)


def test_order_of_the_reference_does_not_matter(tmp_path, references, events, pred):
    toy.make_reference(tmp_path / "r.h5", events, phase=3, scored=sorted(SCORED))
    assert score(read_reference(tmp_path / "r.h5"), pred) == score(references[3], pred)


def test_confusion_and_ratios_are_of_labelled_voxels(references, events, pred):
    counts = np.zeros((4, 4))
    start = toy.offsets(events)
    for i in SCORED:
        for true, predicted in zip(events[i].label, pred[start[i] : start[i + 1]]):
            counts[true, predicted] += 1
    details = score(references[3], pred).details
    row, column = counts.sum(axis=1), counts.sum(axis=0)
    for i, label in enumerate((1, 2, 3)):
        right = counts[label, label]
        assert details.confusion[i] == pytest.approx(counts[label] / row[label], abs=5.1e-4)
        assert details.class_share[i] == pytest.approx(row[label] / row.sum(), abs=5.1e-4)
        assert details.recall[i] == pytest.approx(right / row[label], abs=5.1e-4)
        assert details.precision[i] == pytest.approx(right / column[label], abs=5.1e-4)
        iou = right / (row[label] + column[label] - right)
        assert details.iou[i] == pytest.approx(iou, abs=5.1e-4)
    true = [label for i in SCORED for label in events[i].label]
    predicted = [label for i in SCORED for label in pred[start[i] : start[i + 1]]]
    means = {"labels": [1, 2, 3], "average": "macro"}
    assert details.macro_f1 == pytest.approx(f1_score(true, predicted, **means), abs=5.1e-4)
    assert details.mean_iou == pytest.approx(jaccard_score(true, predicted, **means), abs=5.1e-4)


def test_distribution_over_events(references, pred, accuracy):
    """With 151 events shares are rounded to 2 %, which is three events."""
    values = np.array(list(accuracy.values()))
    details = score(references[3], pred).details
    assert (details.n_events, details.n_skipped) == (len(SCORED), 0)
    assert len(details.histogram) == len(details.cumulative) == 50
    assert details.histogram == tuple(np.diff(details.cumulative, prepend=0).round(3))
    for i, up_to in enumerate(details.cumulative):
        expected = (values < (i + 1) / 50).mean() if i < 49 else 1
        assert up_to == pytest.approx(expected, abs=0.0101)
        assert round(up_to, 3) == round(50 * up_to) / 50
    for percent in (5, 20):
        low, high = np.percentile(values, [percent - 2, percent + 2])
        assert low - 0.02 <= details.quantiles[percent] <= high + 0.02


def test_distribution_over_events_of_ones_own(tmp_path):
    # Event i has i of 50 voxels right. 29 * 0.02 is not 29/50 in floating point; the edges are.
    events = toy.make_events(51, cycle=1, n_voxels=(50, 51))
    right = [np.where(np.arange(50) < i, e.label, 0) for i, e in enumerate(events)]
    toy.make_events_file(tmp_path / "mine.h5", events, kind="train", cycle=1)
    pred = np.concatenate(right).astype(np.uint8)
    details = score(read_labelled_events(tmp_path / "mine.h5"), pred).details
    assert details.cumulative == (*(round(i / 51, 3) for i in range(1, 50)), 1)
    assert details.histogram == pytest.approx([*[1 / 51] * 49, 2 / 51], abs=1.1e-3)


def test_intervals_hold_the_score_and_are_as_wide_as_chance(tmp_path):
    """Against 2,000 fresh phases of the same law: 95 % of its scores lie in an interval as wide.

    The accuracies come from a beta law, whose quantiles the bins of 0.02 resolve.
    """
    rng = np.random.default_rng(4)
    events = toy.make_events(400, cycle=1, n_voxels=(500, 501))
    pred = toy.degrade(events, 1 - rng.beta(8, 3, 400), n_labels=3)
    toy.make_reference(tmp_path / "r.h5", events, phase=1, scored=range(400))
    scores = score(read_reference(tmp_path / "r.h5"), pred)
    fresh = rng.beta(8, 3, (2000, 400))
    spread = {
        "acc_at_80": np.percentile(fresh, 80, axis=1),
        "acc_at_50": np.percentile(fresh, 50, axis=1),
        "acc_mean": fresh.mean(axis=1),
    }
    assert tuple(scores.details.intervals) == METRICS
    for name, (low, high) in scores.details.intervals.items():
        assert low < scores.leaderboard[name] < high
        expected = np.diff(np.percentile(spread[name], (2.5, 97.5)))[0]
        # The density at a quantile, and so the width, is known to some 20 % from 400 events.
        assert high - low == pytest.approx(expected, rel=0.4)


@pytest.mark.parametrize("name", ["by_energy", "by_voxels"])
def test_profiles_are_means_over_many_events(references, events, pred, accuracy, name):
    quantity = {
        i: float(e.energy.astype(float).sum()) if name == "by_energy" else len(e)
        for i, e in enumerate(events)
    }
    bins = getattr(score(references[3], pred).details, name)
    assert len(bins) >= 3
    values = [np.float32(value) for value in quantity.values()]
    assert (bins[0].low, bins[-1].high) == (min(values), max(values))
    for one, following in zip(bins, bins[1:]):
        assert one.high == following.low == float(f"{one.high:.2g}")
    for one in bins:
        is_last = one is bins[-1]
        inside = [
            accuracy[i]
            for i in SCORED
            if one.low <= np.float32(quantity[i]) and (quantity[i] < one.high or is_last)
        ]
        assert len(inside) >= MIN_EVENTS_PER_BIN == 20
        assert one.mean == pytest.approx(np.mean(inside), abs=5.1e-4)
        error = np.std(inside, ddof=1) / math.sqrt(len(inside))
        assert one.error == pytest.approx(error, abs=5.1e-4)


@pytest.mark.parametrize(("n_scored", "n_bins"), [(19, 0), (20, 1), (39, 1)])
def test_few_events_share_a_bin_or_have_none(tmp_path, events, pred, n_scored, n_bins):
    toy.make_reference(tmp_path / "r.h5", events, phase=3, scored=range(n_scored))
    details = score(read_reference(tmp_path / "r.h5"), pred).details
    assert len(details.by_energy) == len(details.by_voxels) == n_bins


def test_trivial_baselines_come_from_the_reference(references, pred):
    trivial = score(references[3], pred).details.trivial
    assert trivial["majority"] == {"acc_at_80": 0.7512, "acc_at_50": 0.61, "acc_mean": 0.6}
    assert trivial["threshold"] == {"acc_at_80": 0.82, "acc_at_50": 0.7123, "acc_mean": 0.7}


def test_nothing_shown_is_finer_than_its_rounding(references, pred):
    """Exact numbers would reveal labels to an attacker with many submissions."""
    details = dataclasses.asdict(score(references[3], pred).details)
    del details["trivial"]  # its four decimals are those of a leaderboard
    for bins in ("by_energy", "by_voxels"):
        details[bins] = [(b["mean"], b["error"]) for b in details[bins]]
    shares = [v for v in _numbers(details) if isinstance(v, float)]
    assert len(shares) > 100
    assert all(share == round(share, 3) for share in shares)


def _numbers(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [number for item in value for number in _numbers(item)]
    return [value]


def test_events_without_labelled_voxels_are_skipped_and_counted(tmp_path, events, pred):
    blank = [dataclasses.replace(e, label=np.zeros_like(e.label)) for e in events[:4]]
    changed = [*blank, *events[4:]]
    toy.make_reference(tmp_path / "r.h5", changed, phase=3, scored=range(40))
    scores = score(read_reference(tmp_path / "r.h5"), pred)
    toy.make_reference(tmp_path / "without.h5", events, phase=3, scored=range(4, 40))
    without = score(read_reference(tmp_path / "without.h5"), pred)
    assert (scores.details.n_events, scores.details.n_skipped) == (36, 4)
    assert scores.leaderboard == without.leaderboard
    assert scores.details.by_energy == without.details.by_energy


@pytest.mark.parametrize("phase", [3, 4])
def test_truth_without_labels_scores_nobody(tmp_path, events, pred, phase):
    blank = [dataclasses.replace(e, label=np.zeros_like(e.label)) for e in events]
    toy.make_reference(tmp_path / "r.h5", blank, phase=phase)
    with pytest.raises(ReferenceDataError, match="no event holds a labelled voxel"):
        score(read_reference(tmp_path / "r.h5"), pred)


def test_absent_classes_have_no_ratios(tmp_path):
    # electron/positron and other, in a cycle with protons
    events = toy.make_events(60, cycle=1, n_voxels=(300, 301))
    toy.make_reference(tmp_path / "r.h5", events, phase=3)
    details = score(read_reference(tmp_path / "r.h5"), toy.labels(events)).details
    assert details.class_share[2] == 0
    assert all(math.isnan(v) for v in (details.recall[2], details.precision[2], details.iou[2]))
    assert all(math.isnan(v) for v in details.confusion[2])
    assert not math.isnan(details.macro_f1)  # over the classes that are there


def test_labelled_events_are_scored_as_a_public_phase_would(tmp_path, references, events, pred):
    """Except shares of events, which are rounded to one event there."""
    toy.make_events_file(tmp_path / "mine.h5", events, kind="train", cycle=2)
    toy.make_reference(tmp_path / "r.h5", events, phase=3, scored=range(N_EVENTS), trivial={})
    mine = score(read_labelled_events(tmp_path / "mine.h5"), pred)
    public = score(read_reference(tmp_path / "r.h5"), pred)
    assert mine.phase is None
    finer = {
        name: getattr(mine.details, name)
        for name in ("histogram", "cumulative", "quantiles", "intervals")
    }
    details = dataclasses.replace(public.details, **finer)
    assert dataclasses.replace(mine, phase=3) == dataclasses.replace(public, details=details)


def test_nothing_is_hidden_of_events_of_ones_own(tmp_path):
    """Two events are enough for every ratio."""
    events = toy.make_events(2, cycle=1, n_voxels=(8, 9))
    toy.make_events_file(tmp_path / "mine.h5", events, kind="train", cycle=1)
    details = score(read_labelled_events(tmp_path / "mine.h5"), toy.labels(events)).details
    assert details.recall == details.precision == details.iou == (1, 1)
    assert (details.macro_f1, details.mean_iou) == (1, 1)
