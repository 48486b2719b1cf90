"""Read HDF5 files from strangers safely.

An HDF5 file can make its reader open other files: by soft and external links, external raw storage
and virtual data sets (h5py issue 2891). So this module reads a data set only if it is a hard link
in the root group, its bytes are in the file itself and it needs no filter plugin. Attributes are
never read, because they can hold objects of any type.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import h5py
import numpy as np
from h5py import h5d, h5l, h5o, h5s, h5t, h5z

from lartpc_challenge.format import SubmissionError
from lartpc_challenge.seal import is_whole
from lartpc_challenge.submission.h5_chunks import FILTERS, unpack
from lartpc_challenge.submission.labels import pred_advice
from lartpc_challenge.submission.problems import Cases, Problems, shown

MAX_LINKS = 100  # names in the root group
MAX_CHUNK_BYTES = 128 << 20
MAX_LZF_BYTES = 32 << 20  # packed, in all: ten seconds' work at worst, as it is unpacked in Python
_BLOCK_VALUES = 1 << 16  # values per read in data sets without chunks
_LAYOUTS = (h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED)
_TYPE_NAMES = {
    h5t.FLOAT: "floating point",
    h5t.ENUM: "bool or an enumeration",
    h5t.STRING: "text",
    h5t.COMPOUND: "compound",
    h5t.VLEN: "of variable length",
    h5t.REFERENCE: "references",
    h5t.ARRAY: "arrays",
    h5t.OPAQUE: "opaque",
    h5t.BITFIELD: "bit fields",
    h5t.TIME: "times",
}
_NUMPY_KINDS = {h5t.INTEGER: "i", h5t.FLOAT: "f", h5t.ENUM: "b", h5t.VLEN: "O", h5t.COMPOUND: "V"}
# The exceptions that h5py raises for errors of the HDF5 library.
_H5_ERRORS = (OSError, RuntimeError, LookupError, ValueError, TypeError, OverflowError)


@contextlib.contextmanager
def _reading(what: str) -> Iterator[None]:
    """Turn the errors that HDF5 raises for damaged bytes into one SubmissionError."""
    try:
        yield
    except _H5_ERRORS as reason:
        if "alloc" in str(reason):
            raise MemoryError from reason
        raise SubmissionError(
            f"{what} can't be read: damaged or cut short. Write and upload the file again."
        ) from reason


@dataclass(frozen=True)
class GuardedDataset:
    """A data set of integers that are stored in the file itself. It is read block by block.

    dtype: as stored, with its byte order. block_shape: the shape of a chunk, or some whole rows if
    the data set has no chunks. Blocks at the end are cut to the shape of the data set.
    """

    name: str
    file_name: str
    shape: tuple
    dtype: np.dtype
    block_shape: tuple
    _filters: tuple[int, ...] | None  # None if the data set has no chunks
    _is_blank: bool  # chunked, but no chunk was written
    _id: h5d.DatasetID

    @property
    def block_bytes(self) -> int:
        """The number of bytes of a whole block."""
        return math.prod(self.block_shape) * self.dtype.itemsize

    def read_block(self, corner: tuple) -> np.ndarray:
        """Read the block that begins at `corner`, a multiple of block_shape.

        Raises SubmissionError if it is damaged.
        """
        extent = tuple(min(b, s - c) for b, s, c in zip(self.block_shape, self.shape, corner))
        with _reading(f"{self.file_name}: {self.name}"):
            if self._filters is None:
                return self._read_values(corner, extent)
            chunk = None if self._is_blank else self._read_chunk(corner)
            if chunk is None:  # never written: all its values are equal to the first one
                return np.broadcast_to(self._read_values(corner, (1,) * len(corner)), extent)
            unpacked = unpack(*chunk, self.block_bytes, self.dtype.itemsize)
            values = np.frombuffer(unpacked, self.dtype)
            return values.reshape(self.block_shape)[tuple(map(slice, extent))]

    def _read_chunk(self, corner: tuple) -> tuple[bytes, tuple[int, ...]] | None:
        """Return the stored bytes of a chunk and its filters; None if it was never written."""
        assert self._filters is not None  # only called for chunked data sets
        try:
            skipped, packed = self._id.read_direct_chunk(corner)
        except RuntimeError:  # the chunk has no stored size
            return None
        return packed, tuple(f for i, f in enumerate(self._filters) if not skipped >> i & 1)

    def _read_values(self, corner: tuple, extent: tuple) -> np.ndarray:
        """Read values that are stored without filters, or the fill value of unwritten chunks."""
        # A file can tell HDF5 to fill nothing in: then the values must be 0, not old memory.
        values = np.zeros(extent, self.dtype)
        space = self._id.get_space()
        space.select_hyperslab(corner, extent)
        self._id.read(h5s.create_simple(extent), space, values)
        return values

    def read_blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the start index and the values of each block of a one-dimensional data set."""
        for start in range(0, self.shape[0], self.block_shape[0]):
            yield start, self.read_block((start,))

    def read_all(self) -> np.ndarray:
        """Read a whole one-dimensional data set. Check its shape before you call this."""
        values = np.empty(self.shape, self.dtype)
        for start, block in self.read_blocks():
            values[start : start + len(block)] = block
        return values


class GuardedFile:
    """An HDF5 file that gives access only to data sets of integers in its root group."""

    def __init__(self, name: str, file: h5py.File):
        self.name = name
        self._root = file.id
        with _reading(name):
            self.names = self._hard_links()

    def _hard_links(self) -> tuple:
        """Return the names in the root group. Raises SubmissionError for soft or external links."""
        n_links = self._root.get_num_objs()
        if n_links > MAX_LINKS:
            raise SubmissionError(
                f"{self.name}: holds {n_links:,} objects, expected at most {MAX_LINKS}. "
                "Write pred, event_id and offset only."
            )
        names = tuple(self._root)
        links = [n for n in names if self._root.links.get_info(n).type != h5l.TYPE_HARD]
        with Problems(self.name) as problems:
            problems.add_cases(
                "holds soft or external links, expected data sets",
                Cases(map(shown, links)),
                "Copy the data into the file itself.",
            )
            if len({name.lower() for name in names}) < len(names):
                problems.add_cases(
                    "holds names that differ only in upper and lower case", Cases(map(shown, names))
                )
        return names

    def datasets(self, *names: str) -> list[GuardedDataset]:
        """Return the data sets with these names. Raises SubmissionError if one can't be used."""
        missing = [name for name in names if name.encode() not in self.names]
        with Problems(self.name) as problems:
            if missing:
                found = f"found: {Cases(map(shown, self.names))}" if self.names else "it is empty"
                advice = "Copy them from the test file, or use write_submission."
                if b"coords" in self.names:
                    advice = "This is an event file: predict its labels."
                elif missing == ["pred"]:
                    advice = "Write the labels of all voxels as the data set pred, outside groups."
                problems.add(f"holds no data set {' and '.join(missing)}, {found}", advice)
            opened = [self._open(name, problems) for name in names if name not in missing]
        return [dataset for dataset in opened if dataset]

    def _open(self, name: str, problems: Problems) -> GuardedDataset | None:
        """Return the data set /`name`, or None and add the problem if it can't be used."""
        with _reading(f"{self.name}: {name}"):
            found = h5o.open(self._root, name.encode())
            reason = _unfit(found, is_pred=name == "pred")
            if reason:
                problems.add(f"{name} {reason}")
                return None
            plist, shape = found.get_create_plist(), found.shape or ()
            is_chunked = plist.get_layout() == h5d.CHUNKED
            return GuardedDataset(
                name=name,
                shape=shape,
                dtype=found.dtype,
                block_shape=plist.get_chunk() if is_chunked else _whole_rows(shape),
                _filters=_filters(plist) if is_chunked else None,
                _is_blank=is_chunked and found.get_storage_size() == 0,
                file_name=self.name,
                _id=found,
            )


@contextlib.contextmanager
def open_guarded(name: str, stream: IO[bytes]) -> Iterator[GuardedFile]:
    """Open the HDF5 file in `stream`. Raises SubmissionError if it is damaged.

    name: the file's name in messages. HDF5 gets an open stream instead of a path, so that the
    process needs no right to open files.
    """
    if is_whole(stream) is False:
        raise SubmissionError(f"{name}: was changed or damaged after writing. Write it again.")
    with _reading(name):
        file = h5py.File(stream, "r")
    with file:
        yield GuardedFile(name, file)


def _whole_rows(shape: tuple) -> tuple:
    """Return the shape of a block of at most _BLOCK_VALUES values that are contiguous."""
    block, n_values = [], 1
    for length in reversed(shape):
        block.append(max(1, min(length, _BLOCK_VALUES // n_values)))
        n_values *= block[-1]
    return tuple(reversed(block))


def _filters(plist) -> tuple:
    return tuple(plist.get_filter(i)[0] for i in range(plist.get_nfilters()))


def _unfit(found, is_pred: bool) -> str:
    """Return a clause that says why the object can't be used; empty if it can."""
    if not isinstance(found, h5d.DatasetID):
        return "is not a data set. Write it with write_submission or h5py, not as a table"
    plist = found.get_create_plist()
    # The layout comes first: asking a virtual data set for its shape can open its sources.
    if plist.get_layout() not in _LAYOUTS or plist.get_external_count():
        return (
            "is a virtual data set or has external storage, expected the values themselves. Copy "
            "them into it"
        )
    return _unfit_filters(plist) or _unfit_type(found, is_pred) or _unfit_chunks(found, plist)


def _unfit_filters(plist) -> str:
    codes = _filters(plist)
    # Repeated gzip is a decompression bomb: each round can multiply the size by a thousand.
    if set(codes) <= set(FILTERS) and len(set(codes)) == len(codes):
        return ""
    found = ", ".join(FILTERS.get(code, f"number {code}") for code in codes)
    return (
        f"is stored with the filters {found}; expected none or some of "
        f"{', '.join(FILTERS.values())}, each once. Write it with compression='gzip'"
    )


def _unfit_type(dataset, is_pred: bool) -> str:
    kind = dataset.get_type()
    if kind.get_class() != h5t.INTEGER:
        found = _TYPE_NAMES.get(kind.get_class(), "of an unknown type")
    elif kind.get_size() not in (1, 2, 4, 8) or kind.get_precision() != 8 * kind.get_size():
        found = f"integers that use {kind.get_precision()} of {8 * kind.get_size()} bits"
    else:
        return ""
    advice = "Copy event_id and offset from the test file."
    if is_pred:
        advice = pred_advice(dataset.shape or (), _NUMPY_KINDS.get(kind.get_class(), ""))
    return f"is {found}, expected integers of 8, 16, 32 or 64 bits. {advice}".rstrip(".")


def _unfit_chunks(found, plist) -> str:
    if plist.get_layout() != h5d.CHUNKED:
        return ""
    chunk, stored = plist.get_chunk(), found.get_storage_size()
    n_bytes = math.prod(chunk) * found.get_type().get_size()
    if n_bytes > MAX_CHUNK_BYTES:
        return (
            f"has chunks {chunk} of {n_bytes:,} bytes, expected at most {MAX_CHUNK_BYTES:,}. "
            "Write smaller chunks"
        )
    if h5z.FILTER_LZF in _filters(plist) and stored > MAX_LZF_BYTES:
        return (
            f"takes {stored:,} bytes packed with lzf, expected at most {MAX_LZF_BYTES:,}. "
            "Write it with compression='gzip'"
        )
    return ""
