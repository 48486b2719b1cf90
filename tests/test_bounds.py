"""Submissions that would take too long are refused before they are read."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import toy
from forms import Run

from lartpc_challenge.format import GRID_SHAPE, SubmissionError
from lartpc_challenge.submission import csv_form, dense_form, h5_guard, sparse_form
from lartpc_challenge.submission.forms import read_submission

DATA = Path(__file__).parent / "data"
ROOT = Path(__file__).parents[1]


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "run", toy.make_events(5, n_voxels=(20, 40)))


def test_a_sparse_form_of_many_chunks_is_refused(run, monkeypatch):
    with h5py.File(run.sparse(pred=None), "r+") as file:
        file.create_dataset("pred", run.labels.shape, np.uint8, chunks=(1,))
    monkeypatch.setattr(sparse_form, "MAX_CHUNKS", len(run.labels))
    assert not read_submission(run.res, run.manifest).any()
    monkeypatch.setattr(sparse_form, "MAX_CHUNKS", len(run.labels) - 1)
    with pytest.raises(
        SubmissionError,
        match=r"pred has more than \d+ chunks, of 1 values each.*Write larger chunks",
    ):
        read_submission(run.res, run.manifest)


def test_chunks_that_were_never_written_are_read_as_one_value(run, monkeypatch):
    """The values are those of HDF5, but the reader needs less memory and time."""
    with h5py.File(run.res / "predictions.h5", "w") as file:
        shape = (len(run.events), *GRID_SHAPE)
        pred = file.create_dataset("pred", shape, np.uint8, chunks=(1, *GRID_SHAPE), fillvalue=2)
        pred[0, 0, 0, 0] = 2
    read = h5_guard.GuardedDataset._read_values
    sizes = []
    monkeypatch.setattr(
        h5_guard.GuardedDataset,
        "_read_values",
        lambda self, corner, extent: sizes.append(extent) or read(self, corner, extent),
    )
    assert set(read_submission(run.res, run.manifest)) == {2}
    assert sizes == [(1, 1, 1, 1)] * (len(run.events) - 1)


@pytest.mark.parametrize(
    ("name", "least"),
    [("MAX_EVENT_BLOCKS", 1), ("MAX_GROWTH", 1), ("MAX_BLOCK_BYTES", 5 * 192**3)],
)
def test_a_dense_form_of_more_than_its_array_is_refused(run, monkeypatch, name, least):
    run.dense(chunks=(1, *GRID_SHAPE), compression="gzip")
    monkeypatch.setattr(dense_form, "FEW_EVENTS", 1)
    monkeypatch.setattr(dense_form, name, least)
    assert np.array_equal(read_submission(run.res, run.manifest), run.labels)
    monkeypatch.setattr(dense_form, name, 0.999 * least)
    with pytest.raises(SubmissionError, match=r"5 blocks of 7,077,888 bytes .* Write the sparse"):
        read_submission(run.res, run.manifest)


@pytest.mark.parametrize("wrong", [7, None])
def test_a_dense_form_is_refused_at_its_first_wrong_event(run, monkeypatch, wrong):
    """A value that is not a label, or a damaged chunk, in the second of five events."""
    path = run.dense(chunks=(1, *GRID_SHAPE), compression="gzip", change=(1, wrong or 1))
    if wrong is None:
        with h5py.File(path, "r+") as file:
            file["pred"].id.write_direct_chunk((1, 0, 0, 0), b"no gzip")
    read, rows = h5_guard.GuardedDataset.read_block, []
    monkeypatch.setattr(
        h5_guard.GuardedDataset,
        "read_block",
        lambda self, corner: rows.append(corner[0]) or read(self, corner),
    )
    with pytest.raises(SubmissionError, match="7 in event" if wrong else "damaged"):
        read_submission(run.res, run.manifest)
    assert rows == [0, 1]


@pytest.mark.parametrize("n_events", [400, 4_000, 10_000])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i8"])
def test_files_that_others_wrote_are_within_the_limits(tmp_path, n_events, dtype):
    """h5py's own chunks, all of them read, and a chunk per event."""
    with h5py.File(tmp_path / "dense.h5", "w") as file:
        pred = file.create_dataset("pred", (n_events, *GRID_SHAPE), dtype, chunks=True)
        n_blocks = np.prod(-(-np.array(pred.shape) // pred.chunks))
        unpacked = n_blocks * np.prod(pred.chunks) * pred.dtype.itemsize
        array = n_events * 192**3 * pred.dtype.itemsize
    assert n_blocks <= dense_form.MAX_EVENT_BLOCKS * n_events
    assert unpacked <= dense_form.MAX_GROWTH * array
    assert min(array, 10_000 * 192**3) <= dense_form.MAX_BLOCK_BYTES


def test_chunks_as_the_kit_of_2018_wrote_them_are_within_the_limits():
    """In the densest events, those of cycle 3."""
    with h5py.File(DATA / "kit2018_pred.hdf5") as file:
        chunk = file["pred"].chunks
    with h5py.File(ROOT / "starting_kit/data/cycle3_test.h5") as events:
        lengths, coords = np.diff(events["offset"][:]), events["coords"][:]
    voxels = np.column_stack([np.repeat(np.arange(len(lengths)), lengths), coords])
    n_steps = (len(lengths), *(-(-np.array(GRID_SHAPE) // chunk[1:])))
    n_blocks = len(np.unique(np.ravel_multi_index(tuple((voxels // chunk).T), n_steps)))
    assert n_blocks <= dense_form.MAX_EVENT_BLOCKS * len(lengths)


def test_much_lzf_is_refused(run, monkeypatch):
    """lzf is unpacked in Python, and references of three bytes are the slowest."""
    path = run.dense(chunks=(1, *GRID_SHAPE), compression="lzf")
    with h5py.File(path) as file:
        n_bytes = file["pred"].id.get_storage_size()
    monkeypatch.setattr(h5_guard, "MAX_LZF_BYTES", n_bytes)
    assert np.array_equal(read_submission(run.res, run.manifest), run.labels)
    monkeypatch.setattr(h5_guard, "MAX_LZF_BYTES", n_bytes - 1)
    with pytest.raises(SubmissionError, match=r"packed with lzf.*Write it with compression='gzip'"):
        read_submission(run.res, run.manifest)


def test_a_csv_longer_than_its_rows_can_be_is_refused(run, monkeypatch):
    path = run.csv()
    with open(path, "ab") as file:
        file.write(b"\n" * (128 * len(run.labels)))
    assert np.array_equal(read_submission(run.res, run.manifest), run.labels)
    monkeypatch.setattr(csv_form, "MAX_EXTRA", 0)
    with pytest.raises(SubmissionError, match="remove everything after the last row"):
        read_submission(run.res, run.manifest)
