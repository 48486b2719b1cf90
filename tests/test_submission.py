"""The three forms of a submission are read correctly."""

import csv
import io
import os
import subprocess
import sys
import tempfile
import zipfile

import forms
import h5py
import numpy as np
import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st

from lartpc_challenge.format import ChallengeError, SubmissionError
from lartpc_challenge.submission import csv_form, dense_form, h5_guard
from lartpc_challenge.submission.forms import read_submission, write_submission
from lartpc_challenge.submission.problems import EXAMPLES, Cases, shown
from lartpc_challenge.submission.sandbox import read_guarded

N_EVENTS = 5


@pytest.fixture
def run(tmp_path):
    return forms.Run(tmp_path, toy.make_events(N_EVENTS, n_voxels=(20, 40)))


def check(run, path=None):
    """Check that the labels that are read are those that were written."""
    pred = read_submission(path or run.res, run.manifest)
    assert pred.dtype == np.uint8
    assert pred.tolist() == run.labels.tolist()


# ---- writing


def test_what_is_written_is_read(run):
    path = run.root / "mine.zip"
    write_submission(path, run.event_id, run.offset, run.labels)
    check(run, path)


def test_what_is_written_is_the_documented_form(run):
    path = run.root / "mine.zip"
    write_submission(path, run.event_id, run.offset, run.labels)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["predictions.h5"]
        content = io.BytesIO(archive.read("predictions.h5"))
    with h5py.File(content) as file:
        assert {name: (d.dtype, d.shape) for name, d in file.items()} == {
            "event_id": (np.uint32, (N_EVENTS,)),
            "offset": (np.int64, (N_EVENTS + 1,)),
            "pred": (np.uint8, (len(run.labels),)),
        }
        assert file["pred"].compression == "gzip"


def test_equal_arrays_give_equal_bytes(run, monkeypatch):
    for name, year in (("a.zip", "1999"), ("b.zip", "2026")):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", year)
        write_submission(run.root / name, run.event_id, run.offset, run.labels)
        os.utime(run.root / name)
    assert (run.root / "a.zip").read_bytes() == (run.root / "b.zip").read_bytes()


def test_any_integers_that_fit_are_written(run):
    path = run.root / "mine.zip"
    for pred in (run.labels, run.labels.astype(np.int64), run.labels.tolist()):
        write_submission(path, run.event_id.tolist(), run.offset.astype(np.uint16), pred)
        check(run, path)


def test_labels_that_begin_at_0_are_told(tmp_path):
    with pytest.warns(UserWarning, match=r"holds 0 for 2 of 4 voxels.*write argmax \+ 1"):
        write_submission(tmp_path / "mine.zip", [1], [0, 4], [0, 1, 0, 2])


@pytest.mark.parametrize("name", ["mine.csv", "mine.h5"])
def test_what_is_written_is_named_as_what_it_is(tmp_path, name):
    with pytest.raises(ChallengeError, match=f"{name}: a submission is written as a zip"):
        write_submission(tmp_path / name, [1], [0, 1], [1])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pred": [1.0, 2.0]}, r"float64 \(2,\), expected integers \(M,\).*argmax \+ 1"),
        ({"pred": np.ones((3, 1), np.uint8)}, r"pred is uint8 \(3, 1\).*pred\.ravel\(\)"),
        ({"pred": np.ones((40, 3))}, r"float64 \(40, 3\).*pred\.argmax\(axis=1\) \+ 1"),
        ({"pred": np.ones((3, 40))}, r"float64 \(3, 40\).*pred\.argmax\(axis=0\) \+ 1"),
        ({"pred": np.array([1, 2, 250], np.uint8)}, r"pred holds 250, expected labels up to"),
        ({"pred": [1, -1, 3]}, r"pred holds -1, expected labels up to \d\. Labels begin at 1"),
        ({"event_id": [0.5]}, r"event_id is float64 \(1,\), expected integers \(N,\)"),
        ({"event_id": [-1, 1]}, r"event_id must be from 0 to 4294967295"),
        ({"event_id": [1, 2**32]}, r"event_id must be from 0 to 4294967295"),
        ({"offset": [0.0, 3.0]}, r"offset is float64 \(2,\), expected integers"),
        ({"offset": np.array([0, 4, 3], np.uint8)}, r"offset must ascend"),
        ({"offset": [0, 2, 4]}, r"pred has 3 labels, but offset ends at 4"),
        ({"offset": [0, 3]}, r"offset is int64 \(2,\), expected integers \(3,\)"),
    ],
)
def test_other_arrays_are_not_written(tmp_path, change, message):
    arrays = {"event_id": [1, 2], "offset": [0, 1, 3], "pred": np.ones(3, np.uint8), **change}
    with pytest.raises(ValueError, match=message):
        write_submission(tmp_path / "mine.zip", **arrays)
    assert not list(tmp_path.iterdir())


def test_a_submission_that_cannot_be_written_leaves_the_earlier_one(tmp_path):
    path = tmp_path / "mine.zip"
    path.mkdir()
    with pytest.raises(ChallengeError, match=r"mine\.zip: can't be written"):
        write_submission(path, [1], [0, 1], np.ones(1, np.uint8))
    assert list(tmp_path.iterdir()) == [path]


# ---- where the file lies


@pytest.mark.skipif(sys.platform != "linux", reason="limits are set on Linux alone")
@pytest.mark.parametrize("n_voxels", [100, 100_000], ids=["in a buffer", "in blocks"])
@pytest.mark.parametrize("n_bytes", [1, 1_000])
def test_where_nothing_can_be_unpacked_the_submission_is_not_blamed(run, n_voxels, n_bytes):
    import resource

    path, pred = run.root / "s.zip", np.random.default_rng(1).integers(1, 3, n_voxels)
    write_submission(path, [1], [0, n_voxels], pred)
    manifest, limits = run.manifest, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        with pytest.raises(ChallengeError, match="no temporary folder has space for") as told:
            read_guarded(path, manifest)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not isinstance(told.value, SubmissionError)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the file has a name for a moment")
def test_what_is_unpacked_never_has_a_name(run, tmp_path, monkeypatch):
    """So that nothing stays of a process that is killed: the folder itself does not change."""
    write_submission(tmp_path / "s.zip", run.event_id, run.offset, run.labels)
    (tmp_path / "tmp").mkdir()
    os.utime(tmp_path / "tmp", (0, 0))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert np.array_equal(read_submission(tmp_path / "s.zip", run.manifest), run.labels)
    assert (tmp_path / "tmp").stat().st_mtime == 0


def test_a_bare_file(run):
    check(run, run.sparse())
    check(run, run.csv())


def test_a_name_says_nothing(run):
    check(run, run.sparse("predictions.csv"))
    check(run, run.csv(name="predictions.h5"))


NOT_TEXT = pytest.param(
    "\udcff", marks=pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode there")
)


@pytest.mark.parametrize("name", ["\N{SNOWMAN} \N{LATIN SMALL LETTER E WITH ACUTE}", NOT_TEXT])
def test_a_name_of_any_characters(run, name):
    check(run, run.sparse().rename(run.res / name))


def test_a_folder_with_the_platforms_file(run):
    run.sparse()
    (run.res / "metadata").write_text("description: put there by the worker\n")
    check(run)


def test_a_folder_in_the_folder(run):
    (run.res / "mine").mkdir()
    run.sparse("mine/predictions.h5")
    check(run)


@pytest.mark.parametrize("name", ["__MACOSX/._predictions.h5", ".DS_Store", "._predictions.h5"])
def test_what_finder_leaves(run, name):
    run.sparse()
    (run.res / name).parent.mkdir(exist_ok=True)
    (run.res / name).write_bytes(b"\0\5\26\7")
    check(run)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("name", ["predictions.h5", "mine/predictions.h5"])
def test_a_zip_beside_what_finder_leaves(run, name, method):
    content = run.sparse().read_bytes()
    clutter = [("__MACOSX/mine/._predictions.h5", b"x"), ("mine/.DS_Store", b"x"), ("mine/", b"")]
    check(run, run.zip((name, content), *clutter, method=method))


def test_a_csv_in_a_zip(run):
    check(run, run.zip(("mine.csv", run.csv().read_bytes())))


def test_a_zip_that_was_streamed(run):
    """The sizes follow the content, as in the output of `zip -`."""

    class Pipe(io.BytesIO):
        def seekable(self):
            return False

        def tell(self):
            raise OSError

        def seek(self, *_):
            raise OSError

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("predictions.h5", run.sparse().read_bytes())
    path = run.root / "mine.zip"
    path.write_bytes(pipe.getvalue())
    check(run, path)


def test_a_link_that_the_user_gives(run):
    path = run.root / "latest.h5"
    path.symlink_to(run.sparse())
    check(run, path)


# ---- sparse HDF5


def test_events_in_another_order(run):
    order = [3, 0, 4, 1, 2]
    parts = [run.events[i] for i in order]
    run.sparse(event_id=run.event_id[order], offset=toy.offsets(parts), pred=toy.labels(parts))
    check(run)


@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", ">i2", "<i4", ">u4", ">i8", "<u8"])
def test_integers_of_any_width_and_byte_order(run, dtype):
    kinds = {"event_id": max(dtype, "<u2", key=lambda t: np.dtype(t).itemsize), "pred": dtype}
    kinds["offset"] = kinds["event_id"]
    run.sparse(**{name: run.columns()[name].astype(kind) for name, kind in kinds.items()})
    check(run)


STORAGE = {
    "contiguous": {},
    "chunked": {"chunks": (7,)},
    "single chunks": {"chunks": (1,), "compression": "gzip"},
    "gzip": {"compression": "gzip", "compression_opts": 9},
    "lzf": {"compression": "lzf"},
    "shuffle": {"compression": "gzip", "shuffle": True},
    "fletcher32": {"fletcher32": True, "chunks": (16,)},
    "all filters": {"compression": "lzf", "shuffle": True, "fletcher32": True},
    "resizable": {"maxshape": (None,), "chunks": (1 << 20,)},
}


@pytest.mark.parametrize("storage", STORAGE.values(), ids=STORAGE)
@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_any_storage_in_the_file(run, storage, dtype):
    with h5py.File(run.sparse(pred=None), "r+") as file:
        file.create_dataset("pred", data=run.labels.astype(dtype), **storage)
    check(run)


@pytest.mark.parametrize("version", ["earliest", "v110", "latest"])
def test_any_version_of_hdf5(run, version):
    with h5py.File(run.res / "predictions.h5", "w", libver=version, track_order=True) as file:
        for name, values in run.columns().items():
            file.create_dataset(name, data=values, chunks=True, compression="gzip")
    check(run)


def test_a_compact_data_set(run):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    with h5py.File(run.sparse(pred=None), "r+") as file:
        space = h5py.h5s.create_simple(run.labels.shape)
        pred = h5py.h5d.create(file.id, b"pred", h5py.h5t.STD_U8LE, space, plist)
        pred.write(h5py.h5s.ALL, h5py.h5s.ALL, run.labels)
    check(run)


def test_values_that_were_never_written_are_the_fill_value(run):
    with h5py.File(run.sparse(pred=None), "r+") as file:
        file.create_dataset("pred", run.labels.shape, np.uint8, chunks=(8,), fillvalue=2)
    assert (read_submission(run.res, run.manifest) == 2).all()


@pytest.mark.parametrize("chunk", [None, (8,), (1 << 20,)])
def test_values_that_nobody_wrote_are_not_what_lay_in_memory(run, chunk):
    """A file can tell HDF5 not to fill values; then the reader's old memory must not appear."""
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    if chunk:
        plist.set_chunk(chunk)
    space = h5py.h5s.create_simple(run.labels.shape, (h5py.h5s.UNLIMITED,) if chunk else None)
    path = run.sparse(pred=None)
    with h5py.File(path, "r+") as file:
        h5py.h5d.create(file.id, b"pred", h5py.h5t.STD_U8LE, space, plist)
    assert not read_submission(run.res, run.manifest).any()


def test_data_sets_and_attributes_beside_ours_are_not_read(run):
    with h5py.File(run.sparse(), "r+") as file:
        file["score"] = np.random.default_rng(0).random((3, len(run.labels)))
        file.attrs["pickle"] = np.void(b"cos\nsystem\n(S'true'\ntR.")
        file["pred"].attrs["names"] = ["<b>", "\x1b[2J"]
    check(run)


def test_nothing_predicted_is_allowed(run):
    run.sparse(pred=np.zeros_like(run.labels))
    assert not read_submission(run.res, run.manifest).any()


@pytest.mark.parametrize("chunks", [None, (1,), (5,), (64,)])
def test_blocks_make_no_difference(run, monkeypatch, chunks):
    monkeypatch.setattr(h5_guard, "_BLOCK_VALUES", 7)
    with h5py.File(run.sparse(pred=None), "r+") as file:
        file.create_dataset("pred", data=run.labels, chunks=chunks)
    check(run)
    with h5py.File(run.res / "predictions.h5", "r+") as file:
        file["pred"][100] = 9
    event = int(np.searchsorted(run.offset, 100, side="right")) - 1
    words = f": 9 in event {run.event_id[event]}, voxel {100 - run.offset[event]}\\."
    with pytest.raises(SubmissionError, match=words):
        read_submission(run.res, run.manifest)


# ---- dense HDF5

DENSE = {
    "contiguous": {},
    "an event": {"chunks": (1, 192, 192, 192), "compression": "gzip", "compression_opts": 1},
    "bricks": {"chunks": (1, 24, 24, 24), "compression": "gzip"},
    "uneven bricks": {"chunks": (2, 50, 70, 110), "compression": "lzf"},
    "across events": {"chunks": (4, 32, 32, 192), "shuffle": True, "compression": "gzip"},
    "more than the events": {
        "chunks": (8, 192, 24, 24),
        "maxshape": (None, 192, 192, 192),
        "compression": "gzip",
    },
}


@pytest.mark.parametrize("storage", DENSE.values(), ids=DENSE)
def test_dense(run, storage):
    run.dense(**storage)
    check(run)


@pytest.mark.parametrize("dtype", ["i1", "<u2", ">i4", "<i8", ">u8"])
@pytest.mark.slow
def test_dense_integers_of_any_width_and_byte_order(run, dtype):
    run.dense(dtype=dtype, chunks=(1, 96, 96, 96), compression="lzf")
    check(run)


def test_dense_values_on_empty_voxels_do_not_count(run):
    run.dense(dtype=np.int16, empty=-7, chunks=(1, 96, 96, 96), compression="lzf")
    check(run)


def test_dense_with_the_event_ids_in_order(run):
    with h5py.File(run.dense(chunks=True), "r+") as file:
        file["event_id"] = run.event_id.astype(np.int64)
    check(run)


@pytest.mark.parametrize("block", [1, 30, 75])
def test_dense_blocks_make_no_difference(run, monkeypatch, block):
    monkeypatch.setattr(dense_form, "_BLOCK_VOXELS", block)
    run.dense(chunks=(2, 96, 96, 96), compression="lzf")
    check(run)


@pytest.mark.parametrize("depth", [1, 2, 3, 100])
@pytest.mark.parametrize("lengths", [[5] * 9, [0, 0, 3, 0], [100], [1, 50, 1, 50, 1]])
def test_dense_blocks_hold_every_event_once(monkeypatch, depth, lengths):
    monkeypatch.setattr(dense_form, "_BLOCK_VOXELS", 20)
    offset = np.cumsum([0, *lengths])
    blocks = list(dense_form._row_blocks(offset, depth))
    assert [row for block in blocks for row in block] == list(range(len(lengths)))
    assert all(len(b) == 1 or offset[b.stop] - offset[b.start] <= 20 for b in blocks)


def test_only_chunks_with_voxels_are_read(run):
    """A damaged chunk without voxels of an event is not noticed."""
    path = run.dense(chunks=(1, 96, 96, 96), compression="gzip")
    taken = {(e, *c) for e, event in enumerate(run.events) for c in (event.coords // 96).tolist()}
    spot = next(s for s in np.ndindex(N_EVENTS, 2, 2, 2) if s not in taken)
    with h5py.File(path, "r+") as file:
        place = np.array(spot) * (1, 96, 96, 96)
        file["pred"].id.write_direct_chunk(tuple(place.tolist()), b"rubbish")
    check(run)


# ---- CSV


def test_rows_in_any_order(run):
    rows = run.rows()
    np.random.default_rng(5).shuffle(rows)
    run.csv(rows)
    check(run)


@pytest.mark.parametrize(
    "header", ["event,x,y,z,pred", "EVENT,X,Y,Z,LABEL", 'Event,"x",y , z,"Pred"']
)
def test_names_of_columns(run, header):
    run.csv(header=header)
    check(run)


def test_columns_in_any_order(run):
    run.csv([[z, label, event, y, x] for event, x, y, z, label in run.rows()], "z,label,event,y,x")
    check(run)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n\r\n", b"\n" * 70_000])
def test_ends_of_lines_and_of_the_file(run, end, tail):
    path = run.csv(end=end)
    path.write_bytes(path.read_bytes() + tail)
    check(run)


def test_no_newline_at_the_end(run):
    path = run.csv()
    path.write_bytes(path.read_bytes().rstrip())
    check(run)


def test_a_byte_order_mark(run):
    path = run.csv()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    check(run)


@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_quoted_fields(run, quoting):
    with open(run.res / "mine.csv", "w", newline="") as file:
        writer = csv.writer(file, quoting=quoting)
        writer.writerow(["event", "x", "y", "z", "label"])
        writer.writerows([[str(event), *rest] for event, *rest in run.rows()])
    check(run)


def test_zeros_in_front(run):
    run.csv([[f"{event:016}", f"{x:03}", *rest] for event, x, *rest in run.rows()])
    check(run)


def test_as_pandas_writes_it(run):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(run.rows(), columns=["event", "x", "y", "z", "label"])
    table.to_csv(run.res / "mine.csv", index=False)
    check(run)


def test_event_numbers_of_ten_digits(tmp_path):
    events = [
        type(e)(2**32 - 1 - i, e.coords, e.energy, e.label)
        for i, e in enumerate(toy.make_events(3))
    ]
    run = forms.Run(tmp_path, events)
    run.csv()
    check(run)


@pytest.mark.parametrize("block", [60, 100, 1000])
def test_csv_blocks_make_no_difference(run, monkeypatch, block):
    monkeypatch.setattr(csv_form, "_BLOCK_BYTES", block)
    path = run.csv(end="\r\n")
    check(run)
    rows = run.rows()
    rows[90][4] = 7
    run.csv(rows)
    with pytest.raises(SubmissionError, match=r"line 92 .*: 7"):
        read_submission(path, run.manifest)


def test_many_events(tmp_path):
    """More than 256 events, so that their indices need more than one byte; some are empty."""
    events = toy.make_events(300, n_voxels=(0, 4), seed=8)
    run = forms.Run(tmp_path, events)
    rows = run.rows()
    np.random.default_rng(6).shuffle(rows)
    run.csv(rows)
    check(run)


FIELDS = st.one_of(
    st.integers(0, 10**16 - 1).map(str),
    st.integers(0, 300).map(str),
    st.integers(0, 99).map("{:05}".format),
    st.text('0123456789:/;+-.eE "\0\xff', max_size=18).map(lambda s: s.replace(",", "")),
)


@given(st.lists(st.lists(FIELDS, min_size=5, max_size=5), min_size=1, max_size=6))
def test_text_becomes_the_numbers_that_python_reads(rows):
    block = "".join(",".join(row) + "\n" for row in rows).encode("latin-1")
    plain = [[f[1:-1] if f[:1] == f[-1:] == '"' and len(f) > 1 else f for f in row] for row in rows]
    if all(f.isascii() and f.isdigit() and len(f) <= 16 for row in plain for f in row):
        assert csv_form._parse(block).tolist() == [[int(f) for f in row] for row in plain]
    else:
        assert csv_form._parse(block) is None
        assert csv_form._bad_lines(block, 1).count


@given(st.binary(max_size=60).map(lambda text: text + b"\n"))
def test_any_bytes_are_a_table_or_have_bad_lines(block):
    table = csv_form._parse(block)
    assert (table is None) == bool(csv_form._bad_lines(block, 1).count)


# ---- words


@given(st.text(max_size=80))
def test_shown_text_is_harmless(text):
    words = shown(text)
    assert words[0] == words[-1] == "'"
    assert words.isascii()
    assert words.isprintable()
    assert not set("<>&\"'`") & set(words[1:-1])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("predictions.h5", "'predictions.h5'"),
        ("a b", "'a b'"),
        ("<b>", r"'\x3cb\x3e'"),
        ("\x1b[2J", r"'\x1b[2J'"),
        ("\u202e", r"'\u{202e}'"),
        (b"\xff\xfe", r"'\xff\xfe'"),
        ("\udcff", r"'\xff'"),
        ("\\xff", r"'\x5cxff'"),
        ("x" * 61, "'" + "x" * 60 + "...'"),
    ],
)
def test_shown_text(text, words):
    assert shown(text) == words


def test_cases_are_counted_and_the_first_ten_told():
    cases = Cases()
    cases.add(np.arange(7), lambda i: f"a{i}")
    cases.add(np.arange(1000), lambda i: f"b{i}")
    assert str(cases) == "a0, a1, a2, a3, a4, a5, a6, b0, b1, b2 and 997 more"
    assert len(cases.words) == EXAMPLES


def test_reading_imports_neither_pandas_nor_pytables(run):
    """One parser for everybody; and PyTables would unpickle attributes."""
    run.csv()
    code = (
        "import sys; from lartpc_challenge.reference import read_manifest;"
        "from lartpc_challenge.submission.sandbox import read_guarded;"
        "read_guarded(sys.argv[1], read_manifest(sys.argv[2]));"
        "print(sorted({'pandas', 'tables', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run.res), str(run.reference)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
