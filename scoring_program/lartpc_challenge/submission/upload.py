"""Find and open the one file of an upload: in a folder, in a zip, or the file itself.

Only regular files are opened. Only an HDF5 file is unpacked to disk, into an unnamed temporary file
of limited size. File names from the upload are never used for writing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO

from lartpc_challenge.events import DEFLATE_RATIO
from lartpc_challenge.files import HDF5_SIGNATURE, StrPath, temporary_folder
from lartpc_challenge.format import ChallengeError, SubmissionError
from lartpc_challenge.kinds import HEAD_BYTES, ZIP, kind_of
from lartpc_challenge.submission.problems import Cases, Problems, shown

MAX_ENTRIES = 100  # files and folders of any kind in an upload
MAX_UNPACKED = 2 << 30  # bytes of the unpacked file; unpacking takes ten seconds
_MAX_DIRECTORY = 1 << 20  # bytes of a zip's list of entries
_BLOCK = 1 << 20

_ZIP_END_BYTES = 22  # without the comment, whose length is its last field
# Codabench runs the command that these files name, also if a submission contains them.
_PLATFORM_FILES = ("metadata", "metadata.yaml")
_CLUTTER = (".DS_Store", "Thumbs.db", "desktop.ini")
_EXPECTED = "expected one file, the predictions (.h5 or .csv), at most one folder deep"

_WRITE = "Write it with lartpc_challenge.submission.write_submission, or zip a .h5 or .csv file."
# Member names that show that a zip is a file of another program.
_OTHER_ZIPS = {
    ".npy": "NumPy arrays (.npy, .npz)",
    "data.pkl": "a file of torch.save",
    "[Content_Types].xml": "an office document",
}

# The disk, a quota, or a limit on the size of files.
_NO_SPACE = (errno.ENOSPC, errno.EFBIG, *([errno.EDQUOT] if hasattr(errno, "EDQUOT") else []))

# The exceptions for damaged and encrypted zips and for unknown compression methods.
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
    """The one file of an upload, open for reading; the stream of an HDF5 file is seekable.

    name: escaped, for messages. Reading a damaged upload can raise READ_ERRORS.
    """

    name: str
    is_hdf5: bool
    stream: IO[bytes]


@dataclass(frozen=True)
class _Entry:
    """An entry of a folder or a zip. kind: "file", "folder", "symbolic link", "special file"."""

    name: str
    kind: str
    source: Any  # a path, or a ZipInfo

    @property
    def parts(self) -> list:
        return [part for part in self.name.split("/") if part]

    @property
    def base(self) -> str:
        return self.name.split("/")[-1]

    @property
    def is_clutter(self) -> bool:
        """Whether the file is one that macOS or Windows adds to folders."""
        is_added = self.base in _CLUTTER or self.base.startswith("._")
        return is_added or self.name.startswith("__MACOSX/")


@contextlib.contextmanager
def open_upload(path: StrPath) -> Iterator[Upload]:
    """Open the one file of the upload at `path`: a folder, a zip or the file itself.

    Raises SubmissionError if there is not exactly one regular file, or if it is damaged or larger
    than a limit; ChallengeError if there is no space to unpack it.
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


def title(path: StrPath) -> str:
    """Return the name of the upload at `path` in messages."""
    path = Path(path)
    # The name of a platform's folder means nothing to a participant.
    return "the submission" if path.is_dir() else shown(path.name)


def _open(path: Path, stack: contextlib.ExitStack) -> Upload:
    where = title(path)
    if path.is_dir():
        entry = _only_file(where, _in_folder(path, depth=2), ignored=_PLATFORM_FILES[:1])
        where = shown(entry.name)
        stream = stack.enter_context(_open_regular(Path(entry.source), where))
    else:
        stream = stack.enter_context(_open_regular(path, where))
        if _head(stream).startswith(ZIP):
            return _open_zip(where, stream, stack)
    _check_size(where, os.fstat(stream.fileno()).st_size)
    upload = Upload(where, _is_hdf5(where, _head(stream)), stream)
    if _ends_as_zip(stream):
        raise SubmissionError(
            f"{where}: is a zip only at its end, which some programs unpack and others ignore. "
            f"{_WRITE}"
        )
    return upload


def _open_regular(path: Path, where: str) -> BinaryIO:
    # Opening a pipe or a device could block for ever.
    if not stat.S_ISREG(path.stat().st_mode):
        raise SubmissionError(f"{where}: is not a regular file, {_EXPECTED}")
    return open(path, "rb")


def _head(stream: BinaryIO) -> bytes:
    head = stream.read(HEAD_BYTES)
    stream.seek(0)
    return head


def _ends_as_zip(stream: BinaryIO) -> bool:
    """Return whether the last bytes are the end of a zip's directory, with its comment."""
    stream.seek(-min(stream.seek(0, 2), _ZIP_END_BYTES + 0xFFFF), 2)
    tail = stream.read()
    stream.seek(0)
    end = tail[tail.rfind(ZIP[1]) :]
    n_comment = int.from_bytes(end[_ZIP_END_BYTES - 2 : _ZIP_END_BYTES], "little")
    return end.startswith(ZIP[1]) and len(end) == _ZIP_END_BYTES + n_comment


def _is_hdf5(where: str, head: bytes) -> bool:
    """Return True for HDF5 and False for CSV, by the first bytes. Raises SubmissionError."""
    if head.startswith(HDF5_SIGNATURE):
        return True
    if not head:
        raise SubmissionError(f"{where}: is empty, {_EXPECTED}")
    known = kind_of(head)
    if head.startswith(ZIP):
        raise SubmissionError(
            f"{where}: is {known}, inside the upload; zip only the .h5 or .csv file, once"
        )
    if head[512:].startswith(HDF5_SIGNATURE):
        raise SubmissionError(
            f"{where}: is an HDF5 file behind a user block, as MATLAB writes it, expected one "
            f"without. {_WRITE}"
        )
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
        name = member.orig_filename  # can be empty: then ZipInfo.is_dir fails before Python 3.12
        kind = "folder" if name.endswith("/") else _kind(member.external_attr >> 16)
        yield _Entry(name, kind, member)


def _only_file(where: str, entries: Iterable[_Entry], ignored: Collection[str] = ()) -> _Entry:
    """Return the one file among `entries`, without clutter and those named in `ignored`."""
    entries = list(islice(entries, MAX_ENTRIES + 1))
    n_entries = len(entries)
    entries = [e for e in entries if not e.is_clutter and e.name not in ignored]
    for end, kind in _OTHER_ZIPS.items():
        if any(e.name.endswith(end) for e in entries):
            raise SubmissionError(f"{where}: holds {kind}, {_EXPECTED}. {_WRITE}")
    if n_entries > MAX_ENTRIES:
        raise _too_many(where)
    with Problems(where) as problems:
        _note_unfit(entries, problems)
        files = [e for e in entries if e.kind == "file" and e.base not in ("", *_PLATFORM_FILES)]
        if len(files) != 1:
            found = f"; found: {Cases(shown(e.name) for e in files)}" if files else ""
            advice = "Zip one file; each cycle has a submission of its own." if files else ""
            problems.add(f"holds {len(files)} files, {_EXPECTED}{found}", advice)
    return files[0]


def _note_unfit(entries: list[_Entry], problems: Problems) -> None:
    """Add a problem for each kind of entry that an upload must not hold."""

    def note(what: str, wrong: Callable[[_Entry], bool], advice: str) -> None:
        cases = Cases(shown(e.name) for e in entries if wrong(e))
        problems.add_cases(f"holds {what}, {_EXPECTED}; found", cases, advice)

    note(
        "links or special files",
        lambda e: e.kind not in ("file", "folder"),
        "Zip the file itself.",
    )
    note(
        "paths outside the upload, or with a backslash or colon",
        lambda e: _leads_out(e.name),
        "Zip the file without its folder.",
    )
    note(
        "names of more than 255 bytes",
        lambda e: any(len(part.encode("utf-8", "replace")) > 255 for part in e.parts),
        "Give the file a short name.",
    )
    note(
        "folders in folders",
        lambda e: len(e.parts) + (e.kind == "folder") > 2,
        "Zip only the file.",
    )
    note(
        "files that a platform would run as a program",
        lambda e: e.base in _PLATFORM_FILES,
        "Remove them.",
    )


def _too_many(where: str) -> SubmissionError:
    return SubmissionError(f"{where}: holds more than {MAX_ENTRIES} files, {_EXPECTED}")


def _leads_out(name: str) -> bool:
    return name.startswith("/") or ".." in name.split("/") or any(c in name for c in "\\:\0")


def _open_zip(where: str, stream: BinaryIO, stack: contextlib.ExitStack) -> Upload:
    try:
        archive = stack.enter_context(zipfile.ZipFile(_SmallReads(where, stream)))
    except READ_ERRORS as reason:
        raise SubmissionError(f"{where}: is a damaged zip; zip or upload it again") from reason
    entry = _only_file(where, _in_zip(archive))
    member, where = entry.source, f"{shown(entry.name)} in {where}"
    _check_member(where, member, os.fstat(stream.fileno()).st_size)
    try:
        with archive.open(member) as content:
            head = content.read(HEAD_BYTES)
        content = stack.enter_context(archive.open(member))
        if not _is_hdf5(where, head):
            return Upload(where, False, content)
        file = stack.enter_context(_unpacked(content))
        if file.tell() != member.file_size:
            raise zipfile.BadZipFile("fewer bytes than declared")
    except READ_ERRORS as reason:
        # ENOENT: Python found no folder for temporary files (all are full, or TMPDIR is missing).
        if getattr(reason, "errno", None) in (*_NO_SPACE, errno.ENOENT):
            raise ChallengeError(
                f"{where}: no temporary folder has space for {member.file_size:,} bytes; free "
                "space, set TMPDIR, or unzip the file and give its path"
            ) from reason
        raise SubmissionError(f"{where}: is damaged; zip or upload it again") from reason
    return Upload(where, True, file)


@contextlib.contextmanager
def _unpacked(content: IO[bytes]) -> Iterator[IO[bytes]]:
    """Yield a temporary file with this content, positioned at its end.

    It has no buffer: on a full disk, closing it would raise the error of the write once more.
    """
    with tempfile.TemporaryFile(buffering=0, dir=temporary_folder()) as file:
        while block := memoryview(content.read(_BLOCK)):
            while block:
                block = block[file.write(block) :]
        yield file


class _SmallReads:
    """A file object for zipfile that raises SubmissionError for one read of more than the limit.

    zipfile reads the whole list of entries at once, however long it is. The number of entries that
    a zip declares can be false, and zipfile does not use it.
    """

    def __init__(self, where: str, stream: BinaryIO):
        self._where, self._stream = where, stream
        self.seek, self.tell, self.seekable = stream.seek, stream.tell, stream.seekable

    def read(self, n_bytes: int = -1) -> bytes:
        most = _MAX_DIRECTORY + 1
        content = self._stream.read(most if n_bytes < 0 else min(n_bytes, most))
        if len(content) == most:
            raise _too_many(self._where)
        return content


def _check_size(where: str, n_bytes: int) -> None:
    if n_bytes > MAX_UNPACKED:
        raise SubmissionError(
            f"{where}: unpacks to {n_bytes:,} bytes, expected at most {MAX_UNPACKED:,}; use the "
            "sparse form, a byte per voxel, or compression='gzip' for a dense one"
        )


def _unicode_path(extra: bytes) -> str:
    """Return the name that newer programs take in place of the directory's (Info-ZIP), or ""."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        if kind == 0x7075:  # version, checksum of the other name, name
            return extra[9 : 4 + size].decode("utf-8", "replace")
        extra = extra[4 + size :]
    return ""


def _check_member(where: str, member: zipfile.ZipInfo, zip_bytes: int) -> None:
    if member.flag_bits & 1:
        raise SubmissionError(f"{where}: is encrypted; zip it without a password")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise SubmissionError(
            f"{where}: zip method {member.compress_type}, expected deflate, the usual one"
        )
    _check_size(where, member.file_size)
    if member.compress_size > zip_bytes:
        raise SubmissionError(f"{where}: is damaged; zip or upload it again")
    other = _unicode_path(member.extra)  # honest ones differ in how they spell an umlaut
    if _leads_out(other) or other.split("/")[-1] in _PLATFORM_FILES:
        raise SubmissionError(f"{where}: has a second name, {shown(other)}; zip the file itself")
    if member.file_size > DEFLATE_RATIO * member.compress_size + _BLOCK:
        raise SubmissionError(
            f"{where}: declares that {member.compress_size:,} bytes unpack to "
            f"{member.file_size:,}, which is impossible; zip or upload it again"
        )
