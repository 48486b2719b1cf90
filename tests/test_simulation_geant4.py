"""Geant4 in a child process: its input, output and seeds."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from organizer.simulate.constants import GEANT4_VERSION

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("geant4_pybind") is None, reason="geant4_pybind is not installed"
)

SCRIPT = """
import os, sys
from pathlib import Path
import numpy as np
from dataclasses import replace
from lartpc_challenge.format import ChallengeError
from organizer.cycles import PRODUCTIONS
from organizer.simulate.event import simulate_event
from organizer.simulate.geant4 import LiquidArgon, Particle, Settings
from organizer.simulate.primaries import Group, Recipe

UP = (0.0, 0.0, 1.0)
BEAMS = {
    "electron": [Particle(11, 50.0, (0.0, 0.0, 0.0), UP)],
    "pion": [Particle(211, 300.0, (0.0, 0.0, 0.0), UP)],
    "both": [Particle(-13, 40.0, (9.0, 8.0, 7.0), UP), Particle(22, 5.0, (1.0, 2.0, 3.0), UP)],
}
argon = LiquidArgon(Settings(half_size_mm=2000.0), Path(sys.argv[1]))
found = {}
for name, seed in (
    ("electron", (1, 2, 3, 4)),
    ("pion", (1, 2, 3, 4)),
    ("both", (5, 6, 7, 8)),
    ("pion again", (1, 2, 3, 4)),
    ("pion other", (1, 2, 3, 5)),
    ("pion zero", (0, 1, 0, 2**32 - 1)),
    ("electron again", (1, 2, 3, 4)),
):
    steps = argon.simulate(BEAMS[name.split()[0]], seed)
    for part in ("start_mm", "end_mm", "energy_mev", "length_mm", "track"):
        found[f"{name}/{part}"] = getattr(steps, part)
    for part in ("track_id", "parent_id", "pdg", "kinetic_energy_mev", "vertex_mm", "creator"):
        found[f"{name}/{part}"] = getattr(steps.tracks, part)
slow_electron = Recipe(((Group((11,), 1, 1),),), (), (1.0,))
for name, call in (
    ("unknown", lambda: argon.simulate([Particle(12345, 1.0, (0.0, 0.0, 0.0), UP)], (1, 2, 3, 4))),
    ("lone", lambda: simulate_event(argon, 1, 1, 0, replace(PRODUCTIONS[1], recipe=slow_electron))),
):
    try:
        call()
    except ChallengeError as problem:
        found[name] = str(problem)
np.savez(sys.argv[2], **found)
os._exit(0)
"""


# As Geant4 writes its version: 11.4.1 is 11-04-patch-01.
VERSION_TAG = "{:02}-{:02}-patch-{:02}".format(*map(int, GEANT4_VERSION.split(".")))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("geant4")
    command = [sys.executable, "-c", SCRIPT, str(folder / "data"), str(folder / "found.npz")]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Geant4 version Name: geant4-{VERSION_TAG} " in done.stdout
    with np.load(folder / "found.npz") as file:
        return dict(file)


def test_an_electrons_energy_is_all_left_in_a_large_world(found):
    assert found["electron/energy_mev"].sum() == pytest.approx(50.0, rel=1e-6)


def test_charged_particles_take_steps_of_at_most_a_millimetre(found):
    pdg = found["pion/pdg"][found["pion/track"]]
    charged = np.isin(np.abs(pdg), (11, 13, 211, 2212))
    assert charged.sum() > 500
    assert found["pion/length_mm"][charged].max() <= 1.0 + 1e-9


def test_a_step_is_no_shorter_than_its_ends_are_apart(found):
    apart = np.linalg.norm(found["pion/end_mm"] - found["pion/start_mm"], axis=1)
    assert (apart <= found["pion/length_mm"] + 1e-6).all()


def test_steps_of_a_track_hang_together(found):
    first = found["pion/track"] == 0
    start, end = found["pion/start_mm"][first], found["pion/end_mm"][first]
    assert start[0] == pytest.approx([0, 0, 0])
    assert end[:-1] == pytest.approx(start[1:])


def test_primaries_are_tracked_as_they_were_given(found):
    primary = found["both/parent_id"] == 0
    order = np.argsort(found["both/track_id"][primary])
    assert found["both/track_id"][primary][order].tolist() == [1, 2]
    assert found["both/pdg"][primary][order].tolist() == [-13, 22]
    assert found["both/kinetic_energy_mev"][primary][order] == pytest.approx([40, 5])
    assert found["both/vertex_mm"][primary][order] == pytest.approx(
        np.array([[9, 8, 7], [1, 2, 3]])
    )
    assert (found["both/creator"][primary] == "").all()


def test_a_stopped_antimuon_decays_to_a_positron(found):
    positron = (found["both/pdg"] == -11) & (found["both/parent_id"] == 1)
    assert positron.sum() == 1
    assert found["both/creator"][positron] == ["Decay"]
    # The end point of the decay: half the muon's mass, 52.83 MeV in all.
    assert 0 < found["both/kinetic_energy_mev"][positron][0] < 52.4


def test_parents_come_before_their_children(found):
    row = {track: i for i, track in enumerate(found["pion/track_id"].tolist())}
    for i, parent in enumerate(found["pion/parent_id"].tolist()):
        assert parent == 0 or row[parent] < i


@pytest.mark.parametrize("beam", ["electron", "pion"])
def test_the_same_seed_gives_the_same_event_whatever_ran_before(found, beam):
    # The electron is the process's first particle: Geant4 would track that one differently.
    for part in ("start_mm", "end_mm", "energy_mev", "length_mm", "track", "pdg", "creator"):
        assert found[f"{beam}/{part}"].tobytes() == found[f"{beam} again/{part}"].tobytes()


@pytest.mark.parametrize("other", ["pion other", "pion zero"])
def test_every_word_of_the_seed_counts(found, other):
    # "pion other" differs in the last of four words; a zero among them must not end the seed.
    assert found["pion/energy_mev"].tobytes() != found[f"{other}/energy_mev"].tobytes()


def test_an_unknown_particle_is_named(found):
    assert str(found["unknown"]).endswith("Geant4 has no particle with the PDG code 12345")


def test_a_recipe_whose_events_are_never_accepted_ends(found):
    """An electron of 1 MeV leaves neither two classes nor 20 voxels."""
    assert "none of 255 draws of event 0 has 2 classes with 20 voxels each" in str(found["lone"])


@pytest.mark.parametrize("ci", ["true", "false"])
def test_the_import_neither_asks_nor_downloads(tmp_path, ci):
    script = (
        "import sys; from pathlib import Path\n"
        "from organizer.simulate.argon_data import provide_data_directories\n"
        "provide_data_directories(Path(sys.argv[1]))\n"
        "import geant4_pybind\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "ours")]
    environment = {**os.environ, "CI": ci, "HOME": str(tmp_path)}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert not (tmp_path / ".geant4_pybind").exists()


def test_official_data_sets_are_used_where_the_environment_names_them(tmp_path):
    script = (
        "import os, sys; from pathlib import Path\n"
        "from organizer.simulate.argon_data import DATA_FOLDERS, provide_data_directories\n"
        "official, ours = Path(sys.argv[1]), Path(sys.argv[2])\n"
        "os.environ.update({name: str(official) for name in DATA_FOLDERS})\n"
        "provide_data_directories(ours)\n"
        "assert not ours.exists()\n"
        "assert os.environ['G4LEDATA'] == str(official)\n"
        "del os.environ['G4PIIDATA'], os.environ['GEANT4_DATA_DIR']\n"
        # One is missing: ours, all of them.
        "provide_data_directories(ours)\n"
        "assert os.environ['G4LEDATA'].startswith(str(ours))\n"
        "assert all(Path(os.environ[name]).is_dir() for name in DATA_FOLDERS)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), str(tmp_path / "ours")]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
