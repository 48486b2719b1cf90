"""Splitting a train file: every event once, no file overwritten."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from toy import make_events, make_events_file

from baseline.display.views import read_shown
from baseline.holdout import main, split_file
from lartpc_challenge.events import EventFile
from lartpc_challenge.format import ChallengeError

SAMPLE = Path(__file__).parent.parent / "starting_kit/data/cycle1_train.h5"


@pytest.fixture
def train_file(tmp_path):
    path = tmp_path / "train.h5"
    make_events_file(path, make_events(20, cycle=2), kind="train", cycle=2)
    return path


def content(path):
    with EventFile(path, kind="train") as events:
        return {
            e.event_id: (e.coords.tolist(), e.energy.tolist(), e.label.tolist()) for e in events
        }


def test_the_parts_are_disjoint_and_complete(train_file, tmp_path):
    train, held = tmp_path / "a.h5", tmp_path / "b.h5"
    assert split_file(train_file, train, held, share=0.25, seed=3) == (15, 5)
    assert content(train).keys().isdisjoint(content(held))
    assert {**content(train), **content(held)} == content(train_file)
    with EventFile(held) as events:
        assert (events.cycle.number, events.scale) == (2, "demonstration")


@pytest.mark.slow
def test_each_voxel_keeps_its_particle(tmp_path):
    """The shipped events: what a voxel's particle is called, in the whole file and in its parts."""

    def particles(path):
        with EventFile(path) as events:
            ids = events.event_id.tolist()
        return {
            event.event.event_id: [event.particles.name(i) for i in event.event.particle]
            for event in read_shown(path, ids)
        }

    split_file(SAMPLE, tmp_path / "a.h5", tmp_path / "b.h5", share=0.3)
    of_parts = {**particles(tmp_path / "a.h5"), **particles(tmp_path / "b.h5")}
    assert of_parts == particles(SAMPLE)
    with h5py.File(SAMPLE) as whole, h5py.File(tmp_path / "b.h5") as part:
        assert part["particles"].keys() == whole["particles"].keys()


def test_a_seed_repeats_its_choice_and_another_draws_another(train_file, tmp_path):
    held = []
    for seed in (1, 1, 2):
        split_file(train_file, tmp_path / "a.h5", tmp_path / "b.h5", seed=seed)
        held.append(np.array(sorted(content(tmp_path / "b.h5"))))
    np.testing.assert_array_equal(held[0], held[1])
    assert not np.array_equal(held[0], held[2])


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (0.01, "leaves one part empty"),
        *((share, "must be between 0 and 1") for share in (0, 1, 20, -1, float("nan"))),
    ],
)
def test_no_part_may_be_empty(train_file, tmp_path, share, told):
    with pytest.raises(ChallengeError, match=told):
        split_file(train_file, tmp_path / "a.h5", tmp_path / "b.h5", share=share)


@pytest.mark.parametrize("names", [("train.h5", "b.h5"), ("a.h5", "train.h5"), ("a.h5", "a.h5")])
def test_no_file_may_be_overwritten_by_a_part(train_file, tmp_path, names):
    before = train_file.read_bytes()
    with pytest.raises(ChallengeError, match="three different names"):
        split_file(train_file, *(tmp_path / name for name in names))
    assert train_file.read_bytes() == before


def test_both_parts_are_written_or_none(train_file, tmp_path):
    (tmp_path / "a.h5").write_bytes(b"earlier")
    with pytest.raises(ChallengeError, match=r"train\.h5/b\.h5: can't be written"):
        split_file(train_file, tmp_path / "a.h5", train_file / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == b"earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "train.h5"]


def test_the_command_says_what_it_wrote_and_what_is_wrong(train_file, tmp_path, capsys):
    parts = ["--train", str(tmp_path / "a.h5"), "--holdout", str(tmp_path / "b.h5")]
    assert main(["--events", str(train_file), *parts]) == 0
    assert "a.h5: 16 events" in capsys.readouterr().out
    test = tmp_path / "test.h5"
    make_events_file(test, make_events(5), kind="test", cycle=2)
    assert main(["--events", str(test), *parts]) == 1
    assert "holds no labels" in capsys.readouterr().err
    assert main(["--events", str(tmp_path / "none.h5"), *parts]) == 1
    assert "no such file" in capsys.readouterr().err
