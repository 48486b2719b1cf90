"""Finds the one file that an upload holds: in a folder, in a zip, or bare.

Only regular files are opened. Nothing is unpacked to the disk but an HDF5 file, into an unnamed
temporary file of bounded size; no name that an upload chose is ever written to.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO

from lartpc_challenge.events import DEFLATE_RATIO
from lartpc_challenge.files import HDF5_SIGNATURE
from lartpc_challenge.format import ChallengeError, SubmissionError
from lartpc_challenge.submission.problems import Cases, Problems, shown

MAX_ENTRIES = 100  # files and folders in an upload, whatever they are
MAX_UNPACKED = 2 << 30  # bytes of the file in a zip: ten seconds' work
_MAX_DIRECTORY = 1 << 20  # bytes that a zip may need to list its entries
_BLOCK = 1 << 20

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
# Codabench looks for its command in these, in an unpacked submission too, and would run it.
_PLATFORM_FILES = ("metadata", "metadata.yaml")
_EXPECTED = "expected one file, the predictions (.h5 or .csv), at most one folder deep"

_WRITE = "Write it with lartpc_challenge.submission.write_submission, or zip a .h5 or .csv file."
# What files of other kinds begin with.
_OTHER_KINDS = {
    b"\x93NUMPY": "a NumPy array (.npy)",
    b"\x1f\x8b": "packed with gzip (.gz, .tar.gz)",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ": "packed with xz",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"PAR1": "a Parquet table",
    b"ARROW1": "an Arrow table",
    b"root": "a ROOT file",
    **{b"\x80" + bytes([protocol]): "a pickle" for protocol in range(2, 6)},
}
# Names in zips that programs write for themselves.
_OTHER_ZIPS = {
    ".npy": "NumPy arrays (.npz)",
    "data.pkl": "what torch.save writes",
    "[Content_Types].xml": "a document of an office program",
}

# What reading a damaged zip raises, beside zipfile's own error.
READ_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    OverflowError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


@dataclass(frozen=True)
class Upload:
    """The one file of an upload, open for reading; an HDF5 file's stream can be sought.

    `name` is fit for a message. Reading can raise READ_ERRORS where the upload is damaged.
    """

    name: str
    is_hdf5: bool
    stream: IO[bytes]


@dataclass(frozen=True)
class _Entry:
    """Something in a folder or a zip. kind: "file", "folder" or what it is instead of these."""

    name: str
    kind: str
    source: Any  # a path, or a ZipInfo

    @property
    def parts(self) -> list:
        return [part for part in self.name.split("/") if part]

    @property
    def is_clutter(self) -> bool:
        """Whether Finder left it there."""
        base = self.parts[-1] if self.parts else ""
        return self.name.startswith("__MACOSX/") or base == ".DS_Store" or base.startswith("._")


@contextlib.contextmanager
def open_upload(path) -> Iterator[Upload]:
    """Open what `path` holds: a folder, a zip or the file itself.

    Raises SubmissionError where that is not one regular file, or damaged, or larger than a limit.
    """
    path = Path(path)
    with contextlib.ExitStack() as stack:
        try:
            upload = _open(path, stack)
        except OSError as reason:
            raise SubmissionError(
                f"{shown(path, 200)}: can't be read: {reason.strerror}"
            ) from reason
        yield upload


def title(path) -> str:
    """What to call the upload at `path` in messages."""
    path = Path(path)
    # A platform's name for the folder would tell a participant nothing.
    return "the submission" if path.is_dir() else shown(path.name)


def _open(path: Path, stack: contextlib.ExitStack) -> Upload:
    where = title(path)
    if path.is_dir():
        entry = _only_file(where, _in_folder(path, depth=2), ignored=_PLATFORM_FILES[:1])
        where = shown(entry.name)
        stream = stack.enter_context(_open_regular(Path(entry.source), where))
    else:
        stream = stack.enter_context(_open_regular(path, where))
        if _head(stream).startswith(_ZIP):
            return _open_zip(where, stream, stack)
    return Upload(where, _is_hdf5(where, _head(stream)), stream)


def _open_regular(path: Path, where: str) -> BinaryIO:
    # A pipe or a device could block for ever: look before opening.
    if not stat.S_ISREG(path.stat().st_mode):
        raise SubmissionError(f"{where}: is not a regular file, {_EXPECTED}")
    return open(path, "rb")


def _head(stream: BinaryIO) -> bytes:
    head = stream.read(1024)
    stream.seek(0)
    return head


def _is_hdf5(where: str, head: bytes) -> bool:
    """Whether the file that starts with `head` is HDF5, else CSV. SubmissionError if neither."""
    if head.startswith(HDF5_SIGNATURE):
        return True
    if not head:
        raise SubmissionError(f"{where}: is empty, {_EXPECTED}")
    if head.startswith(_ZIP):
        raise SubmissionError(f"{where}: is a zip inside the upload; zip the predictions just once")
    known = next((kind for start, kind in _OTHER_KINDS.items() if head.startswith(start)), None)
    if head[257:262] == b"ustar":
        known = "a tar archive"
    if known or b"\0" in head:
        found = f" but {known}" if known else ""
        raise SubmissionError(
            f"{where}: is neither an HDF5 file nor a CSV in plain text{found}. {_WRITE}"
        )
    return False


def _in_folder(folder: Path, depth: int, prefix: str = "") -> Iterator[_Entry]:
    with os.scandir(folder) as found:
        for item in found:
            name, mode = prefix + item.name, item.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                yield _Entry(name + "/", "folder", item.path)
                if depth > 1 and item.name != "__MACOSX":
                    yield from _in_folder(Path(item.path), depth - 1, name + "/")
            else:
                yield _Entry(name, _kind(mode), item.path)


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "symbolic link"
    return "file" if stat.S_ISREG(mode) or not stat.S_IFMT(mode) else "special file"


def _in_zip(archive: zipfile.ZipFile) -> Iterator[_Entry]:
    for member in archive.infolist():
        kind = "folder" if member.is_dir() else _kind(member.external_attr >> 16)
        yield _Entry(member.orig_filename, kind, member)


def _only_file(where: str, entries: Iterable[_Entry], ignored=()) -> _Entry:
    """The one file among `entries`, clutter and files named in `ignored` aside."""
    entries = list(islice(entries, MAX_ENTRIES + 1))
    if len(entries) > MAX_ENTRIES:
        raise _too_many(where)
    entries = [e for e in entries if not e.is_clutter and e.name not in ignored]
    for end, kind in _OTHER_ZIPS.items():
        if any(e.name.endswith(end) for e in entries):
            raise SubmissionError(f"{where}: holds {kind}, {_EXPECTED}. {_WRITE}")
    with Problems(where) as problems:
        _note_unfit(entries, problems)
        files = [e for e in entries if e.kind == "file"]
        if len(files) != 1:
            found = f"; found: {Cases(shown(e.name) for e in files)}" if files else ""
            problems.add(f"holds {len(files)} files, {_EXPECTED}{found}")
    return files[0]


def _note_unfit(entries: list[_Entry], problems: Problems) -> None:
    """Note what no upload may hold."""
    for what, wrong, advice in (
        (
            "links or special files",
            [e for e in entries if e.kind not in ("file", "folder")],
            "Put the file itself there.",
        ),
        (
            "paths outside of it",
            [e for e in entries if _leads_out(e.name)],
            "Zip the file by its plain name.",
        ),
        (
            "folders in folders",
            [e for e in entries if len(e.parts) + (e.kind == "folder") > 2],
            "Zip the file, not the folders above it.",
        ),
        (
            "files that a platform would run as a program",
            [e for e in entries if e.name.split("/")[-1] in _PLATFORM_FILES],
            "Leave them out.",
        ),
    ):
        cases = Cases(shown(e.name) for e in wrong)
        problems.add_cases(f"holds {what}, {_EXPECTED}; found", cases, advice)


def _too_many(where: str) -> SubmissionError:
    return SubmissionError(f"{where}: holds more than {MAX_ENTRIES} files, {_EXPECTED}")


def _leads_out(name: str) -> bool:
    return name.startswith("/") or ".." in name.split("/") or any(c in name for c in "\\:\0")


def _open_zip(where: str, stream: BinaryIO, stack: contextlib.ExitStack) -> Upload:
    try:
        archive = stack.enter_context(zipfile.ZipFile(_SmallReads(stream)))
    except _TooMuchError as reason:
        raise _too_many(where) from reason
    except READ_ERRORS as reason:
        raise SubmissionError(f"{where}: is a damaged zip; zip or upload it again") from reason
    entry = _only_file(where, _in_zip(archive))
    member, where = entry.source, f"{shown(entry.name)} in {where}"
    _check_member(where, member, os.fstat(stream.fileno()).st_size)
    try:
        with archive.open(member) as content:
            head = content.read(1024)
        content = stack.enter_context(archive.open(member))
        if not _is_hdf5(where, head):
            return Upload(where, False, content)
        file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        shutil.copyfileobj(content, file, _BLOCK)
        if file.tell() != member.file_size:
            raise zipfile.BadZipFile("fewer bytes than declared")
    except READ_ERRORS as reason:
        # The latter where not one folder takes a temporary file: all are full, or TMPDIR is gone.
        if getattr(reason, "errno", None) in (errno.ENOSPC, errno.ENOENT):
            raise ChallengeError(
                f"{where}: no temporary folder takes its {member.file_size:,} bytes; make space, "
                "set TMPDIR, or unzip it elsewhere and give the file"
            ) from reason
        raise SubmissionError(f"{where}: is damaged; zip or upload it again") from reason
    return Upload(where, True, file)


class _TooMuchError(Exception):
    """More would be read at once than a zip that is fit to be read needs."""


class _SmallReads:
    """A zip's file for zipfile, which reads and lists a directory of any length at once.

    What a zip says of its number of entries need not be true, and zipfile doesn't use it.
    """

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self.seek, self.tell, self.seekable = stream.seek, stream.tell, stream.seekable

    def read(self, n_bytes: int = -1) -> bytes:
        most = _MAX_DIRECTORY + 1
        content = self._stream.read(most if n_bytes < 0 else min(n_bytes, most))
        if len(content) == most:
            raise _TooMuchError
        return content


def _check_member(where: str, member: zipfile.ZipInfo, zip_bytes: int) -> None:
    if member.flag_bits & 1:
        raise SubmissionError(f"{where}: is encrypted; zip it without a password")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise SubmissionError(f"{where}: zip method {member.compress_type}, expected deflate")
    if member.file_size > MAX_UNPACKED:
        raise SubmissionError(
            f"{where}: unpacks to {member.file_size:,} bytes, expected at most {MAX_UNPACKED:,}; "
            "use the sparse form, a byte a voxel, or compression='gzip' for a dense one"
        )
    if member.compress_size > zip_bytes:
        raise SubmissionError(f"{where}: is damaged; zip or upload it again")
    if member.file_size > DEFLATE_RATIO * member.compress_size + _BLOCK:
        raise SubmissionError(
            f"{where}: says that {member.compress_size:,} bytes unpack to {member.file_size:,}, "
            "which no zip can hold"
        )
