"""score.py in a platform's worker: its files, its output, and its secrets."""

import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import toy
from damage import edited

from lartpc_challenge.format import METRICS
from lartpc_challenge.submission.forms import write_submission

PROGRAM = Path(__file__).parent.parent / "scoring_program"
BAD_REFERENCE = "the organiser's reference data can't be used; please tell the organisers\n"


@dataclass
class Worker:
    """A platform's folders for one run. `run` does what the platform does with them."""

    root: Path
    dialect: str

    def __post_init__(self):
        keep = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROGRAM, self.root / "program", ignore=keep)
        for folder in ("input/ref", "input/res", "output"):
            (self.root / folder).mkdir(parents=True)

    @property
    def reference(self) -> Path:
        return self.root / "input/ref/reference.h5"

    @property
    def submitted(self) -> Path:
        return self.root / "input/res"

    @property
    def output(self) -> Path:
        return self.root / "output"

    def submit(self, events, pred) -> None:
        """Unpack a submission into input/res, as both platforms do."""
        archive = self.root / "submission.zip"
        write_submission(archive, [e.event_id for e in events], toy.offsets(events), pred)
        shutil.unpack_archive(archive, self.submitted)
        if self.dialect == "codabench":
            (self.submitted / "metadata").write_text("description: added by the worker\n")

    def run(self, python: str = sys.executable, **more) -> subprocess.CompletedProcess:
        lines = (self.root / "program/metadata").read_text().splitlines()
        (command,) = (line.split(":", 1)[1] for line in lines if line.startswith("command:"))
        for name in ("program", "input", "output"):
            command = command.replace(f"${name}", str(self.root / name))
        words = shlex.split(command) if self.dialect == "codabench" else command.split()
        assert words[0] == "python3"
        folder = self.root / "program" if self.dialect == "codabench" else self.root
        return subprocess.run(
            [python, *words[1:]], cwd=folder, capture_output=True, text=True, timeout=120, **more
        )


@pytest.fixture(params=["codabench", "codalab-v1.5"])
def any_worker(request, tmp_path):
    return Worker(tmp_path / "run", request.param)


@pytest.fixture
def worker(tmp_path):
    return Worker(tmp_path / "run", "codabench")


@pytest.fixture(scope="module")
def events():
    return toy.make_events(60, cycle=2, n_voxels=(3, 50))


@pytest.fixture(scope="module")
def pred(events):
    return toy.degrade(events, np.linspace(0, 0.5, 60), n_labels=4)


def failure(worker: Worker, **more) -> str:
    """Return the message of a run that fails. It must write no scores and no other file."""
    (worker.output / "scores.txt").write_text("acc_at_80: 0.99\n")
    (worker.output / "detailed_results.html").write_text("an earlier run's\n")
    done = worker.run(**more)
    assert done.returncode == 1
    assert done.stdout == ""
    assert list(worker.output.iterdir()) == []
    return done.stderr


def accuracies(events, pred, scored) -> list:
    start = toy.offsets(events)
    return [np.mean(events[i].label == pred[start[i] : start[i + 1]]) for i in scored]


@pytest.mark.parametrize(("phase", "decimals"), [(3, 4), (4, 10)])
def test_a_worker_gets_scores_and_page(any_worker, events, pred, phase, decimals):
    toy.make_reference(any_worker.reference, events, phase=phase)
    any_worker.submit(events, pred)
    before = sorted(any_worker.root.rglob("*"))
    done = any_worker.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    values = accuracies(events, pred, range(0, 60, 2))
    expected = [np.percentile(values, 80), np.percentile(values, 50), np.mean(values)]
    assert (any_worker.output / "scores.txt").read_text() == "".join(
        f"{name}: {value:.{decimals}f}\n" for name, value in zip(METRICS, expected)
    )
    page = (any_worker.output / "detailed_results.html").read_text(encoding="utf-8")
    assert ("This phase is hidden" in page) == (phase == 4)
    # Nothing else was written: no compiled module, no temporary file.
    written = {path.name for path in set(any_worker.root.rglob("*")) - set(before)}
    assert written == {"scores.txt", "detailed_results.html"}


def test_the_platforms_image_gives_the_same_bytes(worker, events, pred):
    python = toy.old_python()
    for phase in (3, 4):
        toy.make_reference(worker.reference, events, phase=phase)
        shutil.rmtree(worker.submitted)
        worker.submit(events, pred)
        outputs = []
        for each in (sys.executable, python):
            done = worker.run(each)
            assert (done.returncode, done.stderr) == (0, "")
            outputs.append([path.read_bytes() for path in sorted(worker.output.iterdir())])
        assert outputs[0] == outputs[1]


def test_metadata_is_what_both_platforms_read():
    lines = (PROGRAM / "metadata").read_text().splitlines()
    assert lines[0] == "command: python3 $program/score.py $input $output"
    assert [line.split(":")[0] for line in lines] == ["command", "description"]


def test_folders_with_spaces_and_relative_names(tmp_path, events, pred):
    worker = Worker(tmp_path / "a run", "codabench")
    toy.make_reference(worker.reference, events, phase=3)
    worker.submit(events, pred)
    shutil.rmtree(worker.output)  # not every worker makes it
    done = subprocess.run(
        [sys.executable, "program/score.py", "input", "output"],
        cwd=worker.root,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len((worker.output / "scores.txt").read_text().splitlines()) == 3


def test_a_module_of_the_participants_name_is_not_imported(worker, events, pred):
    """The worker's working folder is not searched before the program's own folder."""
    toy.make_reference(worker.reference, events, phase=3)
    worker.submit(events, pred)
    for name in ("numpy.py", "lartpc_challenge.py"):
        (worker.root / name).write_text("raise SystemExit('taken over')\n")
    worker.dialect = "codalab-v1.5"  # runs in the root
    (worker.submitted / "metadata").unlink()
    assert worker.run().returncode == 0


def test_a_submission_that_cant_be_read_is_named_on_stderr(any_worker, events):
    toy.make_reference(any_worker.reference, events, phase=3)
    (any_worker.submitted / "predictions.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    text = failure(any_worker)
    assert "predictions.h5" in text
    assert "Traceback" not in text


def test_an_empty_submission_folder(worker, events):
    toy.make_reference(worker.reference, events, phase=3)
    assert "holds 0 files" in failure(worker)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.slow
def test_every_phase_refuses_the_same_with_the_same_words(tmp_path, events, pred, index):
    """Event 0 belongs to the public phase, event 1 to the hidden one; messages must not show it."""
    texts = []
    for phase in (3, 4):
        worker = Worker(tmp_path / str(phase), "codabench")
        scored = range(phase - 3, 60, 2)
        toy.make_reference(worker.reference, events, phase=phase, scored=scored)
        worker.submit(events, pred)
        with h5py.File(worker.submitted / "predictions.h5", "r+") as file:
            file["pred"][toy.offsets(events)[index]] = 9
        texts.append(failure(worker).replace(str(worker.root), ""))
    assert texts[0] == texts[1]
    assert f"9 in event {events[index].event_id}" in texts[0]


def test_a_hidden_phase_tells_nothing_but_its_scores(tmp_path, events, pred):
    runs = []
    for name, phase_events, submitted in (
        ("one", events, pred),
        ("other", toy.make_events(80, cycle=2, seed=9), None),
    ):
        worker = Worker(tmp_path / name, "codabench")
        toy.make_reference(worker.reference, phase_events, phase=4)
        submitted = toy.labels(phase_events) if submitted is None else submitted
        worker.submit(phase_events, submitted)
        done = worker.run()
        page = (worker.output / "detailed_results.html").read_bytes()
        runs.append((done.returncode, done.stdout, done.stderr, page))
        assert sorted(path.name for path in worker.output.iterdir()) == [
            "detailed_results.html",
            "scores.txt",
        ]
    assert runs[0] == runs[1]


def remove(path):
    path.unlink()


def cut_short(path):
    path.write_bytes(path.read_bytes()[:3000])


def change_a_label(path):
    with edited(path) as file:
        file["label"][0] = 77


def lose_labels(path):
    with edited(path) as file:
        del file["label"]


def repeat_an_event(path):
    with edited(path) as file:
        file["test/event_id"][0] = file["test/event_id"][1]


@pytest.mark.parametrize(
    ("damage", "phase"),
    [(remove, 3), (cut_short, 4), (change_a_label, 4), (lose_labels, 3), (repeat_an_event, 4)],
)
def test_an_organisers_fault_is_told_without_details(worker, events, pred, damage, phase):
    toy.make_reference(worker.reference, events, phase=phase)
    worker.submit(events, pred)
    damage(worker.reference)
    assert failure(worker) == BAD_REFERENCE


def test_truth_without_a_label_is_an_organisers_fault(worker, events, pred):
    blank = [replace(event, label=np.zeros_like(event.label)) for event in events]
    toy.make_reference(worker.reference, blank, phase=4)
    worker.submit(events, pred)
    assert failure(worker) == BAD_REFERENCE


def test_the_submission_is_parsed_before_the_truth_is_read(worker, events):
    """While a hostile file is read, no label is in memory."""
    toy.make_reference(worker.reference, events, phase=4)
    lose_labels(worker.reference)
    (worker.submitted / "predictions.h5").write_bytes(b"rubbish")
    assert "predictions.h5" in failure(worker)


def test_a_placeholder_says_that_the_phase_is_not_open(worker, events, pred):
    toy.make_placeholder(worker.reference, phase=4, scale="full")
    worker.submit(events, pred)
    assert failure(worker) == "this phase is not open yet\n"


def test_an_unforeseen_error_is_told_by_its_type_alone(worker, events, pred):
    toy.make_reference(worker.reference, events, phase=4)
    worker.submit(events, pred)
    report = worker.root / "program/lartpc_challenge/page/report.py"
    report.write_text("def page(scores):\n    raise RuntimeError('label 1 2 3')\n")
    assert failure(worker) == "scoring failed (RuntimeError); please tell the organisers\n"


def test_interrupting_leaves_no_scores(worker, events, pred):
    toy.make_reference(worker.reference, events, phase=4)
    worker.submit(events, pred)
    report = worker.root / "program/lartpc_challenge/page/report.py"
    report.write_text("import os\ndef page(scores):\n    os.kill(os.getpid(), 2)\n")
    assert failure(worker) == "interrupted\n"


def test_a_program_without_its_packages_says_so(worker):
    # As good as absent: this environment would find another copy of it.
    package = worker.root / "program/lartpc_challenge/__init__.py"
    package.write_text("raise ImportError('No module named h5py')\n")
    done = worker.run()
    assert done.returncode == 1
    text = done.stderr
    assert text.startswith("score.py needs numpy, h5py and the folder lartpc_challenge")
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("arguments", [[], ["input"], ["input", "output", "more"]])
def test_wrong_arguments_get_the_usage(arguments):
    done = subprocess.run(
        [sys.executable, PROGRAM / "score.py", *arguments], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "usage: python3 score.py INPUT OUTPUT\n"


def test_an_output_folder_that_is_a_file(worker, events, pred):
    toy.make_reference(worker.reference, events, phase=3)
    worker.submit(events, pred)
    worker.output.rmdir()
    worker.output.write_text("in the way")
    done = worker.run()
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "output" in done.stderr
    assert "Traceback" not in done.stderr
