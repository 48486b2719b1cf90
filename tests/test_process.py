"""The process that Geant4 gets: orders in, a result and a status out, and it never outlives its
parent."""

import os
from pathlib import Path

import pytest

from organizer.simulate import process

CHILD = """
import sys, time
from pathlib import Path
from lartpc_challenge.format import ChallengeError
from organizer.simulate.process import serve

def work(orders):
    print("at work", flush=True)
    if orders["do"] == "write":
        Path(orders["path"]).write_text(orders["text"])
    elif orders["do"] == "refuse":
        raise ChallengeError("no argon left")
    elif orders["do"] == "break":
        orders["nothing"]
    else:
        time.sleep(600)

serve(work)
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a child on orders; what it says goes to the file `log`."""
    (tmp_path / "child_of_a_test.py").write_text(CHILD)
    roots = (tmp_path, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, roots)))
    return lambda **orders: process.start("child_of_a_test", orders, tmp_path / "log")


def test_it_works_off_its_orders(start, tmp_path):
    child = start(do="write", path=str(tmp_path / "made"), text="voxels")
    assert child.wait() == 0
    assert (tmp_path / "made").read_text() == "voxels"
    child.stdin.close()


@pytest.mark.parametrize(
    ("do", "said"), [("refuse", "no argon left"), ("break", "KeyError: 'nothing'")]
)
def test_an_error_is_its_last_words(start, tmp_path, do, said):
    child = start(do=do)
    assert child.wait() == 1
    assert process.last_words(tmp_path / "log") == said
    child.stdin.close()


def test_orders_stand_in_no_list_of_processes(start):
    child = start(do="sleep", seed="123456789")
    assert b"123456789" not in Path(f"/proc/{child.pid}/cmdline").read_bytes()
    process.end(child)
    assert child.returncode < 0


def test_it_goes_when_its_parent_does(start):
    child = start(do="sleep")
    child.stdin.close()  # what a parent's end does
    assert child.wait() == 1


def test_who_said_nothing_has_no_last_words(tmp_path):
    (tmp_path / "log").write_text("\n \n")
    assert process.last_words(tmp_path / "log") == "it said nothing"
