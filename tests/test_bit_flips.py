"""A few hundred of the flips that bit_flips.py tries: none changes what is read unnoticed."""

from functools import partial

import numpy as np
import pytest
import toy
from bit_flips import HARMLESS, metadata_bits, outcomes, read_events, read_model, score_it
from damage import as_version_1

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.submission.forms import write_submission


@pytest.fixture(scope="module")
def events():
    return toy.make_events(30, cycle=2)


def some(bits: np.ndarray, number: int) -> list[int]:
    return np.random.default_rng(1).choice(bits, number, replace=False).tolist()


@pytest.mark.slow
def test_a_reference_gives_the_same_scores_or_none(tmp_path, events):
    path = tmp_path / "reference.h5"
    toy.make_reference(path, events, phase=3)
    ids = [event.event_id for event in events]
    write_submission(tmp_path / "s.zip", ids, toy.offsets(events), toy.labels(events))
    read = partial(score_it, submission=tmp_path / "s.zip")
    found = outcomes(path, read, some(metadata_bits(path), 100))
    assert found.keys() <= HARMLESS
    assert found["refused"] > 95


@pytest.mark.parametrize("kind", ["train", "test"])
def test_events_are_the_same_or_none(tmp_path, events, kind):
    path = tmp_path / "events.h5"
    toy.make_events_file(path, events, kind=kind, cycle=2)
    bits = np.arange(8 * path.stat().st_size)
    found = outcomes(path, read_events, [*some(metadata_bits(path), 200), *some(bits, 100)])
    assert found == {"refused": 300}


def test_without_a_seal_values_change_unnoticed(tmp_path, events):
    """So the test would see it: the same flips in a file of version 1."""
    path = tmp_path / "events.h5"
    toy.make_events_file(path, events, kind="train", cycle=2)
    as_version_1(path)
    start = path.read_bytes().index(np.array([e.event_id for e in events], "<u4").tobytes())
    found = outcomes(path, read_events, range(8 * start, 8 * start + 64))
    assert found["changed"] > 32


@pytest.mark.slow
def test_a_model_is_the_same_or_none(tmp_path):
    checkpoint = pytest.importorskip("baseline.checkpoint")
    from baseline.config import Config
    from baseline.model import UResNet

    config, path = Config(filters=4, depth=2, blocks=1), tmp_path / "model.pt"
    model = UResNet(config, len(CYCLES[2].labels))
    checkpoint.save(checkpoint.pack_model(model.state_dict(), config, CYCLES[2]), path)
    bits = np.arange(8 * path.stat().st_size)
    found = outcomes(path, read_model, [*some(bits, 200), *bits[-200:].tolist()])
    assert found == {"refused": 400}
