"""Chunks that HDF5 packed are decoded correctly; all others are refused."""

import contextlib
import zlib

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t, h5z
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lartpc_challenge.submission.h5_chunks import FILTERS, unpack

STORAGE = {
    "none": {},
    "gzip": {"compression": "gzip"},
    "shuffle": {"shuffle": True},
    "fletcher32": {"fletcher32": True},
    "lzf": {"compression": "lzf"},
    "gzip of all": {"compression": "gzip", "shuffle": True, "fletcher32": True},
    "lzf of all": {"compression": "lzf", "shuffle": True, "fletcher32": True},
}
VALUES = {
    "zeros": np.zeros(5000, np.uint32),
    "labels": np.random.default_rng(1).integers(0, 4, 5001).astype(np.uint8),
    "runs": np.repeat(np.random.default_rng(2).integers(0, 4, 90), 70).astype(np.uint16),
    "steps": np.arange(3000, dtype=">i8") // 3,
    "noise": np.random.default_rng(3).integers(0, 2**63, 4001).astype(np.uint64),
    "one": np.ones(1, np.uint8),
    "cycles": np.tile(np.arange(11, dtype=np.uint8), 900),
}


def pack(path, values, storage) -> tuple:
    """Return a chunk as HDF5 stores it, and its filters."""
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, chunks=values.shape, **storage)
    return stored(path)


def stored(path) -> tuple:
    with h5py.File(path) as file:
        plist = file["x"].id.get_create_plist()
        filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
        skipped, chunk = file["x"].id.read_direct_chunk((0,))
    return chunk, tuple(f for i, f in enumerate(filters) if not skipped >> i & 1)


@pytest.mark.parametrize("storage", STORAGE.values(), ids=STORAGE)
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_what_hdf5_packed_comes_back(tmp_path, values, storage):
    chunk, filters = pack(tmp_path / "x.h5", values, storage)
    assert unpack(chunk, filters, values.nbytes, values.itemsize) == values.tobytes()


def test_bytes_that_fill_no_whole_item_stay_at_the_end(tmp_path):
    """A chunk that is shuffled after it was packed can have them."""
    values, plist = VALUES["runs"], h5p.create(h5p.DATASET_CREATE)
    plist.set_chunk(values.shape)
    plist.set_deflate(4)
    plist.set_shuffle()
    with h5py.File(tmp_path / "x.h5", "w") as file:
        space = h5s.create_simple(values.shape)
        made = h5d.create(file.id, b"x", h5t.py_create(values.dtype), space, plist)
        made.write(h5s.ALL, h5s.ALL, values)
    chunk, filters = stored(tmp_path / "x.h5")
    assert filters == (h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE)
    assert len(chunk) % values.itemsize
    assert unpack(chunk, filters, values.nbytes, values.itemsize) == values.tobytes()


@given(values=st.binary(min_size=1, max_size=400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_any_bytes_come_back(tmp_path, values):
    values = np.frombuffer(values, np.uint8)
    for storage in STORAGE.values():
        chunk, filters = pack(tmp_path / "x.h5", values, storage)
        assert unpack(chunk, filters, values.nbytes, 1) == values.tobytes()


@pytest.mark.parametrize("storage", STORAGE.values(), ids=STORAGE)
@pytest.mark.parametrize("other", [-1, 1])
def test_a_chunk_of_another_size_is_an_error(tmp_path, storage, other):
    values = VALUES["labels"]
    chunk, filters = pack(tmp_path / "x.h5", values, storage)
    with pytest.raises(ValueError, match=r"unpacks to 5001 bytes rather than 500[02]"):
        unpack(chunk, filters, values.nbytes + other, 1)


@pytest.mark.parametrize("storage", [s for s in STORAGE if s not in ("none", "shuffle")])
def test_a_chunk_that_is_cut_short_is_an_error(tmp_path, storage):
    values = VALUES["labels"]
    chunk, filters = pack(tmp_path / "x.h5", values, STORAGE[storage])
    for n in (0, 1, 3, 4, 5, len(chunk) // 2, len(chunk) - 1):
        with pytest.raises(ValueError, match=r"cut short|rather than|shorter|checksum|not gzip"):
            unpack(chunk[:n], filters, values.nbytes, 1)


def test_every_changed_byte_is_found_by_a_checksum(tmp_path):
    values = VALUES["labels"][:101]
    chunk, filters = pack(tmp_path / "x.h5", values, STORAGE["fletcher32"])
    for place in range(len(chunk)):
        changed = bytearray(chunk)
        changed[place] ^= 4
        with pytest.raises(ValueError, match="does not match its checksum"):
            unpack(bytes(changed), filters, values.nbytes, 1)


@given(st.binary(max_size=200), st.lists(st.sampled_from(sorted(FILTERS)), max_size=4, unique=True))
def test_rubbish_is_an_error_or_of_the_right_size(chunk, filters):
    with contextlib.suppress(ValueError):
        assert len(unpack(chunk, tuple(filters), 64, 2)) == 64


def test_a_bomb_is_not_unpacked():
    """4 GiB of zeros in 4 MB are refused after one kilobyte more than the size of the chunk."""
    packer, zeros = zlib.compressobj(), bytes(1 << 24)
    head, again = (packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    bomb = head + 255 * again + packer.flush()
    with pytest.raises(ValueError, match="unpacks to more than the limit"):
        unpack(bomb, (h5z.FILTER_DEFLATE,), 100, 1)
    with pytest.raises(ValueError, match="unpacks to more than the limit"):
        unpack(bytes([0, 7]) + 10**6 * b"\xe0\xff\x00", (h5z.FILTER_LZF,), 100, 1)
