"""What make installs and when, with an interpreter that only records its calls."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Answers for Python 3.MINOR; `-m venv` makes a copy of it, whatever is installed takes a moment.
PYTHON = """#!/bin/sh
minor=MINOR
case "$*" in
    --version) echo "Python 3.$minor.0" ;;
    -c*"(3, 11)"*) [ $minor -ge 11 ] ;;
    -c*) ;;
    "-m venv .venv") echo venv >> log; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
    *--version) ;;
    *"pip install"*" --require-hashes -r locks/"*) ;;
    *"pip install"*" --no-build-isolation -e "*)
        echo begin >> log; sleep 0.3; [ ! -e broken ] || kill -INT 0; echo end >> log ;;
    *) echo "$*" >> log ;;
esac
"""


@pytest.fixture
def folder(tmp_path):
    """A folder like a clone, with a space in its name."""
    folder = tmp_path / "lar tpc"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "locks", folder / "locks")
    python(folder, 11)
    return folder


def python(folder: Path, minor: int) -> Path:
    path = folder / f"python3.{minor}"
    path.write_text(PYTHON.replace("MINOR", str(minor)))
    path.chmod(0o755)
    return path


def start(folder: Path, *targets: str, minor: int = 11) -> subprocess.Popen:
    # make hands its own options on to those that it starts, to a test's too.
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    return subprocess.Popen(
        ["make", f"PYTHON=./python3.{minor}", *targets],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def make(folder: Path, *targets: str, minor: int = 11) -> tuple[int, str, str]:
    with start(folder, *targets, minor=minor) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def log(folder: Path) -> list[str]:
    """Return what was done since the last call."""
    path = folder / "log"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


WHOLE = ["venv", "begin", "end"]


def test_it_installs_once(folder):
    assert make(folder, ".venv/everything")[0] == 0
    assert log(folder) == WHOLE
    assert make(folder, ".venv/everything", ".venv/scoring")[0] == 0
    assert log(folder) == []


def test_an_installation_that_was_cut_short_begins_anew(folder):
    (folder / "broken").touch()
    assert make(folder, ".venv/scoring")[0] != 0
    assert log(folder) == ["venv", "begin"]
    (folder / "broken").unlink()
    assert make(folder, ".venv/scoring")[0] == 0
    assert log(folder) == WHOLE


def test_two_makes_wait_for_each_other(folder):
    with start(folder, ".venv/scoring") as one, start(folder, ".venv/everything") as other:
        assert (one.wait(60), other.wait(60)) == (0, 0)
    assert log(folder) == ["venv", *["begin", "end"] * 2]


def test_a_python_that_is_gone_is_noticed(folder):
    make(folder, ".venv/everything")
    log(folder)
    (folder / ".venv/bin/python").unlink()
    (folder / ".venv/bin/python").symlink_to("/nowhere/python3")
    assert make(folder, ".venv/everything")[0] == 0
    assert log(folder) == WHOLE


def test_a_folder_that_was_moved_is_noticed(folder):
    make(folder, ".venv/everything")
    log(folder)
    moved = folder.rename(folder.with_name("moved"))
    assert make(moved, ".venv/everything")[0] == 0
    assert log(moved) == ["begin", "end"]


def test_scoring_takes_an_older_python_than_the_rest(folder):
    python(folder, 9)
    assert make(folder, ".venv/scoring", minor=9)[0] == 0
    assert log(folder) == WHOLE
    status, _, err = make(folder, ".venv/everything", minor=9)
    assert status != 0
    assert "needs Python 3.11 to 3.13, found Python 3.9.0; set PYTHON=" in err
    assert log(folder) == []
    assert make(folder, ".venv/everything", minor=11)[0] == 0
    assert log(folder) == WHOLE


def test_no_python_at_all_is_told(folder):
    status, _, err = make(folder, ".venv/scoring", minor=7)
    assert status != 0
    assert err.startswith("make: needs Python 3.9 or newer, found none; set PYTHON=")


@pytest.mark.parametrize("has_data", [True, False])
def test_clean_keeps_simulated_data_where_nobody_answers(folder, has_data):
    (folder / "build/data" if has_data else folder / "build/run").mkdir(parents=True)
    for name in ("dist", ".venv"):
        (folder / name).mkdir()
    assert make(folder, "clean")[0] == 0
    assert (folder / "build").exists() == has_data
    assert not (folder / "dist").exists()
    assert not (folder / ".venv").exists()


def test_the_tests_begin_with_the_type_checker(folder):
    make(folder, ".venv/everything")
    log(folder)
    assert make(folder, "test")[0] == 0
    tools = [line.split()[1] for line in log(folder)]
    assert tools == ["ruff", "ruff", "pyright", "pytest"]


def test_a_training_that_was_begun_goes_on(folder):
    make(folder, ".venv/everything")
    log(folder)
    events = "starting_kit/data/cycle1_train.h5"
    make(folder, "train", "PRESET=quick")
    (begun,) = log(folder)
    assert begun == f"-m baseline.train --events {events} --preset quick --out build/run/cycle1"
    (folder / "build/run/cycle1").mkdir(parents=True)
    (folder / "build/run/cycle1/last.pt").touch()
    _, out, _ = make(folder, "train", "PRESET=quick")
    assert "remove build/run/cycle1 to begin anew" in out
    assert log(folder) == [f"-m baseline.train --events {events} --resume build/run/cycle1/last.pt"]


def test_predict_needs_a_network(folder):
    status, _, err = make(folder, "predict", "CYCLE=2")
    assert status != 0
    assert "build/run/cycle2/best.pt: no such file; make train first, or give CHECKPOINT=" in err
    (folder / "my model.pt").touch()
    assert make(folder, "predict", "CHECKPOINT=my model.pt")[0] == 0
    assert log(folder)[-1].startswith("-m baseline.predict --checkpoint my model.pt --events")
