"""Correct and wrong uses of python -m lartpc_challenge."""

import re
import shlex
import subprocess
import sys
import zipfile
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import h5py
import numpy as np
import pytest
import tomllib
import toy
from calls import call_in_small_process
from damage import edited
from sklearn.metrics import f1_score, jaccard_score

from lartpc_challenge.__main__ import main
from lartpc_challenge.format import METRICS
from lartpc_challenge.page.report import page
from lartpc_challenge.reference import read_labelled_events, read_reference
from lartpc_challenge.scoring import score
from lartpc_challenge.submission.forms import write_submission

ROOT = Path(__file__).parent.parent
ARCHIVE = ROOT / "tests" / "archive"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A participant's folder: 40 events of cycle 1 as test.h5 and train.h5, and a submission."""
    events = toy.make_events(40, cycle=1)
    toy.make_events_file(tmp_path / "test.h5", events, kind="test", cycle=1)
    toy.make_events_file(tmp_path / "train.h5", events, kind="train", cycle=1)
    pred = toy.degrade(events, np.linspace(0, 0.6, 40), n_labels=3)
    ids = [event.event_id for event in events]
    write_submission(tmp_path / "submission.zip", ids, toy.offsets(events), pred)
    toy.make_reference(tmp_path / "reference.h5", events, phase=1)
    toy.make_reference(tmp_path / "hidden.h5", events, phase=2)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pred(folder):
    with zipfile.ZipFile("submission.zip") as archive:
        archive.extract("predictions.h5")
    with h5py.File("predictions.h5") as file:
        return file["pred"][:]


def run(ask, *arguments) -> tuple[int, str, str]:
    done = ask(call_in_small_process, main, Path.cwd(), *arguments)
    return done.returncode, done.stdout, done.stderr


def test_check_says_what_it_found(folder, pred, ask):
    status, out, err = run(ask, "check", "submission.zip", "--events", "test.h5")
    assert (status, err) == (0, "")
    first, *classes = out.splitlines()
    assert first == (
        f"submission.zip: sparse HDF5, complete: 40 events and {len(pred):,} voxels of test.h5"
    )
    shares = [f"{np.mean(pred == label):.1%}" for label in range(3)]
    assert classes[0].split()[:3] == ["0", "empty", shares[0]]
    assert classes[1].split() == ["1", "electron/positron", shares[1]]
    assert classes[2].split() == ["2", "other", shares[2]]
    assert f"{np.sum(pred == 0):,} voxels, all wrong" in classes[0]
    assert "0 is not a class and is always wrong" in classes[3]  # a fifth of all is empty


def test_check_speaks_of_empty_voxels_only_where_there_are_any(folder, pred, ask):
    events = toy.make_events(40, cycle=1)
    ids, offset = [event.event_id for event in events], toy.offsets(events)
    for path, labels in (
        ("full.zip", np.maximum(pred, 1)),
        ("one.zip", np.insert(np.ones(len(pred) - 1, np.uint8), 0, 0)),
    ):
        write_submission(path, ids, offset, labels)
    full, one = (
        run(ask, "check", path, "--events", "test.h5")[1].splitlines()
        for path in ("full.zip", "one.zip")
    )
    assert [line.split()[0] for line in full[1:]] == ["1", "2"]
    assert [line.split()[0] for line in one[1:]] == ["0", "1", "2"]
    assert "1 voxels, all wrong" in one[1]


def test_check_tells_what_must_be_zipped(folder, pred, ask):
    """The platforms accept only zips."""
    out = {
        p: run(ask, "check", p, "--events", "test.h5")[1]
        for p in ("predictions.h5", "submission.zip")
    }
    assert "Zip it before you upload it" in out["predictions.h5"]
    assert "Zip it" not in out["submission.zip"]


@pytest.mark.parametrize(
    ("file", "form"),
    [("sparse.zip", "sparse HDF5"), ("dense.h5", "dense HDF5"), ("table.csv", "CSV")],
)
def test_check_tells_the_forms_apart(ask, file, form):
    submission = ARCHIVE / f"v1_submission_{file}"
    status, out, _ = run(ask, "check", submission, "--events", ARCHIVE / "v1_test.h5")
    assert status == 0
    assert f"{file}: {form}, complete: 3 events and 4 voxels" in out


def test_check_names_what_is_wrong(folder, pred, ask):
    with h5py.File("predictions.h5", "r+") as file:
        file["pred"][[3, 5]] = 9
    status, out, err = run(ask, "check", "predictions.h5", "--events", "test.h5")
    assert (status, out) == (1, "")
    assert err.startswith("check: 'predictions.h5': ")
    assert "9 in event" in err


def test_check_refuses_a_zip_that_the_platform_would_run(folder, ask):
    with zipfile.ZipFile("submission.zip", "a") as archive:
        archive.writestr("metadata", "command: python3 mine.py\n")
    status, _, err = run(ask, "check", "submission.zip", "--events", "test.h5")
    assert status == 1
    assert "'metadata'" in err


def test_check_serves_events_of_ones_own(folder, ask):
    assert run(ask, "check", "submission.zip", "--events", "train.h5")[0] == 0


@pytest.mark.parametrize(("reference", "decimals"), [("reference.h5", 4), ("hidden.h5", 10)])
def test_score_prints_what_scores_txt_holds(folder, pred, ask, reference, decimals):
    status, out, err = run(ask, "score", "submission.zip", "--reference", reference)
    assert status == 0
    assert re.fullmatch(r"score: \d+ voxels are predicted to be empty\. Many.*\n", err)
    text = score(read_reference(reference), pred).text
    assert out[: len(text)] == text
    lines = text.splitlines()
    assert [line.split(": ")[0] for line in lines] == list(METRICS)
    assert all(len(line.split(".")[1]) == decimals for line in lines)
    # A hidden phase tells nothing more; of 20 small events a public one tells no means either.
    means = "macro_f1: too few voxels\nmean_iou: too few voxels\n"
    assert out[len(text) :] == (means if reference == "reference.h5" else "")


def test_score_prints_means_over_classes(folder, pred, ask):
    """The values are those of scikit-learn over the true classes, in which 0 is no class."""
    true = toy.labels(toy.make_events(40, cycle=1))
    out = run(ask, "score", "submission.zip", "--reference", "train.h5")[1]
    f1 = f1_score(true, pred, labels=[1, 2], average="macro")
    iou = jaccard_score(true, pred, labels=[1, 2], average="macro")
    assert out.splitlines()[3:] == [f"macro_f1: {f1:.3f}", f"mean_iou: {iou:.3f}"]


def test_score_serves_a_hold_out(folder, pred, ask):
    events = toy.make_events(40, cycle=1)
    start = toy.offsets(events)
    accuracy = [np.mean(e.label == pred[a:b]) for e, a, b in zip(events, start, start[1:])]
    status, out, _ = run(ask, "score", "submission.zip", "--reference", "train.h5")
    assert status == 0
    assert out.splitlines()[2] == f"acc_mean: {np.mean(accuracy):.4f}"


def test_score_writes_the_page(folder, pred, ask):
    command = ["score", "submission.zip", "--reference", "train.h5", "--html", "new/page.html"]
    status, out, _ = run(ask, *command)
    assert status == 0
    assert out.splitlines()[-1] == "new/page.html: written, the page of detailed results"
    expected = page(score(read_labelled_events("train.h5"), pred))
    assert Path("new/page.html").read_text(encoding="utf-8") == expected


def test_a_page_that_cant_be_written_is_told(folder, ask):
    command = ["score", "submission.zip", "--reference", "train.h5", "--html", "test.h5/page.html"]
    status, out, err = run(ask, *command)
    assert (status, out) == (1, "")
    assert err.startswith("score: test.h5/page.html: can't be written")


def damaged_reference():
    with edited("reference.h5") as file:
        file["label"][0] = 7


BAD_INPUT = {
    "no submission": ("check nothing.zip --events test.h5", "can't be read: No such file"),
    "no events": ("check submission.zip --events nothing.h5", "nothing.h5: no such file"),
    "events are a zip": (
        "check submission.zip --events submission.zip",
        "not a readable HDF5 file",
    ),
    "events are truth": ("check submission.zip --events reference.h5", "is a reference file"),
    "events are a folder": ("check submission.zip --events .", "no such file"),
    "submission is a test file": ("check test.h5 --events test.h5", "holds no data set pred"),
    "no reference": ("score submission.zip --reference nothing.h5", "nothing.h5: no such file"),
    "reference is a test file": ("score submission.zip --reference test.h5", "holds no labels"),
    "reference is a zip": ("score submission.zip --reference submission.zip", "not a readable"),
    "reference is a submission": (
        "score submission.zip --reference predictions.h5",
        "predictions.h5: is a submission",
    ),
    "other cycle": (
        f"check submission.zip --events {shlex.quote(str(ARCHIVE / 'v1_test.h5'))}",
        "covers 40 events with",
    ),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_ends_in_a_sentence(folder, pred, ask, case):
    command, expected = BAD_INPUT[case]
    status, out, err = run(ask, *shlex.split(command))
    assert (status, out) == (1, "")
    assert expected in err
    assert err.startswith(command.split()[0] + ": ")


def test_an_organiser_sees_what_is_wrong_with_a_reference(folder, ask):
    damaged_reference()
    status, out, err = run(ask, "score", "submission.zip", "--reference", "reference.h5")
    assert (status, out) == (1, "")
    assert err == "score: reference.h5: label holds a class that the cycle does not have\n"


def test_a_placeholder_is_told(folder, ask):
    toy.make_placeholder("placeholder.h5", phase=2, scale="full")
    status, _, err = run(ask, "score", "submission.zip", "--reference", "placeholder.h5")
    assert status == 1
    assert err == "score: placeholder.h5: a placeholder, this phase is not open yet\n"


def test_truth_without_labels_is_told(folder, ask):
    events = toy.make_events(40, cycle=1)
    blank = [replace(event, label=np.zeros_like(event.label)) for event in events]
    toy.make_reference(Path("blank.h5"), blank, phase=1)
    status, _, err = run(ask, "score", "submission.zip", "--reference", "blank.h5")
    assert status == 1
    assert "no event holds a labelled voxel" in err


@pytest.mark.parametrize(
    "arguments", [[], ["check"], ["check", "a.zip"], ["score", "a.zip"], ["grade", "a.zip"]]
)
def test_wrong_usage_gets_the_usage(capsys, arguments):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    err = capsys.readouterr().err
    assert err.startswith("usage: python -m lartpc_challenge")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["check", "score", "dense", "CSV", "FORMAT.md"]),
        (["check"], ["SUBMISSION", "--events", "submission.zip --events cycle1_test.h5"]),
        (["score"], ["SUBMISSION", "--reference", "--html", "--reference my_holdout.h5"]),
    ],
)
def test_help_is_the_manual(capsys, arguments, words):
    with pytest.raises(SystemExit, match="0"):
        main([*arguments, "--help"])
    out = capsys.readouterr().out
    assert all(word in out for word in words)
    assert max(map(len, out.splitlines())) <= 100


def test_the_module_and_the_console_command_are_the_same(folder):
    command = ["score", "submission.zip", "--reference", "hidden.h5"]
    done = subprocess.run(
        [sys.executable, "-m", "lartpc_challenge", *command],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert done.stdout.count("\n") == 3
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, name = scripts["lartpc-challenge"].split(":")
    assert getattr(import_module(module), name) is main


def test_the_platforms_image_says_the_same(folder):
    python = toy.old_python()
    for command in (
        ["check", "submission.zip", "--events", "test.h5"],
        ["score", "submission.zip", "--reference", "reference.h5"],
        ["score", "submission.zip", "--reference", "test.h5"],
    ):
        results = [
            subprocess.run(
                [each, "-m", "lartpc_challenge", *command],
                env={"PYTHONPATH": str(ROOT / "scoring_program"), "PYTHONDONTWRITEBYTECODE": "1"},
                capture_output=True,
                text=True,
            )
            for each in (sys.executable, python)
        ]
        one, other = ((done.returncode, done.stdout, done.stderr) for done in results)
        assert one == other
