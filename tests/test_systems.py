"""The participant's commands run without the functions that Windows and macOS do not have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import toy

from lartpc_challenge.submission.forms import write_submission

# What the standard library itself needs is there when it is imported; ours comes after that.
WITHOUT = """
import builtins, importlib, os, runpy, signal, socket, subprocess, sys, multiprocessing, platform
import pathlib, tempfile, asyncio, numpy, h5py
for name in {libraries}:
    importlib.import_module(name)
def lacks(module, *names):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
system = sys.argv.pop(1)
if system == "win32":
    lacks(signal, "SIGHUP", "SIGALRM", "SIGCHLD", "SIGKILL", "SIGXCPU", "SIGXFSZ", "SIGUSR1",
          "setitimer", "alarm", "pthread_sigmask", "pthread_kill")
    lacks(os, "fork", "getuid", "geteuid", "mkfifo", "getsid", "setsid", "sched_getaffinity",
          "getpgid", "getloadavg", "sysconf")
    for name in ("resource", "fcntl", "pwd", "grp", "termios"):
        sys.modules[name] = None
else:
    lacks(os, "sched_getaffinity")
sys.platform = system
opened = builtins.open
def without_proc(file, *arguments, **more):
    if str(file).startswith("/proc"):
        raise FileNotFoundError(2, "No such file or directory", str(file))
    return opened(file, *arguments, **more)
builtins.open = without_proc
for line in sys.argv[1:]:
    sys.argv = line.split()
    try:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code:
            raise
"""
NO_LIMITS = "note: read without limits on memory and time, which this system can't set\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("kit")
    events = toy.make_events(12, cycle=2, n_voxels=(20, 30))
    toy.make_events_file(folder / "train.h5", events, kind="train", cycle=2)
    toy.make_events_file(folder / "test.h5", events, kind="test", cycle=2)
    ids = [event.event_id for event in events]
    write_submission(folder / "s.zip", ids, toy.offsets(events), toy.labels(events))
    return folder


def run(system: str, folder: Path, *lines: str, libraries: tuple = ()) -> tuple[int, str, str]:
    """Run command lines in one process, up to the first that fails."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(libraries=libraries), system, *lines],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout, done.stderr


WRITTEN = ("held.h5", "t.zip", "page.html")


@pytest.fixture(scope="module", params=["win32", "darwin"])
def done(request, folder) -> tuple[int, str, str]:
    """All commands that need no network in one process, which starts once; the last one fails."""
    for name in WRITTEN:
        (folder / name).unlink(missing_ok=True)
    return run(
        request.param,
        folder,
        "lartpc_challenge check s.zip --events test.h5",
        "lartpc_challenge score s.zip --reference train.h5",
        "baseline.holdout --events train.h5 --train part.h5 --holdout held.h5",
        "baseline.threshold --train train.h5 --events test.h5 --out t.zip",
        "baseline.display --events train.h5 --out page.html",
        "lartpc_challenge check t.zip --events test.h5",
        "baseline.holdout --events none.h5 --train a.h5 --holdout b.h5",
        libraries=("matplotlib.figure", "plotly"),
    )


def test_check_and_score(done):
    _, out, error = done
    assert error.startswith(3 * NO_LIMITS)
    assert "complete: 12 events" in out
    assert "acc_mean: 1" in out


def test_what_needs_no_network(done, folder):
    for name in WRITTEN:
        assert (folder / name).stat().st_size > 0


def test_a_mistake_is_one_sentence(done):
    status, _, error = done
    assert (status, error) == (1, 3 * NO_LIMITS + "holdout: none.h5: no such file\n")


def test_the_network_trains_and_predicts_on_windows(folder):
    pytest.importorskip("torch")
    status, _, error = run(
        "win32",
        folder,
        "baseline.train --events train.h5 --preset quick --epochs 1 --device cpu --out run",
        "baseline.predict --checkpoint run/best.pt --events test.h5 --device cpu --out p.zip",
        "lartpc_challenge check p.zip --events test.h5",
        libraries=("torch", "torch.distributed", "matplotlib.figure", "tqdm"),
    )
    assert status == 0, error
    assert error.endswith(NO_LIMITS)
