"""Events that are read from files on demand are equal to those in memory, in any order."""

import copy
import multiprocessing
import pickle

import numpy as np
import pytest
import torch
import toy
from torch.utils.data import DataLoader

from baseline.config import Config
from baseline.dataset import read_events
from baseline.stream import EventDataset, join
from baseline.training import Training
from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.events import Event
from lartpc_challenge.format import ChallengeError

CPU = torch.device("cpu")


@pytest.fixture
def paths(tmp_path):
    """Two files of 9 + 6 events; the fourth event of the first has no voxels."""
    found = []
    for seed, n in ((1, 9), (2, 6)):
        events = toy.make_events(n, n_voxels=(5, 60), seed=seed)
        if seed == 1:
            none = np.zeros(0, np.uint8)
            events[3] = Event(4000, none.reshape(0, 3), none.astype("f4"), none)
        found.append(tmp_path / f"{seed}.h5")
        toy.make_events_file(found[-1], events, kind="train", cycle=2)
    return found


def assert_same(a, b):
    for name in ("coords", "energy", "length", "label"):
        found, expected = getattr(a, name), getattr(b, name)
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)


def test_events_by_number_are_those_of_the_files(paths):
    dataset, (whole, cycle) = EventDataset(paths), read_events(paths, labelled=True)
    assert dataset.cycle == cycle
    assert len(dataset) == len(whole) == 15
    assert torch.equal(dataset.length, whole.length)
    for index in (14, 0, 9, 3, 8):
        assert_same(dataset[index], whole.select(torch.tensor([index])))
    order = torch.tensor([12, 3, 12, 0])
    assert_same(dataset.select(order), whole.select(order))


def test_charged_events_keep_their_order(paths):
    dataset, whole = EventDataset(paths).charged(), read_events(paths, labelled=True)[0].charged()
    assert len(dataset) == 14
    assert_same(dataset.select(torch.arange(14)), whole)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_of_torch_takes_it(paths, workers):
    """An epoch of shuffled batches holds every event once; workers open the files themselves."""
    dataset = EventDataset(paths)
    assert len(dataset[2]) == 1  # this process has opened a file, which workers must not use
    loader = DataLoader(dataset, 4, shuffle=True, collate_fn=join, num_workers=workers)
    batches = list(loader)
    assert [len(batch) for batch in batches] == [4, 4, 4, 3]
    found = torch.cat([batch.length for batch in batches])
    assert torch.equal(found.sort().values, dataset.length.sort().values)
    assert len(pickle.loads(pickle.dumps(dataset))[2]) == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_training_sees_the_same_events_as_in_memory(paths, workers):
    """Bit by bit over two epochs, and from a state in their middle."""
    before = set(multiprocessing.active_children())  # the tests' own
    config = Config(filters=2, depth=2, blocks=1, epochs=2, batch_events=4, holdout=0.2, views=1)
    whole, cycle = read_events(paths, labelled=True)
    in_memory = Training(config, cycle, whole.charged(), CPU)
    streamed = Training(config, cycle, EventDataset(paths).charged(), CPU, workers=workers)
    for training in (in_memory, streamed):
        while training.step < training.n_steps:
            training.advance()
            if training.step == 4:
                state = copy.deepcopy(training.state_checkpoint())
            if training.step % training.steps_per_epoch == 0:
                training.close_epoch()
    expected = in_memory.model.state_dict()
    resumed = Training(config, cycle, EventDataset(paths).charged(), CPU, workers=workers)
    resumed.resume(state, "last.pt")
    while resumed.step < resumed.n_steps:
        resumed.advance()
    for training in (streamed, resumed):
        for name, tensor in training.model.state_dict().items():
            assert torch.equal(tensor, expected[name])
    assert set(multiprocessing.active_children()) == before
    assert streamed.record[1]["acc_mean"] == in_memory.record[1]["acc_mean"]


def test_other_files_are_no_continuation(paths):
    config = Config(filters=2, depth=2, blocks=1, holdout=0)
    state = Training(config, CYCLES[2], EventDataset(paths).charged(), CPU).state_checkpoint()
    other = Training(config, CYCLES[2], EventDataset(paths[::-1]).charged(), CPU)
    with pytest.raises(ChallengeError, match="trained on other events"):
        other.resume(state, "last.pt")


def test_files_of_two_cycles_are_refused(tmp_path, paths):
    toy.make_events_file(tmp_path / "one.h5", toy.make_events(2, cycle=1), kind="train", cycle=1)
    with pytest.raises(ChallengeError, match=r"one.h5: is of cycle 1, but .* of cycle 2"):
        EventDataset([*paths, tmp_path / "one.h5"])


def test_a_test_file_has_no_labels(tmp_path):
    toy.make_events_file(tmp_path / "t.h5", toy.make_events(3, seed=5), kind="test", cycle=2)
    assert EventDataset([tmp_path / "t.h5"], labelled=False)[1].label is None
    with pytest.raises(ChallengeError, match="a test file holds no labels"):
        EventDataset([tmp_path / "t.h5"])
