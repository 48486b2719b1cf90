"""The command that makes the data with Geant4, and the demonstration data in git."""

import importlib.util
import json
import re
import stat
from pathlib import Path

import h5py
import numpy as np
import pytest
from watching import nothing_exposed

from lartpc_challenge.events import EventFile
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.reference import read_reference
from organizer.competition import read_competition
from organizer.data.__main__ import main
from organizer.data.seeds import fixed_seeds, kept_seeds
from organizer.phases.split import check_distinct

ROOT = Path(__file__).resolve().parents[1]
TRACKED_FILES = sorted(
    [*(ROOT / "starting_kit" / "data").glob("*.h5"), *(ROOT / "reference_data").glob("*/*.h5")]
)
needs_geant4 = pytest.mark.skipif(
    importlib.util.find_spec("geant4_pybind") is None,
    reason="geant4_pybind is not installed (Python 3.11 to 3.13 have it)",
)


def make(*arguments) -> int:
    return main([str(argument) for argument in arguments])


def contents(folder, pattern="**/*.h5") -> dict:
    return {path.relative_to(folder): path.read_bytes() for path in folder.glob(pattern)}


# ---- full scale, few events


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """Cycle 1 with 6 train and 6 test events, made once."""
    folder = tmp_path_factory.mktemp("data")
    with nothing_exposed(folder, "full/secret", "full/reference_data"):
        assert make("--out", folder / "full", "--events", 6, "--cycle", 1, "--jobs", 1) == 0
    return folder / "full"


@needs_geant4
def test_public_and_secret_parts_lie_apart(full):
    found = {str(path.relative_to(full)) for path in full.rglob("*") if path.is_file()}
    assert found == {
        "cycle1_train.h5",
        "cycle1_test.h5",
        "reference_data/phase1/reference.h5",
        "reference_data/phase2/reference.h5",
        "secret/seeds.json",
        "secret/cycle1_train.h5",
        "secret/cycle1_test.h5",
    }
    for secret in ("secret", "reference_data"):
        assert stat.S_IMODE((full / secret).stat().st_mode) == 0o700
    assert stat.S_IMODE((full / "secret/seeds.json").stat().st_mode) == 0o600


@needs_geant4
def test_full_data_are_complete_and_know_no_seed(full):
    seeds = json.loads((full / "secret/seeds.json").read_text())
    assert set(seeds) == {"cycle1 train", "cycle1 test", "cycle1 phases"}
    assert all(re.fullmatch("[0-9a-f]{32}", seed) for seed in seeds.values())
    assert len(set(seeds.values())) == 3
    with EventFile(full / "cycle1_train.h5", "train") as train:
        assert (len(train), train.scale) == (6, "full")
    with EventFile(full / "cycle1_test.h5", "test") as test:
        assert (len(test), test.scale) == (6, "full")
        ids = set(test.event_id.tolist())
    truth = [read_reference(full / f"reference_data/phase{n}/reference.h5") for n in (1, 2)]
    assert [len(reference.event_id) for reference in truth] == [3, 3]
    assert set().union(*(reference.event_id.tolist() for reference in truth)) == ids
    for name in ("cycle1_train.h5", "cycle1_test.h5"):
        for seed in seeds.values():
            assert seed.encode() not in (full / name).read_bytes()
            assert bytes.fromhex(seed) not in (full / name).read_bytes()


@needs_geant4
def test_running_again_keeps_what_is_there_and_makes_what_is_missing(full, capsys):
    before = contents(full)
    assert make("--out", full, "--events", 6, "--cycle", 1) == 0
    assert "cycle 1 already exists" in capsys.readouterr().out
    simulated = (full / "secret/cycle1_test.h5").stat().st_mtime_ns
    (full / "reference_data/phase2/reference.h5").unlink()
    (full / "cycle1_test.h5").unlink()
    assert make("--out", full, "--events", 6, "--cycle", 1) == 0
    assert contents(full) == before
    assert (full / "secret/cycle1_test.h5").stat().st_mtime_ns == simulated


@needs_geant4
def test_data_of_another_size_are_not_overwritten(full, capsys):
    before = contents(full)
    assert make("--out", full, "--events", 4, "--cycle", 1) == 1
    said = capsys.readouterr().err
    assert "cycle1_train.h5: exists with 6 events, expected 4" in said
    assert f"or remove {full} to start again" in said
    assert contents(full) == before


def test_what_cannot_be_made_is_one_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert make("--out", tmp_path / "file", "--events", 4) == 1
    assert "can't be written" in capsys.readouterr().err
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "seeds.json").write_text("{")
    assert make("--out", tmp_path, "--events", 4, "--cycle", 1) == 1
    assert "seeds.json: the seeds can't be read" in capsys.readouterr().err


# ---- seeds


def test_kept_seeds_are_128_bits_fresh_for_each_purpose_and_stay(tmp_path):
    seeds = kept_seeds(tmp_path / "a" / "seeds.json")
    train, test = seeds("cycle1 train"), seeds("cycle1 test")
    assert (len(train), len(test)) == (16, 16)
    assert train != test
    again = kept_seeds(tmp_path / "a" / "seeds.json")
    assert (again("cycle1 train"), again("cycle1 test")) == (train, test)
    assert kept_seeds(tmp_path / "b" / "seeds.json")("cycle1 train") != train


@pytest.mark.parametrize("text", ["", "[1]", '{"cycle1 train": 7}', '{"cycle1 train": "xy"}'])
def test_a_spoilt_file_of_seeds_is_refused_and_kept(tmp_path, text):
    path = tmp_path / "seeds.json"
    path.write_text(text)
    with pytest.raises(ChallengeError, match=r"seeds\.json: the seeds can't be read"):
        kept_seeds(path)("cycle1 train")
    assert path.read_text() == text


def test_fixed_seeds_never_change():
    """Other seeds would give other data. printf 'demonstration ...' | b2sum -l 128"""
    assert fixed_seeds("cycle1 train").hex() == "0fa5511eedf06720458d7ea8b86a940a"
    assert fixed_seeds("cycle1 test") != fixed_seeds("cycle1 train")


# ---- demonstration


@needs_geant4
def test_the_demonstration_is_the_same_each_time(tmp_path):
    made = []
    for name in ("one", "other"):
        assert make("--demonstration", "--out", tmp_path / name, "--events", 4, "--cycle", 1) == 0
        made.append(contents(tmp_path / name, "starting_kit/data/*.h5"))
        made[-1].update(contents(tmp_path / name, "reference_data/*/*.h5"))
    assert len(made[0]) == 4
    assert made[0] == made[1]


def test_tracked_data_are_all_there_and_say_that_they_are_a_demonstration():
    names = [f"cycle{n}_{split}.h5" for n in (1, 2, 3) for split in ("test", "train")]
    assert [path.name for path in TRACKED_FILES] == ["reference.h5"] * 6 + names
    for path in TRACKED_FILES:
        with h5py.File(path) as file:
            assert file.attrs["scale"] == "demonstration"


def test_tracked_data_are_small_enough_for_git():
    sizes = [path.stat().st_size for path in TRACKED_FILES]
    assert sum(sizes) < 25e6
    assert max(sizes) < 12e6


def test_no_tracked_event_and_no_event_id_is_there_twice():
    files = [path for path in TRACKED_FILES if path.name.startswith("cycle")]
    check_distinct(files)
    ids = []
    for path in files:
        with EventFile(path) as file:
            ids.append(file.event_id)
    ids = np.concatenate(ids)
    assert len(np.unique(ids)) == len(ids)


@pytest.mark.parametrize("phase", range(1, 7))
def test_tracked_references_are_halves_of_their_test_files(phase):
    cycle = read_competition().phase(phase).cycle
    reference = read_reference(ROOT / "reference_data" / f"phase{phase}" / "reference.h5")
    with EventFile(ROOT / "starting_kit" / "data" / f"cycle{cycle.number}_test.h5", "test") as test:
        np.testing.assert_array_equal(reference.manifest.event_id, test.event_id)
        np.testing.assert_array_equal(reference.manifest.coords(), test.column("coords"))
        assert (len(test), len(reference.event_id)) == (400, 200)
    assert reference.hidden == (phase % 2 == 0)
    assert set(np.unique(reference.label).tolist()) == set(cycle.labels)
    # A threshold is fitted for acc_mean among rules that include the majority's.
    assert 0.2 < reference.trivial["majority"]["acc_mean"] < 0.75
    assert set(reference.trivial) == {"majority", "threshold"}


@pytest.mark.parametrize("cycle", [1, 2, 3])
def test_tracked_train_events_have_a_particle_table(cycle):
    with h5py.File(ROOT / "starting_kit" / "data" / f"cycle{cycle}_train.h5") as file:
        particles = file["particles"]
        offset = particles["offset"][:]
        assert len(offset) == len(file["event_id"]) + 1 == 301
        assert (np.diff(offset) >= 1).all()
        assert offset[-1] == len(particles["pdg"])
        energy = particles["kinetic_energy_mev"][:]
        assert (energy == np.round(energy)).all()
