"""Submissions that would take too long are refused before they are read."""

import h5py
import numpy as np
import pytest
import toy
from forms import Run

from lartpc_challenge.format import GRID_SHAPE, SubmissionError
from lartpc_challenge.submission import csv_form, dense_form, h5_guard, sparse_form
from lartpc_challenge.submission.forms import read_submission


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


@pytest.mark.parametrize("name", ["MAX_BLOCKS", "MAX_BLOCK_BYTES"])
def test_a_dense_form_that_takes_too_long_is_refused(run, monkeypatch, name):
    run.dense(chunks=(1, *GRID_SHAPE), compression="gzip")
    needed = {"MAX_BLOCKS": len(run.events), "MAX_BLOCK_BYTES": len(run.events) * 192**3}
    monkeypatch.setattr(dense_form, "_FEW_EVENTS", 1)
    monkeypatch.setattr(dense_form, "MANY_EVENTS", 2 * len(run.events))  # half of the limits
    monkeypatch.setattr(dense_form, name, 2 * needed[name])
    assert np.array_equal(read_submission(run.res, run.manifest), run.labels)
    monkeypatch.setattr(dense_form, name, 2 * needed[name] - 1)
    with pytest.raises(SubmissionError, match=r"5 blocks of 7,077,888 bytes .* Write the sparse"):
        read_submission(run.res, run.manifest)


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
