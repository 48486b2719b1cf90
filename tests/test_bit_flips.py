"""A few hundred of the flips that bit_flips.py tries: none changes what is read unnoticed."""

import os
import sys
from functools import partial

import numpy as np
import pytest
import toy
from bit_flips import HARMLESS, check, metadata_bits, outcomes, predict, score_it, train
from damage import as_version_1

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.events import EventFile
from lartpc_challenge.seal import SEAL_BYTES
from lartpc_challenge.submission.forms import write_submission


@pytest.fixture(scope="module")
def events():
    return toy.make_events(30, cycle=2)


def submit(path, events):
    ids = [event.event_id for event in events]
    write_submission(path, ids, toy.offsets(events), toy.labels(events))
    return path


@pytest.fixture
def submission(tmp_path, events):
    return submit(tmp_path / "s.zip", events)


def some_of_all(path) -> list[int]:
    return [*some(metadata_bits(path), 200), *some(np.arange(8 * path.stat().st_size), 100)]


def some(bits: np.ndarray, number: int) -> list[int]:
    return np.random.default_rng(1).choice(bits, number, replace=False).tolist()


@pytest.mark.slow
def test_a_reference_gives_the_same_scores_or_none(tmp_path, events, submission, ask):
    path = tmp_path / "reference.h5"
    toy.make_reference(path, events, phase=3)
    read = partial(score_it, submission=submission)
    found = ask(outcomes, path, read, some(metadata_bits(path), 100))
    assert found.keys() <= HARMLESS
    assert found["refused"] > 95


def test_check_reads_the_same_test_file_or_none(tmp_path, events, submission, ask):
    path = tmp_path / "events.h5"
    toy.make_events_file(path, events, kind="test", cycle=2)
    read = partial(check, submission=submission)
    found = ask(outcomes, path, read, some_of_all(path))
    assert found == {"refused": 300}


@pytest.mark.slow
def test_train_reads_the_same_train_file_or_none(tmp_path, events):
    pytest.importorskip("torch")
    path = tmp_path / "events.h5"
    toy.make_events_file(path, events, kind="train", cycle=2)
    assert outcomes(path, train, some_of_all(path)[::3]) == {"refused": 100}


@pytest.mark.skipif(sys.platform != "linux", reason="the child is used on Linux alone")
@pytest.mark.parametrize("bit", [6793, 40330])
def test_what_crashes_hdf5_is_one_sentence_of_check(tmp_path, bit):
    """Without a seal only HDF5 can notice the damage: HDF5 1.14.6 crashes with signal 11 here."""
    path, events = tmp_path / "events.h5", toy.make_events(6, cycle=1)
    toy.make_events_file(path, events, kind="test", cycle=1)
    as_version_1(path)
    read = partial(check, submission=submit(tmp_path / "s.zip", events))
    assert outcomes(path, read, [bit]) == {"refused": 1}


def test_without_a_seal_values_change_unnoticed(tmp_path, events):
    """This shows that the tests would notice it: the same flips in a file of version 1."""

    def ids(path):
        with EventFile(path) as file:
            return file.event_id.tobytes()

    path = tmp_path / "events.h5"
    toy.make_events_file(path, events, kind="train", cycle=2)
    as_version_1(path)
    start = path.read_bytes().index(np.array([e.event_id for e in events], "<u4").tobytes())
    found = outcomes(path, ids, range(8 * start, 8 * start + 64))
    assert found["changed"] > 32


@pytest.mark.slow
@pytest.mark.parametrize("version", [1, 2])
def test_predict_reads_the_same_model_or_none(tmp_path, events, version):
    """A model of version 1 has no seal, but the checksums of its zip."""
    checkpoint = pytest.importorskip("baseline.checkpoint")
    from baseline.config import Config
    from baseline.model import UResNet

    config, path = Config(filters=2, depth=2, blocks=1), tmp_path / "model.pt"
    model = UResNet(config, len(CYCLES[2].labels))
    packed = checkpoint.pack_model(model.state_dict(), config, CYCLES[2])
    checkpoint.save({**packed, "version": version}, path)
    if version == 1:
        os.truncate(path, path.stat().st_size - SEAL_BYTES)
    toy.make_events_file(tmp_path / "test.h5", events[:2], kind="test", cycle=2)
    bits = np.arange(8 * path.stat().st_size)
    read = partial(predict, events=tmp_path / "test.h5")
    found = outcomes(path, read, [*some(bits, 60), *bits[-200::5].tolist()])
    assert found.keys() <= HARMLESS
    assert found["refused"] > (30 if version == 1 else 99)
