"""Every command handles wrong files and interruptions.

Each has its own tests elsewhere. Here all of them get the same faults: they must end with status
1 and one sentence, leave no files and keep an earlier result.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import h5py
import numpy as np
import pytest
import toy
from damage import edited

from lartpc_challenge.submission.forms import write_submission
from organizer.convert.formats_2018 import write_csv, write_dense

ROOT = Path(__file__).parent.parent
EARLIER = b"earlier result"
EVENT_FILES = ("train.h5", "test.h5", "cycle1_test.h5")

# Module, arguments and the file among them that is not what it should be. The results are in out/.
COMMANDS = {
    "check": ("lartpc_challenge", "check s.zip --events test.h5", "test.h5"),
    "check a submission": ("lartpc_challenge", "check s.zip --events test.h5", "s.zip"),
    "score": ("lartpc_challenge", "score s.zip --reference ref.h5 --html out/p.html", "ref.h5"),
    "holdout": ("baseline.holdout", "--events train.h5 --train out/a --holdout out/b", "train.h5"),
    "threshold": ("baseline.threshold", "--train train.h5 --events test.h5 --out out/s", "test.h5"),
    "boosting": ("baseline.boosting", "--train train.h5 --events test.h5 --out out/s", "train.h5"),
    "display": ("baseline.display", "--events train.h5 --out out/p.png", "train.h5"),
    "display a submission": (
        "baseline.display",
        "--events train.h5 --submission s.zip --out out/p.html",
        "s.zip",
    ),
    "train": ("baseline.train", "--events train.h5 --out out/run", "train.h5"),
    "resume": ("baseline.train", "--events train.h5 --resume model.pt", "model.pt"),
    "predict": ("baseline.predict", "--checkpoint m.pt --events test.h5 --out out/s", "m.pt"),
    "phases": ("organizer.phases", "raw out out --cycle 1", "raw/cycle1_test.h5"),
    "data_table": ("organizer.data.table", "train.h5", "train.h5"),
    "edepsim": ("organizer.convert", "edepsim segments.h5 out/events.h5", "segments.h5"),
    "pilarnet": ("organizer.convert", "pilarnet event.npz out/events.h5", "event.npz"),
    "larcv": ("organizer.convert", "larcv larcv.root out/events.h5", "larcv.root"),
    "from 2018": ("organizer.convert", "mlhep dense.h5 out/events.h5", "dense.h5"),
    "from a CSV": ("organizer.convert", "mlhep events.csv out/events.h5", "events.csv"),
    "to 2018": ("organizer.convert", "mlhep train.h5 out/events.csv", "train.h5"),
    "failures": ("organizer.failures", "--events sim.h5 --submission s.zip --out out/p", "sim.h5"),
    "simulate": ("organizer.simulate", "--cycle 1 --events 2 --out sim.h5", "sim.h5"),
}


def text(path):
    path.write_text("event,x,y\nall of it,is,text\n")


def other_hdf5(path):
    path.unlink()
    with h5py.File(path, "w") as file:
        file["weather"] = np.arange(9.0)


FAULTS = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: os.truncate(path, path.stat().st_size // 2),
    "text": text,
    "another HDF5": other_hdf5,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "20 GB of zeros": lambda path: (path.write_bytes(b""), os.truncate(path, 20 << 30)),
}


@pytest.fixture(scope="module")
def good_files(tmp_path_factory) -> Path:
    """A folder with one good file of each kind, and an earlier result under every name in out/."""
    folder = tmp_path_factory.mktemp("good")
    events = toy.make_events(6, cycle=1)
    (folder / "raw").mkdir()
    for name in ("train.h5", "raw/cycle1_train.h5", "raw/cycle1_test.h5"):
        toy.make_events_file(folder / name, events, kind="train", cycle=1)
    toy.make_events_file(folder / "test.h5", events, kind="test", cycle=1)
    toy.make_reference(folder / "ref.h5", events, phase=1)
    ids, pred = [event.event_id for event in events], toy.labels(events)
    write_submission(folder / "s.zip", ids, toy.offsets(events), pred)
    write_dense(folder / "dense.h5", events[:1])
    write_csv(folder / "events.csv", events)
    # Of these only what stands at their beginning is looked at here.
    for name in ("segments.h5", "event.npz", "larcv.root", "sim.h5", "model.pt", "m.pt"):
        (folder / name).write_bytes((folder / "ref.h5").read_bytes())
    (folder / "out").mkdir()
    for name in ("p.html", "p.png", "p", "a", "b", "s", "events.h5", "events.csv"):
        (folder / "out" / name).write_bytes(EARLIER)
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch, good_files) -> Path:
    """A copy of the good files in the current folder."""
    shutil.copytree(good_files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(module: str, *arguments: str) -> int:
    """Run `python -m MODULE ARGUMENTS` in this process."""
    is_package = import_module(module).__spec__.submodule_search_locations is not None
    return import_module(f"{module}.__main__" if is_package else module).main(list(arguments))


def state(folder: Path) -> dict:
    """Return all paths in the folder, for files with the time of the last change."""
    return {p: p.stat().st_mtime_ns if p.is_file() else None for p in folder.rglob("*")}


def check_refused(folder: Path, module: str, arguments: str, capsys) -> str:
    """Return the message of a command that fails and changes no file."""
    before = state(folder)
    assert run(module, *arguments.split()) == 1
    out, err = capsys.readouterr()
    assert out == ""
    (sentence,) = err.splitlines()
    assert re.match(r"[\w.]+: ", sentence)
    assert state(folder) == before
    return sentence


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("command", COMMANDS)
def test_bad_input_is_refused_in_a_sentence(folder, capsys, command, fault):
    module, arguments, bad = COMMANDS[command]
    if (command, fault) == ("simulate", "missing"):
        pytest.skip("this is the file that it makes")
    FAULTS[fault](Path(bad))
    sentence = check_refused(folder, module, arguments, capsys)
    # A folder is a platform's, whose name tells a participant nothing.
    assert (Path(bad).name if bad != "s.zip" or fault != "a folder" else "submission") in sentence


@pytest.mark.parametrize(
    "command", [name for name, (_, _, bad) in COMMANDS.items() if Path(bad).name in EVENT_FILES]
)
def test_events_without_end_are_not_believed(folder, capsys, command):
    module, arguments, bad = COMMANDS[command]
    with edited(bad) as file:
        del file["event_id"]
        file.create_dataset("event_id", shape=(10**12,), dtype=np.uint32, chunks=(1 << 15,))
    sentence = check_refused(folder, module, arguments, capsys)
    assert f"{bad}: event_id declares 4,000,000,000,000 bytes" in sentence


@pytest.mark.parametrize(
    "command", ["score", "holdout", "threshold", "boosting", "display", "to 2018"]
)
def test_a_full_disk_is_told(folder, command):
    """The commands that are not in the chain of faults_by_plan.py.

    The limit is set in a process of its own.
    """
    module, arguments, _ = COMMANDS[command]
    before = state(folder)
    limited = (
        "import resource, runpy, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        f"sys.argv[1:] = {arguments.split()!r}\n"
        f"runpy.run_module({module!r}, run_name='__main__')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", limited], capture_output=True, text=True, check=False
    )
    said = ended.stderr.splitlines()[-1]
    assert ended.returncode == 1, said
    assert re.fullmatch(r"[\w.]+: .*(File too large|no temporary folder has space).*", said)
    assert state(folder) == before


@pytest.mark.parametrize("out", ["out", "train.h5/below", "pipe", "."])
@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("baseline.holdout", "--events train.h5 --holdout other.h5 --train"),
        ("baseline.threshold", "--train train.h5 --events test.h5 --out"),
        ("baseline.predict", "--checkpoint model.pt --events test.h5 --out"),
        ("organizer.convert", "mlhep dense.h5"),
    ],
)
def test_what_is_no_file_is_not_written(folder, capsys, module, arguments, out):
    os.mkfifo("pipe")
    before = state(folder)
    assert run(module, *arguments.split(), out) == 1
    assert "can't be written" in capsys.readouterr().err
    assert state(folder) == before


def test_a_link_to_a_result_stays_one(folder):
    Path("elsewhere").mkdir()
    Path("link.zip").symlink_to("elsewhere/s.zip")
    arguments = "--train train.h5 --events test.h5 --out link.zip"
    assert run("baseline.threshold", *arguments.split()) == 0
    assert Path("link.zip").is_symlink()
    assert Path("elsewhere/s.zip").is_file()


PATIENT = """
import sys, time
from pathlib import Path
from lartpc_challenge.command import run
from lartpc_challenge.files import replacing

def work():
    with replacing("result") as temporary:
        temporary.write_text("half of it")
        print("begun", flush=True)
        while True:  # Python handles a signal that comes just before a sleep after it
            time.sleep(0.01)

sys.exit(run("tool", work, stopped="stopped, nothing was written"))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_is_asked_to_stop_cleans_up(folder, number):
    Path("result").write_bytes(EARLIER)
    before = state(folder)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", PATIENT], **pipes) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        assert process.communicate(timeout=60) == ("", "tool: stopped, nothing was written\n")
    assert process.returncode == 128 + number
    assert state(folder) == before


@pytest.mark.parametrize(
    "program",
    [("-m", "baseline.train"), ("-m", "baseline.predict"), (ROOT / "benchmarks/recipes.py",)],
)
def test_ctrl_c_while_pytorch_is_imported_shows_no_traceback(folder, program):
    patient = "print('begun', flush=True)\nimport time\nwhile True: time.sleep(0.01)\n"
    Path("torch.py").write_text(patient)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([".", *sys.path])}
    command = [sys.executable, *map(str, program), "--help"]
    with subprocess.Popen(command, env=environment, **pipes) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == -signal.SIGINT


def test_importing_changes_no_handling_of_signals(handlers):
    for module in ("baseline.train", "baseline.display", "organizer.physics.__main__"):
        import_module(module)
    assert [signal.getsignal(number) for number in range(1, 32)] == handlers


DATA_TABLE = [sys.executable, "-m", "organizer.data.table", "train.h5"]


@pytest.mark.parametrize(
    ("redirected", "status", "err"),
    [
        ("> /dev/full", 1, "data_table: No space left on device\n"),
        ("| true", 0, ""),
        (">&-", 0, ""),
    ],
)
def test_an_output_that_cant_be_written(folder, redirected, status, err):
    command = f'"$@" {redirected}'
    done = subprocess.run(["sh", "-c", command, "sh", *DATA_TABLE], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (status, err)


def test_file_names_that_are_no_text(folder):
    name = os.fsdecode(b"my \xe4\xf6 \xc3\xa4 file.h5")
    os.rename("train.h5", name)
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "baseline.holdout", "--events", name, "--holdout", "held.h5"]
    done = subprocess.run([*command, "--train", name + "2"], env=environment, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert os.path.exists(name + "2")
