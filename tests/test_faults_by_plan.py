"""In one round of faults_by_plan.py each command has a fault, and no result is lost."""

import importlib.util
import sys

import pytest
from faults_by_plan import (
    CHAIN,
    FULL_DISK,
    ITSELF,
    Fault,
    Tally,
    disturb,
    live,
    plan_and_run,
    state,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

CARELESS = """
import os, time
from pathlib import Path
Path("raw/hidden").mkdir(mode=0o700)
Path("raw/hidden/label").write_text("truth")
os.close(os.open("raw/private", os.O_CREAT | os.O_WRONLY, 0o600))
Path("raw/label").write_text("truth")
Path("raw/label").unlink()
os.close(os.open("raw/seed", os.O_CREAT | os.O_WRONLY, 0o644))
time.sleep(1)
Path("result").write_text("all")
"""
SLOW = """
import os
with open(f"{os.getpid()}.tmp", "w") as file:
    for i in range(5 * 10**6):
        i * i
    file.write("all" * 1000)
os.rename(file.name, "result")
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "home/raw").mkdir(parents=True)
    (tmp_path / "home/tmp").mkdir()
    return tmp_path / "home"


def test_files_with_secrets_that_others_can_read_are_found(folder):
    (folder / "careless.py").write_text(CARELESS)
    assert live(["careless"], folder).exposed == {"raw/label", "raw/seed", f"{folder}/raw/seed"}


@pytest.mark.parametrize("kind", ["SIGKILL", FULL_DISK])
def test_what_a_fault_leaves_or_changes_is_found(folder, kind):
    (folder / "slow.py").write_text(SLOW)
    life = live(["slow"], folder)
    good = state(folder, life)
    (folder / "result").unlink()
    tally = Tally()
    disturb("slow", folder, Fault(kind, ITSELF, 0.5), life, good, tally)
    assert tally.wrong


@pytest.mark.skipif(
    importlib.util.find_spec("geant4_pybind") is None, reason="geant4_pybind is not installed"
)
def test_no_command_loses_or_changes_a_result(tmp_path):
    pytest.importorskip("torch")
    tallies = plan_and_run(tmp_path, len(CHAIN), seed=4)
    assert [what for tally in tallies.values() for what in tally.wrong] == []
    # On a busy machine a fault may come when its command has ended already.
    assert sum(bool(tally.hit) for tally in tallies.values()) >= len(CHAIN) - 2
