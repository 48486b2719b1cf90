"""The participant's commands run without the functions that Windows and macOS do not have."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import toy
from kit import ROOT

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
    # psutil has other means on other systems.
    caller = sys._getframe(1).f_globals["__name__"]
    if str(file).startswith("/proc") and not caller.startswith("psutil"):
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
# What a Windows in western Europe writes into a file or pipe.
CONSOLE = {"win32": "cp1252", "darwin": "utf-8"}
NO_LIMITS = "note: read without limits on memory and time, which this system can't set\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("José Müller's kit")
    events = toy.make_events(12, cycle=2, n_voxels=(20, 30))
    toy.make_events_file(folder / "train.h5", events, kind="train", cycle=2)
    toy.make_events_file(folder / "test.h5", events, kind="test", cycle=2)
    ids = [event.event_id for event in events]
    write_submission(folder / "Ω.zip", ids, toy.offsets(events), toy.labels(events))
    return folder


def run(system: str, folder: Path, *lines: str, libraries: tuple = ()) -> tuple[int, str, str]:
    """Run command lines in one process, up to the first that fails."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(libraries=libraries), system, *lines],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
            "PYTHONIOENCODING": CONSOLE[system],
        },
        capture_output=True,
        encoding=CONSOLE[system],
        timeout=300,
    )
    return done.returncode, done.stdout, done.stderr


CPU = "--device cpu --threads 1"
WRITTEN = ("held.h5", "t.zip", "b.zip", "page.html", "picture.png")


@pytest.fixture(scope="module", params=["win32", "darwin"])
def done(request, folder) -> tuple[int, str, str]:
    """All commands that need no network in one process, which starts once; the last one fails."""
    for name in WRITTEN:
        (folder / name).unlink(missing_ok=True)
    return run(
        request.param,
        folder,
        "lartpc_challenge check Ω.zip --events test.h5",
        "lartpc_challenge score Ω.zip --reference train.h5 --html page_ä.html",
        "baseline.holdout --events train.h5 --train part.h5 --holdout held.h5",
        "baseline.threshold --train train.h5 --events test.h5 --out t.zip",
        "baseline.boosting --train train.h5 --events test.h5 --out b.zip --trees 2",
        "baseline.display --events train.h5 --submission Ω.zip --worst 2 --out page.html",
        "baseline.display --events train.h5 --out picture.png",
        "lartpc_challenge check b.zip --events test.h5",
        "lartpc_challenge verify held.h5 t.zip",
        "baseline.holdout --events none.h5 --train a.h5 --holdout b.h5",
        libraries=("matplotlib.figure", "plotly", "scipy.spatial", "sklearn.ensemble", "tqdm"),
    )


def test_check_and_score(done, folder):
    _, out, error = done
    assert error.count(NO_LIMITS) == 3
    # cp1252 has no such letter.
    assert re.search(r"^(Ω|\\u03a9)\.zip: sparse HDF5, complete: 12 events", out, re.MULTILINE)
    assert "acc_mean: 1" in out
    assert "challenge · cycle 2" in (folder / "page_ä.html").read_text(encoding="utf-8")


def test_what_needs_no_network(done, folder):
    for name in WRITTEN:
        assert (folder / name).stat().st_size > 0


def test_a_mistake_is_one_sentence(done):
    status, _, error = done
    assert status == 1
    assert error.endswith("\nholdout: none.h5: no such file\n")


def own_model(folder: Path) -> str:
    """The cells of your_own_model.ipynb as a module, without set-up and shell commands."""
    notebook = nbformat.read(ROOT / "starting_kit/your_own_model.ipynb", as_version=4)
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"][1:]
    text = "\n".join(["from pathlib import Path", *cells])
    text = re.sub(r"^!.*$", "", text, flags=re.M).replace("EPOCHS = 8", "EPOCHS = 1")
    text = re.sub(r"data/cycle1_(train|test)\.h5", r"\1.h5", text)
    (folder / "own_cells.py").write_text(text, encoding="utf-8")
    return "own_cells"


def test_the_network_trains_and_predicts_on_windows(folder):
    pytest.importorskip("torch")
    status, out, error = run(
        "win32",
        folder,
        f"baseline.train --events train.h5 --out work/run --epochs 1 --filters 4 --blocks 1 {CPU}",
        f"baseline.predict --checkpoint work/run/best.pt --events test.h5 --out p.zip {CPU}",
        "lartpc_challenge check p.zip --events test.h5",
        own_model(folder),
        libraries=("torch", "torch.distributed", "matplotlib.figure", "tqdm.auto", "scipy.spatial"),
    )
    assert status == 0, error
    assert NO_LIMITS in error
    assert re.search(r"epoch 1: acc_at_80 .*\nwork.run.best\.pt \{'acc_at_80'", out)
