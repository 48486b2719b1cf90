"""What only the HDF5 guard can do: read what was never written without telling of our memory."""

import io

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t

from lartpc_challenge.h5_guard import open_guarded
from lartpc_challenge.problems import Problems


@pytest.mark.parametrize("chunk", [None, (100,)], ids=["contiguous", "chunked"])
def test_values_that_were_never_written_are_zero(tmp_path, chunk):
    path = tmp_path / "nothing.h5"
    with h5py.File(path, "w") as file:
        plist = h5p.create(h5p.DATASET_CREATE)
        if chunk:
            plist.set_chunk(chunk)
        plist.set_fill_time(h5d.FILL_TIME_NEVER)
        plist.set_alloc_time(h5d.ALLOC_TIME_LATE)
        h5d.create(file.id, b"pred", h5t.STD_U8LE, h5s.create_simple((1000,)), plist)
    with open_guarded("nothing.h5", io.BytesIO(path.read_bytes())) as file:
        out = np.full(1000, 3, np.uint8)  # as memory that held labels
        file.dataset("pred", Problems("nothing.h5")).read((0,), out)
    assert not out.any()
