"""The shared code of the command lines: refused options, locked folders."""

import argparse
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from lartpc_challenge.command import alone_in, at_least, new_parser
from lartpc_challenge.format import ChallengeError


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    parser = new_parser("toy", "A toy.")
    parser.add_argument("name", nargs="?")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--events", type=at_least(1, 1000))
    return parser


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--out", ""], "--out: is empty; give a value or leave it out"),
        (["--out="], "--out: is empty; give a value or leave it out"),
        ([""], "an argument: is empty; give a value or leave it out"),
        (["--events", "0"], "must be at least 1, found 0"),
        (["--events", "9" * 20], f"must be at most 1,000, found {'9' * 20}"),
        (["--events", "9" * 9000], f"must be a whole number, found '{'9' * 40}...'"),
        (["--events", "1e3"], "must be a whole number, found '1e3'"),
    ],
)
def test_options_that_are_refused(parser, capsys, words, text):
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(words)
    assert capsys.readouterr().err.splitlines()[-1].endswith(text)


def test_options_that_are_taken(parser, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["toy", "--events", "1000", "a=", "--out", "="])
    options = parser.parse_args()
    assert (options.events, options.name, options.out) == (1000, "a=", Path("="))


def test_one_run_at_a_time_works_in_a_folder(tmp_path):
    folder = tmp_path / "a" / "b"
    with alone_in(folder):
        with pytest.raises(ChallengeError, match=f"^{folder}: another process is at work there$"):
            alone_in(folder).__enter__()
        (folder / "result").touch()
    with alone_in(folder):
        pass
    assert [path.name for path in folder.iterdir()] == ["result"]


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("organizer.bundle", "--demo --out busy"),
        ("organizer.data", "--demonstration --out busy"),
        ("organizer.phases", "raw busy private --cycle 1"),
        ("organizer.phases", "raw public busy --cycle 1"),
        ("organizer.leaderboard", "submissions --out busy"),
        ("organizer.publish", "--out busy"),
        ("organizer.physics", "--quick --out busy"),
    ],
)
def test_a_command_leaves_a_folder_to_the_run_that_is_at_work_there(
    tmp_path, monkeypatch, capsys, module, arguments
):
    monkeypatch.chdir(tmp_path)
    with alone_in(tmp_path / "busy"):
        assert import_module(f"{module}.__main__").main(arguments.split()) == 1
        assert list(tmp_path.iterdir()) == [tmp_path / "busy"]
    assert "busy: another process is at work there" in capsys.readouterr().err


def test_a_start_at_the_end_of_all_days_is_refused(capsys):
    with pytest.raises(SystemExit, match="2"):
        import_module("organizer.bundle.__main__").main(["--start", "9999-12-31"])
    assert "the last phase would end after the year 9999" in capsys.readouterr().err


def test_a_folder_in_which_nothing_was_written_goes_again(tmp_path):
    with pytest.raises(KeyboardInterrupt), alone_in(tmp_path / "new"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cant_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ChallengeError, match="file/below: can't be written: Not a directory"):
        alone_in(tmp_path / "file" / "below").__enter__()


def test_a_killed_run_leaves_no_lock(tmp_path):
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom lartpc_challenge.command import alone_in\n"
        "with alone_in(Path(sys.argv[1])):\n    os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "folder")])
    assert killed.returncode == -signal.SIGKILL
    with alone_in(tmp_path / "folder"):
        pass


CHILDREN = """
import subprocess, sys
from lartpc_challenge.command import run
sys.exit(run("toy", lambda: print(subprocess.call([sys.executable, "-c", "raise SystemExit(3)"]))))
"""


def test_a_childs_status_is_known_where_the_parent_ignores_sigchld():
    def ignore():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    done = subprocess.run(
        [sys.executable, "-c", CHILDREN], preexec_fn=ignore, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.03, 0.3, 0.8, 1.6])
def test_sigterm_at_any_time_is_143(tmp_path, seconds):
    """Before `run` begins, the system ends the process; a shell reports 143 for that too."""
    words = [sys.executable, "-m", "organizer.simulate", "--cycle", "1", "--events", "100000"]
    words += ["--jobs", "1", "--out", tmp_path / "out.h5"]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as child:
        time.sleep(seconds)
        child.terminate()
        _, error = child.communicate(timeout=60)
    assert child.returncode in (128 + signal.SIGTERM, -signal.SIGTERM)
    assert b"Traceback" not in error
