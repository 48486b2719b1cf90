"""Seals detect every changed bit, and no other program is disturbed by them."""

import io
import os
import zipfile

import h5py
import numpy as np
import pytest
import toy

from lartpc_challenge.events import EventFile
from lartpc_challenge.files import NOT_AS_WRITTEN, check_seal, note_whole
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.seal import SEAL_BYTES, append_seal, has_seal, is_whole, seal


@pytest.fixture
def path(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    return tmp_path / "file"


def state(content: bytes):
    return is_whole(io.BytesIO(content))


def test_the_seal_is_that_of_the_page(path):
    """BLAKE2b of 32 bytes: the digest of "abc" as `b2sum --length 256` prints it."""
    seal(path)
    assert path.read_bytes() == b"abc" + b"LArTPC seal v1\r\n" + bytes.fromhex(
        "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"
    )


@pytest.mark.parametrize("n_bytes", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_000_000])
def test_files_of_any_length_are_whole_once_sealed(n_bytes):
    file = io.BytesIO(np.random.default_rng(n_bytes).bytes(n_bytes))
    assert is_whole(file) is None
    append_seal(file)
    assert is_whole(file) is True
    assert has_seal(file)
    assert file.tell() == 0


def test_no_bit_changes_unnoticed(path):
    """A changed bit in contents or digest breaks the seal; in its name it removes it."""
    seal(path)
    good = path.read_bytes()
    for bit in range(8 * len(good)):
        changed = bytearray(good)
        changed[bit // 8] ^= 1 << bit % 8
        in_name = 3 <= bit // 8 < 3 + 16
        assert state(bytes(changed)) is (None if in_name else False)


@pytest.mark.parametrize("n_bytes", [1, 32, SEAL_BYTES - 1, SEAL_BYTES])
def test_a_file_that_was_cut_has_no_seal(path, n_bytes):
    seal(path)
    assert state(path.read_bytes()[:-n_bytes]) is None


def test_a_file_is_sealed_again_once(path):
    seal(path)
    once = path.read_bytes()
    seal(path)
    assert path.read_bytes() == once


def test_a_broken_seal_is_told(path):
    seal(path)
    assert check_seal(path)
    path.write_bytes(b"x" + path.read_bytes()[1:])
    with pytest.raises(ChallengeError, match=f"^{path}: {NOT_AS_WRITTEN}$"):
        check_seal(path)


def test_a_file_that_was_checked_is_checked_again_once_it_is_written_to(path):
    seal(path)
    note_whole(path)
    assert check_seal(path)
    os.utime(path, ns=(1, 1))
    path.write_bytes(b"x" + path.read_bytes()[1:])
    with pytest.raises(ChallengeError, match="has changed since it was written"):
        check_seal(path)


def test_hdf5_and_zips_are_read_with_a_seal(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = [1, 2]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x", "12")
    for name in ("a.h5", "a.zip"):
        seal(tmp_path / name)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["x"][:].tolist() == [1, 2]
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert (archive.testzip(), archive.read("x")) == (None, b"12")


def test_an_edited_file_is_refused_until_it_is_sealed_again(tmp_path):
    path = tmp_path / "train.h5"
    toy.make_events_file(path, toy.make_events(5), kind="train", cycle=2)
    with h5py.File(path, "r+") as file:
        file["mine"] = [1.0]
    with pytest.raises(
        ChallengeError, match="has changed since it was written: damaged, cut short or edi"
    ):
        EventFile(path)
    seal(path)
    with EventFile(path) as events:
        assert len(events) == 5


def test_a_file_without_its_seal_is_refused(tmp_path):
    """HDF5 could read it, but nobody could notice changes in it."""
    path = tmp_path / "train.h5"
    toy.make_events_file(path, toy.make_events(5), kind="train", cycle=2)
    os.truncate(path, path.stat().st_size - SEAL_BYTES)
    with pytest.raises(ChallengeError, match="has changed since it was written"):
        EventFile(path)
