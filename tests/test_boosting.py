"""Boosted trees learn, are reproducible, weight events equally and write submissions."""

import numpy as np
import pytest
from toy import make_events, make_events_file, without_labels

from baseline import boosting
from lartpc_challenge.events import Event
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.forms import read_submission


def shapes(n_events, seed):
    """Events of straight lines (2) and clouds (1) whose energies tell nothing."""
    rng = np.random.default_rng(seed)
    events = []
    for i in range(n_events):
        way = rng.normal(size=3)
        line = rng.uniform(60, 130, 3) + np.linspace(-50, 50, 90)[:, None] * way / np.abs(way).max()
        cloud = rng.uniform(40, 150, 3) + rng.normal(scale=5, size=(150, 3))
        coords = np.concatenate([line, cloud]).round().astype(np.uint8)
        coords, first = np.unique(coords, axis=0, return_index=True)
        label = np.where(first < len(line), 2, 1).astype(np.uint8)
        events.append(Event(i, coords, rng.exponential(size=len(coords)).astype("f4"), label))
    return events


def test_it_learns_shapes_that_the_energy_does_not_tell():
    model = boosting.fit(shapes(12, seed=1), trees=30)
    new = shapes(6, seed=2)
    share = [np.mean(boosting.predict(model, event) == event.label) for event in new]
    # A line crosses a cloud here and there; the larger class alone would reach 0.6.
    assert np.mean(share) > 0.95


def test_equal_seeds_give_equal_predictions_and_labels_are_not_read():
    events = shapes(4, seed=1)
    first, second = (boosting.fit(events, trees=5, max_voxels=300, seed=7) for _ in range(2))
    for event in shapes(2, seed=3):
        pred = boosting.predict(first, event)
        assert pred.dtype == np.uint8
        np.testing.assert_array_equal(pred, boosting.predict(second, without_labels(event)))


def test_events_weigh_alike_and_memory_is_bounded():
    events = [e for n in (3, 40, 400) for e in make_events(2, n_voxels=(n, n + 1))]
    features, label, weight = boosting.training_table(events, max_voxels=10**6, seed=1)
    length = np.repeat([3, 40, 400], 2)
    assert len(features) == len(label) == length.sum()
    np.testing.assert_array_equal(label, np.concatenate([event.label for event in events]))
    sums = np.add.reduceat(weight, np.cumsum(length) - length)
    np.testing.assert_allclose(sums, weight.sum() / 6)
    assert weight.mean() == pytest.approx(1)
    fewer = boosting.training_table(events, max_voxels=120, seed=1)
    assert len(fewer[0]) == 2 * (3 + 20 + 20)
    # What is left out still surrounds what is kept.
    assert set(map(tuple, fewer[0])) <= set(map(tuple, features))


def test_an_event_without_voxels_is_no_trouble():
    empty = Event(99, np.zeros((0, 3), np.uint8), np.zeros(0, "f4"), np.zeros(0, np.uint8))
    model = boosting.fit([*shapes(2, seed=1), empty], trees=2)
    assert boosting.predict(model, empty).shape == (0,)
    with pytest.raises(ChallengeError, match="all of them are empty"):
        boosting.fit([empty])


def test_an_unlabelled_event_is_refused():
    with pytest.raises(ChallengeError, match="event 0 has no labels"):
        boosting.fit([without_labels(shapes(1, seed=1)[0])])


def test_the_command_writes_a_submission_that_covers_the_file(tmp_path, capsys):
    train, test, out = (tmp_path / name for name in ("train.h5", "test.h5", "s.zip"))
    make_events_file(train, shapes(6, seed=1), kind="train", cycle=1)
    make_events_file(test, shapes(3, seed=2), kind="test", cycle=1)
    arguments = ["--train", train, "--events", test, "--out", out, "--trees", "20"]
    assert boosting.main(list(map(str, arguments))) == 0
    assert "written and checked, 3 events" in capsys.readouterr().out
    pred = read_submission(out, Manifest.from_events(test))
    truth = np.concatenate([event.label for event in shapes(3, seed=2)])
    assert np.mean(pred == truth) > 0.9


def test_files_of_two_cycles_are_refused(tmp_path, capsys):
    train, test, out = (tmp_path / name for name in ("train.h5", "test.h5", "s.zip"))
    make_events_file(train, make_events(3, cycle=1), kind="train", cycle=1)
    make_events_file(test, make_events(3, cycle=2), kind="test", cycle=2)
    arguments = ["--train", train, "--events", test, "--out", out]
    assert boosting.main(list(map(str, arguments))) == 1
    error = capsys.readouterr().err
    assert "is of cycle 1" in error
    assert "of cycle 2" in error
    assert not out.exists()
