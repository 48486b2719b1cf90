"""Events from files to batches, and the errors."""

import numpy as np
import pytest
import torch
import toy
from damage import edited

from baseline.dataset import (
    Ragged,
    batches_by_size,
    n_batches,
    read_events,
    shuffled_batch,
    split,
)
from lartpc_challenge.format import ChallengeError


@pytest.fixture
def events():
    return toy.make_events(12, seed=3)


@pytest.fixture
def file(tmp_path, events):
    toy.make_events_file(tmp_path / "train.h5", events, kind="train", cycle=2)
    return tmp_path / "train.h5"


def change(path, name, rows, values):
    with edited(path) as file:
        file[name][rows] = values


def test_reading_keeps_events_and_their_order(file, events):
    found, cycle = read_events([file], labelled=True)
    assert cycle.number == 2
    assert found.coords.dtype == torch.int32
    assert found.coords.is_contiguous()
    assert found.length.tolist() == [len(event) for event in events]
    for i, event in enumerate(events):
        one = found.select(torch.tensor([i]))
        assert np.array_equal(one.coords, event.coords)
        assert np.array_equal(one.energy, event.energy)
        assert np.array_equal(one.label, event.label)


def test_reading_several_files_joins_them(tmp_path, file, events):
    more = toy.make_events(3, seed=4)
    toy.make_events_file(tmp_path / "more.h5", more, kind="train", cycle=2)
    found, _ = read_events([file, tmp_path / "more.h5"], labelled=True)
    assert found.length.tolist() == [len(event) for event in (*events, *more)]
    assert np.array_equal(found.label, toy.labels([*events, *more]))


def test_a_test_file_has_no_labels(tmp_path, events):
    path = tmp_path / "test.h5"
    toy.make_events_file(path, events, kind="test", cycle=2)
    found, _ = read_events([path], labelled=False)
    assert found.label is None
    assert found.n_voxels == sum(map(len, events))
    with pytest.raises(ChallengeError, match="a test file holds no labels"):
        read_events([path], labelled=True)


def test_files_of_two_cycles_are_refused(tmp_path, file):
    path = tmp_path / "other.h5"
    toy.make_events_file(path, toy.make_events(2, cycle=1), kind="train", cycle=1)
    with pytest.raises(ChallengeError, match=r"of cycle 1, but .* of cycle 2"):
        read_events([file, path], labelled=True)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("coords", 192, "below 192"),
        ("label", 0, r"labels of cycle 2 are \[1, 2, 3\], found 0"),
        ("label", 4, r"labels of cycle 2 are \[1, 2, 3\], found .*4"),
        ("energy", 0.0, "positive"),
        ("energy", np.nan, "positive"),
        ("energy", np.inf, "positive"),
    ],
)
def test_values_that_would_be_silently_wrong_are_refused(file, name, value, sentence):
    change(file, name, 5, value)
    with pytest.raises(ChallengeError, match=sentence):
        read_events([file], labelled=True)


def test_a_voxel_twice_in_an_event_is_refused_with_the_event(tmp_path):
    events = toy.make_events(3, n_voxels=(10, 20), seed=5)
    toy.make_events_file(tmp_path / "twice.h5", events, kind="train", cycle=2)
    first = len(events[0])
    change(tmp_path / "twice.h5", "coords", first + 7, events[1].coords[2])
    with pytest.raises(ChallengeError, match=f"event {events[1].event_id} holds a voxel twice"):
        read_events([tmp_path / "twice.h5"], labelled=True)


def test_the_same_voxel_in_two_events_is_fine(tmp_path):
    events = toy.make_events(2, n_voxels=(10, 20), seed=5)
    toy.make_events_file(tmp_path / "fine.h5", events, kind="train", cycle=2)
    change(tmp_path / "fine.h5", "coords", len(events[0]), events[0].coords[0])
    assert len(read_events([tmp_path / "fine.h5"], labelled=True)[0]) == 2


def ragged(lengths):
    n = sum(lengths)
    coords = torch.arange(3 * n, dtype=torch.int32).view(n, 3)
    return Ragged(coords, torch.arange(n) + 1.0, torch.tensor(lengths), torch.arange(n))


def test_select_equals_slicing():
    lengths = [3, 0, 5, 1, 4]
    parts = torch.arange(13).split(lengths)
    chosen = ragged(lengths).select(torch.tensor([4, 1, 0, 4, 2]))
    expected = torch.cat([parts[i] for i in (4, 1, 0, 4, 2)])
    assert torch.equal(chosen.label, expected)
    assert torch.equal(chosen.energy, expected + 1.0)
    assert torch.equal(chosen.coords[:, 0], (3 * expected).int())
    assert chosen.length.tolist() == [4, 0, 3, 4, 5]
    assert chosen.event.tolist() == [0] * 4 + [2] * 3 + [3] * 4 + [4] * 5
    assert chosen.offset.tolist() == [0, 4, 4, 7, 11]


def test_select_nothing():
    none = ragged([3, 2]).select(torch.tensor([], dtype=torch.int64))
    assert len(none) == none.n_voxels == 0


def test_keep_leaves_events_that_lose_all():
    mask = torch.tensor([True, False, True, False, False, True])
    kept = ragged([3, 2, 0, 1]).keep(mask)
    assert kept.length.tolist() == [2, 0, 0, 1]
    assert kept.label.tolist() == [0, 2, 5]


@pytest.mark.parametrize(("n", "share", "held"), [(100, 0.1, 10), (3, 0.1, 1), (10, 0.0, 0)])
def test_split_parts_all_events(n, share, held):
    train, holdout = split(n, share, seed=7)
    assert len(holdout) == held
    assert sorted([*train.tolist(), *holdout.tolist()]) == list(range(n))
    again = split(n, share, seed=7)[1]
    assert torch.equal(holdout, again)


def test_split_follows_the_seed():
    assert not torch.equal(split(100, 0.2, seed=1)[1], split(100, 0.2, seed=2)[1])


def test_one_event_cannot_be_split():
    with pytest.raises(ChallengeError, match="too few"):
        split(1, 0.5, seed=1)


@pytest.mark.parametrize(("n", "size"), [(100, 8), (7, 8), (9, 8), (12, 5)])
def test_an_epoch_shows_every_event_once(n, size):
    steps = n_batches(n, size)
    first = [shuffled_batch(n, size, step, seed=1) for step in range(steps)]
    second = [shuffled_batch(n, size, steps + step, seed=1) for step in range(steps)]
    for epoch in (first, second):
        assert sorted(torch.cat(epoch).tolist()) == list(range(n))
        lengths = [len(batch) for batch in epoch]
        assert max(lengths) - min(lengths) <= 1
    assert not torch.equal(torch.cat(first), torch.cat(second))


def test_batches_by_size_hold_every_event_with_voxels_once():
    draw = np.random.default_rng(1)
    length = torch.from_numpy(draw.integers(0, 50, 200))
    batches = list(batches_by_size(length, most_voxels=120, most_events=4))
    assert sorted(torch.cat(batches).tolist()) == torch.nonzero(length)[:, 0].tolist()
    assert all(len(batch) <= 4 for batch in batches)
    assert all(length[batch].sum() <= 120 for batch in batches)
    sizes = length[torch.cat(batches)]
    assert torch.equal(sizes, sizes.sort().values)


def test_batches_by_size_take_a_large_event_alone():
    batches = list(batches_by_size(torch.tensor([500, 0, 600]), most_voxels=100, most_events=9))
    assert [batch.tolist() for batch in batches] == [[0], [2]]
