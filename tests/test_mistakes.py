"""Common mistakes of participants, and the advice of `check` for each.

Every mistake is made here as a participant would make it, from a true prediction of all voxels.
"""

from __future__ import annotations

import gzip
import pickle
import re
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import forms
import h5py
import numpy as np
import pandas as pd
import pytest
import toy
from calls import call_in_small_process

from lartpc_challenge.__main__ import main
from lartpc_challenge.submission.forms import write_submission

N_EVENTS = 12


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return forms.Run(tmp_path, toy.make_events(N_EVENTS, n_voxels=(60, 90)))


@dataclass(frozen=True)
class Mistake:
    """make(run) -> the file to check; advice: what `check` must say; status: its exit status."""

    make: object
    advice: str
    status: int = 1


def frame(run) -> pd.DataFrame:
    return pd.DataFrame(run.rows(), columns=["event", "x", "y", "z", "label"])


def csv(run, table: pd.DataFrame, **options) -> Path:
    table.to_csv(run.res / "p.csv", **{"index": False, **options})
    return run.res / "p.csv"


def of_another_file(run, n_events: int, **sizes) -> Path:
    events = toy.make_events(n_events, n_voxels=(60, 90), seed=9)
    ids = np.array([event.event_id + 10_000 for event in events])
    return run.sparse(event_id=ids, offset=toy.offsets(events), pred=toy.labels(events))


def a_voxel_short(run) -> Path:
    keep = np.ones(len(run.labels), bool)
    keep[run.offset[1:] - 1] = False
    return run.sparse(pred=run.labels[keep], offset=run.offset - np.arange(N_EVENTS + 1))


def bare(run, name: str, content: bytes) -> Path:
    (run.res / name).write_bytes(content)
    return run.res / name


def saved(run, function, name: str, *arrays, **named) -> Path:
    function(run.res / name, *arrays, **named)
    return run.res / name


def tar_of(run) -> Path:
    path = run.sparse()
    with tarfile.open(run.root / "s.tar", "w") as archive:
        archive.add(path)
    return run.root / "s.tar"


def large(run, shape) -> Path:
    """A pred that holds no chunk, and so takes no space."""
    path = run.sparse(pred=None)
    with h5py.File(path, "a") as file:
        file.create_dataset("pred", shape, np.uint8, chunks=tuple(min(n, 64) for n in shape))
    return path


def padded(run) -> np.ndarray:
    """One row of labels per event, all of the longest event's length."""
    length = np.diff(run.offset)
    rows = np.zeros((len(length), length.max()), np.uint8)
    rows[np.arange(length.max()) < length[:, np.newaxis]] = run.labels
    return rows


def ragged(run) -> Path:
    path = run.sparse(pred=None)
    with h5py.File(path, "a") as file:
        pred = file.create_dataset("pred", (N_EVENTS,), h5py.vlen_dtype(np.uint8))
        for i, labels in enumerate(np.split(run.labels, run.offset[1:-1])):
            pred[i] = labels
    return path


def torch_like(run) -> Path:
    """The names in what torch.save writes (torch 2.13)."""
    names = ("data.pkl", ".format_version", "byteorder", "data/0", "version")
    return run.zip(*((f"p/{name}", b"x") for name in names))


PROBABILITIES = np.zeros((3, 10), np.float32)

MISTAKES = {
    "argmax without + 1": Mistake(
        lambda r: r.sparse(pred=r.labels - 1),
        r"No voxel has the highest label, 3 proton\. Labels begin at 1.*argmax \+ 1",
        status=0,
    ),
    "argmax without + 1, dense": Mistake(
        lambda r: dense_minus_one(r),
        r"No voxel has the highest label, 3 proton\. Labels begin at 1.*argmax \+ 1",
        status=0,
    ),
    "dense in another order of events": Mistake(
        lambda r: forms.Run(r.root / "other", r.events[::-1]).dense(),
        r"are events and axes in the test file's order\?",
        status=0,
    ),
    "argmax + 2": Mistake(
        lambda r: r.sparse(pred=r.labels + 1),
        r"not labels of cycle 2, expected 0, 1, 2, 3: 4 in event"
        r".*Labels begin at 1.*argmax \+ 1",
    ),
    "labels as floats": Mistake(
        lambda r: r.sparse(pred=r.labels.astype(np.float32)),
        r"pred is floating point.*pred\.astype\('uint8'\)",
    ),
    "probabilities": Mistake(
        lambda r: r.sparse(pred=np.eye(4, dtype=np.float32)[r.labels][:, 1:]),
        r"3 class scores per voxel: write pred\.argmax\(axis=1\) \+ 1",
    ),
    "probabilities, classes first": Mistake(
        lambda r: r.sparse(pred=np.eye(4, dtype=np.float32)[r.labels].T[1:]),
        r"3 class scores per voxel: write pred\.argmax\(axis=0\) \+ 1",
    ),
    "one-hot bools with a class for empty voxels": Mistake(
        lambda r: r.sparse(pred=np.eye(4, dtype=bool)[r.labels]),
        r"4 class scores.*argmax\(axis=1\) \+ 1 \(without \+ 1 if class 0 means empty\)",
    ),
    "one-hot integers": Mistake(
        lambda r: r.sparse(pred=np.eye(4, dtype=np.uint8)[r.labels][:, 1:]),
        r"write pred\.argmax\(axis=1\) \+ 1",
    ),
    "a column": Mistake(lambda r: r.sparse(pred=r.labels[:, np.newaxis]), r"Write pred\.ravel\(\)"),
    "lengths as offset": Mistake(
        lambda r: r.sparse(offset=np.diff(r.offset)),
        r"offset has shape \(12,\), expected \(13,\)\. Copy event_id and offset from the test file",
    ),
    "pred alone": Mistake(
        lambda r: r.sparse(event_id=None, offset=None),
        r"holds no data set event_id and offset, found: 'pred'\. Copy them from the test file",
    ),
    "labels under another name": Mistake(
        lambda r: r.sparse(pred=None, labels=r.labels),
        r"holds no data set pred, found: 'event_id', 'labels', 'offset'.*data set pred",
    ),
    "a voxel short in every event": Mistake(
        a_voxel_short,
        r"another number of voxels than the test file: \d+ for event \d+ \(expected \d+\).*2 more",
    ),
    "another file": Mistake(
        lambda r: of_another_file(r, 7),
        r"covers 7 events with \d+ voxels, expected the 12 events with \d+ voxels of the test file"
        r".*Did you predict another file, or a part\? Expected .* test file of cycle 2",
    ),
    "another file with as many events": Mistake(
        lambda r: of_another_file(r, 12),
        r"none of its 12 events is in the test file.*Did you predict another",
    ),
    "csv of floats": Mistake(
        lambda r: csv(r, frame(r).astype(float)),
        r"lines with a decimal point.*line 2 '.*and [\d,]+ more.*astype\(int\)",
    ),
    "csv with an index": Mistake(
        lambda r: csv(r, frame(r), index=True), r"to_csv\(\.\.\., index=False\)"
    ),
    "csv with semicolons": Mistake(
        lambda r: csv(r, frame(r), sep=";"), r"Separate the columns by commas"
    ),
    "csv without a header": Mistake(
        lambda r: csv(r, frame(r), header=False), r"column names as the first line"
    ),
    "csv with one column too many": Mistake(
        lambda r: csv(r, frame(r).assign(energy=0.5)),
        r"Write these columns alone.*table\[\['event', 'x', 'y', 'z', 'label'\]\]",
    ),
    "csv of probabilities": Mistake(
        lambda r: csv(r, frame(r).rename(columns={"label": "p1"}).assign(p2=0.5)),
        r"for class scores the label, argmax \+ 1",
    ),
    "np.savetxt": Mistake(
        lambda r: saved(
            r, np.savetxt, "p.csv", r.rows(), fmt="%d", delimiter=",", header="event,x,y,z,label"
        ),
        r"Write no # before the names.*comments=''",
    ),
    "csv of tensors": Mistake(
        lambda r: csv(r, frame(r).assign(label=lambda t: [f"tensor({n})" for n in t["label"]])),
        r"Convert tensors and lists to numbers",
    ),
    "csv of class names": Mistake(
        lambda r: csv(
            r, frame(r).replace({"label": dict(enumerate(("", "e", "other", "proton")))})
        ),
        r"line 2 '.*The label is a number too",
    ),
    "csv without some labels": Mistake(
        lambda r: csv(r, frame(r).assign(label=lambda t: t["label"].where(t.index > 3))),
        r"line 2 '.*no column is empty or has signs or spaces\. Lines after \d+ were not read",
    ),
    "csv in UTF-16": Mistake(
        lambda r: csv(r, frame(r), encoding="utf-16"),
        r"but text in UTF-16 or UTF-32\. Write it with",
    ),
    "axes in another order": Mistake(
        lambda r: csv(r, frame(r).rename(columns={"x": "z", "z": "x"})),
        r"not in the test file.*Copy x, y and z, in this order",
    ),
    "a login page": Mistake(
        lambda r: bare(r, "p.zip", b"<!DOCTYPE html> <a>"), r"a web page \(HTML, XML\)\."
    ),
    "npy": Mistake(
        lambda r: saved(r, np.save, "p.npy", r.labels), r"a NumPy array.*write_submission"
    ),
    "npz": Mistake(
        lambda r: saved(r, np.savez, "p.npz", pred=r.labels, event_id=r.event_id), r"\.npz\)"
    ),
    "pickle": Mistake(
        lambda r: bare(r, "p.pkl", pickle.dumps(r.labels)), r"but a pickle.*write_submission"
    ),
    "gzip": Mistake(
        lambda r: bare(r, "p.tar.gz", gzip.compress(tar_of(r).read_bytes())), r"gzip.*\.tar\.gz"
    ),
    "a table with named fields": Mistake(
        lambda r: r.sparse(pred=frame(r).to_records(index=False)),
        r"Write the field.*pred\['label'\]",
    ),
    "a zip of all cycles": Mistake(
        lambda r: r.zip(("cycle1.h5", r.sparse().read_bytes()), ("cycle2.h5", "x")),
        r"holds 2 files.*each cycle has a submission of its own",
    ),
    "a folder in a zip of an old Windows program": Mistake(
        lambda r: r.zip(("run\\p.h5", r.sparse().read_bytes())),
        r"with a backslash.*without its folder",
    ),
    "tar": Mistake(tar_of, r"but a tar archive"),
    "torch.save": Mistake(torch_like, r"a file of torch\.save"),
    "parquet": Mistake(lambda r: bare(r, "p.parquet", b"PAR1\x15\x04"), r"a Parquet table"),
    "a zip of a zip": Mistake(
        lambda r: r.zip(("s.zip", r.zip(("p.csv", "x")).read_bytes())),
        r"zip only the \.h5 or \.csv file, once",
    ),
    "a spreadsheet in a zip": Mistake(
        lambda r: r.zip(("p.xlsx", r.zip(("[Content_Types].xml", "x")).read_bytes())),
        r"packed as one \(\.npz, \.pt, \.xlsx\).*zip only the \.h5 or \.csv file",
    ),
    "a row per event": Mistake(
        lambda r: r.sparse(pred=padded(r)),
        r"a row per event.*concatenate\(\[row\[:n\] for row, n in zip\(pred, np\.diff\(offset\)\)",
    ),
    "class scores in a row per event": Mistake(
        lambda r: r.sparse(pred=np.zeros((*padded(r).shape, 3), np.float32)),
        r"3 class scores per voxel: write pred\.argmax\(axis=2\) \+ 1 .* a row per event",
    ),
    "volumes of one axis": Mistake(
        lambda r: large(r, (N_EVENTS, 192**3)),
        r"volumes of one axis: write pred\.reshape\(-1, 192, 192, 192\)",
    ),
    "a channel of volumes": Mistake(
        lambda r: large(r, (N_EVENTS, 1, 192, 192, 192)), r"Write pred\.squeeze\(1\)"
    ),
    "an array per event": Mistake(ragged, r"of variable length.*np\.concatenate\(list\(pred\)\)"),
    "in a group": Mistake(
        lambda r: r.sparse(event_id=None, offset=None, pred=None, **{"mine/pred": r.labels}),
        r"found: 'mine'\. Write the labels of all voxels as the data set pred, outside groups",
    ),
    "a table of pandas": Mistake(
        lambda r: r.sparse(pred=None, **{"pred/axis0": r.labels}), r"not as a table"
    ),
    "the train file": Mistake(
        lambda r: (
            toy.make_events_file(r.root / "t.h5", r.events, kind="train", cycle=2)
            or r.root / "t.h5"
        ),
        r"holds no data set pred, found: 'coords'.*This is an event file: predict its labels",
    ),
    "bool": Mistake(lambda r: r.sparse(pred=r.labels > 1), r"pred\.astype\('uint8'\) \+ 1"),
    "text": Mistake(
        lambda r: r.sparse(pred=r.labels.astype("S")), r"pred is text.*Write labels as integers"
    ),
    "floats as offset": Mistake(
        lambda r: r.sparse(offset=r.offset.astype(float)),
        r"offset is floating point.*Copy event_id and offset from the test file",
    ),
    "event_id of every voxel": Mistake(
        lambda r: r.sparse(event_id=np.repeat(r.event_id, np.diff(r.offset))),
        r"event_id has a number per voxel, \d+, expected one per event, 12\. Copy event_id",
    ),
    "events in another order": Mistake(
        lambda r: r.sparse(event_id=np.roll(r.event_id, 1)),
        r"another number of voxels.*Copy event_id and offset from the test file",
    ),
    "half of the events": Mistake(
        lambda r: r.sparse(
            event_id=r.event_id[:6], offset=r.offset[:7], pred=r.labels[: r.offset[6]]
        ),
        r"covers 6 events.*another file, or a part\? Expected are all events",
    ),
    "a mark for no label": Mistake(
        lambda r: r.sparse(pred=np.where(r.labels == 1, 255, r.labels)),
        r"255 in event.*marks such as -1 or 255 are no labels",
    ),
    "csv of lines that end with CR": Mistake(
        lambda r: csv(r, frame(r), lineterminator="\r"), r"a newline after each row"
    ),
    "csv with spaces": Mistake(
        lambda r: bare(r, "p.csv", r.csv().read_bytes().replace(b",", b", ")), r"signs or spaces"
    ),
    "csv in millimetres": Mistake(
        lambda r: csv(r, frame(r).assign(x=lambda t: 3 * t["x"])), r"they count voxels from 0"
    ),
    "labels alone as text": Mistake(
        lambda r: bare(r, "p.txt", "\n".join(map(str, r.labels)).encode()),
        r"must name the columns.*found '\d'\. Write the file with .*write_submission$",
    ),
    "json": Mistake(lambda r: bare(r, "p.json", str(r.labels.tolist()).encode()), r"but JSON\."),
    "a pointer of Git LFS": Mistake(
        lambda r: bare(r, "p.h5", b"version https://git-lfs.github.com/spec/v1\n"), r"of Git LFS"
    ),
    "a file named metadata beside it": Mistake(
        lambda r: r.zip(("p.h5", r.sparse().read_bytes()), ("metadata", "x")),
        r"that a platform would run as a program.*Remove them",
    ),
}


def dense_minus_one(run) -> Path:
    changed = [
        type(event)(event.event_id, event.coords, event.energy, event.label - 1)
        for event in run.events
    ]
    return forms.Run(run.root / "less", changed).dense()


def test_the_submission_in_place_of_the_events(run, capsys):
    submission = run.sparse()
    assert main(["check", str(run.test), "--events", str(submission)]) == 1
    assert "is a submission, expected train or test or simulation file" in capsys.readouterr().err


@pytest.mark.parametrize("mistake", MISTAKES)
def test_advice(run, ask, mistake):
    case = MISTAKES[mistake]
    path = case.make(run)
    done = ask(call_in_small_process, main, run.root, "check", path, "--events", run.test)
    told = done.stdout if case.status == 0 else done.stderr
    assert done.returncode == case.status, done.stderr
    assert re.search(case.advice, told, re.DOTALL), told
    # Each cause is told once.
    told = re.sub("^note: read without limits.*\n", "", told)  # of Windows and macOS
    assert case.status == 0 or told.count("\n") == 1


def test_all_lines_of_a_csv_of_floats_are_counted(run, capsys, monkeypatch):
    monkeypatch.setattr("lartpc_challenge.submission.csv_form._BLOCK_BYTES", 300)
    table = frame(run).astype({"label": float})
    assert main(["check", str(csv(run, table)), "--events", str(run.test)]) == 1
    assert f"and {len(table) - 10:,} more" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["sparse", "csv"])
def test_another_file_than_the_test_file_is_called_by_its_name(run, capsys, form):
    """A hold-out is not "cycle 2's test file"."""
    holdout = toy.make_events(7, n_voxels=(60, 90), seed=3)
    toy.make_events_file(run.root / "holdout.h5", holdout, kind="train", cycle=2)
    path = run.sparse() if form == "sparse" else run.csv()
    for command in ("check --events", "score --reference"):
        name, option = command.split()
        assert main([name, str(path), option, "holdout.h5"]) == 1
        err = capsys.readouterr().err
        assert "the train file 'holdout.h5'" in err
        assert "test file" not in err


def test_score_gives_the_same_advice(run, capsys):
    path = run.sparse(pred=run.labels - 1)
    assert main(["score", str(path), "--reference", str(run.reference)]) == 0
    assert re.search(
        r"No voxel has the highest label, 3 proton.*argmax \+ 1", capsys.readouterr().err
    )


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode there")
def test_a_name_that_is_not_utf_8_is_escaped_once(run, capsysbinary):
    path = run.sparse()
    with h5py.File(path, "a") as file:
        del file["pred"]
        file[b"pr\xffd"] = run.labels
    assert main(["check", str(path), "--events", str(run.test)]) == 1
    assert rb"'pr\xffd'" in capsysbinary.readouterr().err
    assert main(["check", "s\udcff.zip", "--events", str(run.test)]) == 1
    assert rb"'s\xff.zip'" in capsysbinary.readouterr().err


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (lambda r: r.labels > 1, r"pred is bool \(\d+,\).*astype\('uint8'\) \+ 1"),
        (lambda r: np.split(r.labels, r.offset[1:-1]), r"np\.concatenate\(list\(pred\)\)"),
        (padded, r"a row per event"),
        (lambda r: np.eye(4)[r.labels][:, 1:], r"pred\.argmax\(axis=1\) \+ 1"),
        (lambda r: r.labels.astype(float), r"pred\.astype\('uint8'\) if the values are labels"),
        (lambda r: r.labels.astype(str), r"Write labels as integers"),
        (lambda r: dict(enumerate(r.labels)), r"Write labels as integers"),
        (lambda r: r.labels[:-1], r"pred has [\d,]+ labels, but offset ends at"),
        (
            lambda r: np.zeros((2, 192, 192, 192), np.uint8),
            r"take the labels at each event's voxels",
        ),
        (lambda r: r.labels.astype(int) - 2, r"pred holds -1, .*marks such as -1 or 255"),
    ],
)
def test_write_submission_gives_advice(run, make, advice):
    with pytest.raises(ValueError, match=advice):
        write_submission("mine.zip", run.event_id, run.offset, make(run))
    assert not Path("mine.zip").exists()


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (
            lambda ids, offset: (ids.astype(str), offset),
            r"event_id is <U.*Copy event_id and offset",
        ),
        (lambda ids, offset: (np.repeat(ids, np.diff(offset)), offset), r"holds an event twice"),
        (
            lambda ids, offset: (ids, np.diff(offset)),
            r"offset is .*expected integers \(13,\)\. Copy",
        ),
    ],
)
def test_write_submission_asks_for_the_test_file_s_events(run, change, advice):
    with pytest.raises(ValueError, match=advice):
        write_submission("mine.zip", *change(run.event_id, run.offset), run.labels)


def test_event_files_of_another_kind_are_called_by_it(run, capsys):
    for content, advice in {
        run.zip(("cycle2_test.h5", run.test.read_bytes())).read_bytes(): "unzip it and give",
        b"version https://git-lfs.github.com/spec/v1\n": "a pointer of Git LFS.*download",
    }.items():
        (run.root / "t.h5").write_bytes(content)
        assert main(["check", str(run.sparse()), "--events", "t.h5"]) == 1
        assert re.search(advice, capsys.readouterr().err)


def test_a_table_with_the_name_event_id_is_read(run, capsys):
    """As `EventFile.to_frame` names it."""
    path = csv(run, frame(run).rename(columns={"event": "event_id"}))
    assert main(["check", str(path), "--events", str(run.test)]) == 0


def test_what_windows_adds_to_a_folder_is_left_out(run):
    path = run.zip(("p.h5", run.sparse().read_bytes()), ("desktop.ini", "x"), ("Thumbs.db", "y"))
    assert main(["check", str(path), "--events", str(run.test)]) == 0


def test_what_write_submission_wrote_needs_no_advice(run, capsys):
    write_submission("mine.zip", run.event_id, run.offset, run.labels.astype(np.int64))
    assert main(["check", "mine.zip", "--events", str(run.test)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    with zipfile.ZipFile("mine.zip") as archive:
        assert archive.namelist() == ["predictions.h5"]
