"""The energy threshold is the best one possible; its command."""

import itertools
import re
import subprocess
import sys

import numpy as np
import pytest
from toy import make_events, make_events_file, without_labels

import lartpc_challenge.__main__
from baseline import threshold
from lartpc_challenge.cycles import CYCLES, Cycle, SemanticClass
from lartpc_challenge.events import Event
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.forms import read_submission
from lartpc_challenge.trivial import EnergyThreshold, fit_threshold


def mean_accuracy(rule, events):
    return np.mean([np.mean(rule.predict(event.energy) == event.label) for event in events])


def one_by_one(energy, label):
    n = len(energy)
    return Event(1, np.zeros((n, 3), np.uint8), np.array(energy, "f4"), np.array(label, np.uint8))


def test_the_rule_predicts_its_intervals():
    rule = EnergyThreshold(cuts_mev=(0.5, 2.0), labels=(2, 1, 3))
    pred = rule.predict(np.array([0.1, 0.5, 1.9, 2.0, 50], np.float32))
    assert pred.dtype == np.uint8
    assert pred.tolist() == [2, 1, 1, 3, 3]


def test_classes_that_energy_separates_are_separated():
    event = one_by_one([0.1, 0.2, 0.9, 1.0, 5, 9], [3, 3, 1, 1, 2, 2])
    rule = fit_threshold([event], CYCLES[2])
    assert rule.labels == (3, 1, 2)
    assert 0.2 < rule.cuts_mev[0] <= 0.9
    assert 1.0 < rule.cuts_mev[1] <= 5


def test_many_classes_take_no_more_than_seconds():
    """The most frequent ones of twelve are separated; twelve have 479 million orders."""
    colour = (1, 2, 3)
    names = (SemanticClass(f"class {i}", "", colour, colour) for i in range(12))
    cycle = Cycle(99, "twelve", "", tuple(names))
    label = np.repeat(np.arange(12, 0, -1), np.arange(1, 13) ** 2)  # class 1 is the most frequent
    event = one_by_one(13.5 - label, label)
    rule = fit_threshold([event], cycle)
    assert sorted(rule.labels) == [1, 2, 3, 4, 5, 6, 7]
    assert rule.labels == (7, 6, 5, 4, 3, 2, 1)


@pytest.mark.parametrize("cycle", [1, 2])
@pytest.mark.slow
def test_no_other_cuts_are_better(cycle):
    events = make_events(30, cycle=cycle, seed=cycle)
    rule = fit_threshold(events, CYCLES[cycle])
    labels = CYCLES[cycle].labels
    grid = np.geomspace(0.05, 8, 40)
    others = [
        EnergyThreshold(cuts, order)
        for cuts in itertools.combinations(grid, len(labels) - 1)
        for order in itertools.permutations(labels)
    ]
    best = max(mean_accuracy(other, events) for other in others)
    assert mean_accuracy(rule, events) >= best
    assert best > 0.4


def test_every_event_weighs_the_same():
    # Most voxels below 1 MeV are of class 1, yet in two of three events they are of class 2.
    large = one_by_one([0.5] * 50 + [2] * 50, [1] * 50 + [2] * 50)
    small = one_by_one([0.5, 2], [2, 1])
    assert fit_threshold([large, small, small], CYCLES[1]).labels == (2, 1)


def test_a_class_that_no_voxel_has_is_no_trouble():
    event = one_by_one([0.1, 5], [1, 3])
    rule = fit_threshold([event], CYCLES[2])
    assert rule.predict(event.energy).tolist() == [1, 3]


def test_events_without_voxels_do_not_count():
    empty = one_by_one([], [])
    event = one_by_one([0.1, 5], [1, 2])
    assert fit_threshold([empty, event], CYCLES[1]) == fit_threshold([event], CYCLES[1])
    with pytest.raises(ChallengeError, match="all events are empty"):
        fit_threshold([empty], CYCLES[1])


def test_unlabelled_events_are_refused():
    with pytest.raises(ChallengeError, match="needs labels"):
        fit_threshold([without_labels(one_by_one([1], [1]))], CYCLES[1])


def arguments(tmp_path, events, cycle=1, kind="train"):
    train, test = tmp_path / "train.h5", tmp_path / "test.h5"
    make_events_file(train, events, kind=kind, cycle=cycle)
    make_events_file(test, events, kind="test", cycle=1)
    return ["--train", str(train), "--events", str(test), "--out", str(tmp_path / "s.zip")]


def test_the_command_writes_the_rule_s_labels(tmp_path, capsys):
    events = make_events(20, cycle=1)
    assert threshold.main(arguments(tmp_path, events)) == 0
    said = capsys.readouterr().out
    assert "electron/positron from 0 MeV, other from " in said
    assert "written and checked, 20 events" in said
    pred = read_submission(tmp_path / "s.zip", Manifest.from_events(tmp_path / "test.h5"))
    rule = fit_threshold(events, CYCLES[1])
    expected = [rule.predict(event.energy) for event in events]
    np.testing.assert_array_equal(pred, np.concatenate(expected))


def test_labelled_events_are_scored_and_others_are_not(tmp_path, capsys):
    """Against the command `score`, which reads the submission and the labels anew."""
    words = arguments(tmp_path, make_events(20, cycle=1))
    assert threshold.main(words) == 0
    assert "acc_mean" not in capsys.readouterr().out
    train, zipped = words[1], words[-1]
    assert threshold.main([*words, "--events", train]) == 0
    told = re.findall(r"(acc_\w+) (0\.\d{4})", capsys.readouterr().out)
    assert lartpc_challenge.__main__.main(["score", zipped, "--reference", train]) == 0
    scores = re.findall(r"(acc_\w+): (\S+)", capsys.readouterr().out)
    assert told == [(name, f"{float(value):.4f}") for name, value in scores]


@pytest.mark.parametrize(
    ("kind", "cycle", "sentence"), [("test", 1, "holds no labels"), ("train", 2, "is of cycle 2")]
)
def test_unfit_files_are_refused_in_one_sentence(tmp_path, capsys, kind, cycle, sentence):
    assert threshold.main(arguments(tmp_path, make_events(5, cycle=1), cycle, kind)) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not (tmp_path / "s.zip").exists()


def test_it_needs_nothing_but_numpy_and_h5py():
    heavy = "{'torch', 'scipy', 'sklearn', 'matplotlib', 'plotly', 'tqdm'}"
    program = f"import sys, baseline.threshold; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n"
