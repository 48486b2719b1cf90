"""Read files with clear errors, and write them completely or not at all."""

from __future__ import annotations

import contextlib
import io
import numbers
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union

import h5py

from lartpc_challenge.format import FORMAT, SEALED_SINCE, ChallengeError
from lartpc_challenge.kinds import HEAD_BYTES, ZIP, kind_of
from lartpc_challenge.seal import append_seal, has_seal, is_whole
from lartpc_challenge.signals import held

if sys.platform != "win32":
    import fcntl

StrPath = Union[str, "os.PathLike[str]"]  # a path as a caller may give it
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_AGAIN = "download or make it again"
_UMASK = os.umask(0o077)
os.umask(_UMASK)
_known_whole: set[tuple[int, ...]] = set()
_at_work: set[Path] = set()  # temporary files of `replacing`
NOT_AS_WRITTEN = f"has changed since it was written: damaged, cut short or edited; {_AGAIN}"


def check_file(path: StrPath, *, error: type[ChallengeError] = ChallengeError) -> None:
    """Raise `error` unless `path` is a regular file. Reading a pipe could block for ever."""
    path = Path(path)
    if not path.is_file():
        found = ", but a folder, pipe or device" if path.exists() else ""
        raise error(f"{path}: no such file{found}")


def check_seal(path: StrPath, *, error: type[ChallengeError] = ChallengeError) -> bool:
    """Return whether the file has a seal. Raises `error` if it has changed or can't be read."""
    check_file(path, error=error)
    try:
        with open(path, "rb") as file:
            was_whole = has_seal(file) and _identity(path) in _known_whole
            whole = was_whole or is_whole(file)
    except PermissionError as reason:
        raise error(f"{path}: no permission to read it") from reason
    except OSError as reason:
        raise error(f"{path}: can't be read: {reason.strerror or reason}") from reason
    if whole is False:
        raise error(f"{path}: {NOT_AS_WRITTEN}")
    return whole is not None


def note_whole(path: StrPath) -> None:
    """Skip the check of this file's seal from now on, in this process and its children.

    For a file that a child process has just checked: the check takes as long as scoring. If the
    file is written to, it is checked again.
    """
    _known_whole.add(_identity(path))


def _identity(path: StrPath) -> tuple[int, ...]:
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@contextlib.contextmanager
def open_h5(path: StrPath, *, error: type[ChallengeError] = ChallengeError) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading. Raises `error` if it, or reading in the block, fails.

    The seal is checked first, because HDF5 hangs or crashes on some damaged files.
    """
    path = Path(path)
    is_sealed = check_seal(path, error=error)
    try:
        file = h5py.File(path, "r")
    except OSError as reason:
        raise error(f"{path}: not a readable HDF5 file {_what_else(path)}") from reason
    with reading(str(path), error=error), file:
        if not is_sealed and _must_be_sealed(file):
            raise error(f"{path}: {NOT_AS_WRITTEN}")
        yield file


def _what_else(path: Path) -> str:
    """Return what the file is instead of HDF5, as far as its first bytes show, and the advice."""
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    kind = kind_of(head)
    if head.startswith(ZIP):
        return f"but {kind}; if it is a zip, unzip it and give the .h5 file in it"
    return f"{f'but {kind}' if kind else '(damaged, cut short or of another kind)'}; {_AGAIN}"


def _must_be_sealed(file: h5py.File) -> bool:
    """Return whether it is a file of the challenge, of a version that requires a seal."""
    version = file.attrs.get("format_version") if file.attrs.get("format") == FORMAT else None
    return isinstance(version, numbers.Integral) and int(version) >= SEALED_SINCE


@contextlib.contextmanager
def reading(what: str, *, error: type[ChallengeError] = ChallengeError) -> Iterator[None]:
    """Turn the exceptions of h5py for damaged bytes into `error` with a sentence about `what`."""
    try:
        yield
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError) as reason:
        raise error(f"{what}: damaged, it can't be read; {_AGAIN}") from reason


@contextlib.contextmanager
def replacing(path: StrPath, *, private: bool = False) -> Iterator[Path]:
    """Write a file atomically: yield a temporary file, rename it to `path` on success.

    The temporary file is in the same folder, empty, and readable by its owner only; with `private`
    it stays so. On error it is deleted. Symbolic links are followed. Temporary files of killed
    processes are removed. Raises ChallengeError if the file can't be written.
    """
    target = Path(os.path.realpath(path))
    if target in _at_work:  # the temporary file of an outer block, which will rename it
        yield target
        return
    temporary = target.parent / f".{target.name}.{os.getpid()}.tmp"
    lock = None
    try:
        _check_replaceable(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        lock = os.open(temporary, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600)
        if not lock_file(lock) and os.name == "nt":  # Windows can't rename an open file
            os.close(lock)
            lock = None
        _at_work.add(temporary)
        yield temporary
        if not private:
            temporary.chmod(0o666 & ~_UMASK)
        os.replace(temporary, target)
    except OSError as reason:
        raise ChallengeError(f"{path}: can't be written: {reason.strerror or reason}") from reason
    except ChallengeError as problem:  # its text may contain the temporary file's name
        raise type(problem)(str(problem).replace(str(temporary), str(path))) from problem
    finally:
        _at_work.discard(temporary)
        with contextlib.suppress(OSError):
            temporary.unlink()
        if lock is not None:
            os.close(lock)


def _remove_leftovers(target: Path) -> None:
    """Remove temporary files of `target` that no running process has locked."""
    pattern = re.compile(rf"\.{re.escape(target.name)}\.[0-9]+\.tmp")
    with contextlib.suppress(OSError):  # no permission to list the folder
        for path in target.parent.iterdir():
            if pattern.fullmatch(path.name):
                with contextlib.suppress(OSError), open(path, "rb") as file:
                    if lock_file(file.fileno()):
                        path.unlink()


def temporary_folder() -> Path:
    """Return the system's folder for temporary files.

    `tempfile.gettempdir` writes a file there to try it, which stays if the process is killed.
    """
    for folder in (*map(os.environ.get, ("TMPDIR", "TEMP", "TMP")), "/tmp"):
        if folder and os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):
            return Path(folder).absolute()
    return Path(tempfile.gettempdir())


def lock_file(descriptor: int) -> bool | None:
    """Lock an open file or folder until it is closed. Return whether this process has locked it.

    False if another process has locked it, None if the system has no locks.
    """
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True


def check_writable(path: StrPath) -> None:
    """Raise ChallengeError if `replacing` would fail. Call it before long work."""
    _check_replaceable(path)
    folder = next(folder for folder in Path(path).absolute().parents if folder.exists())
    if not folder.is_dir():
        raise ChallengeError(f"{path}: can't be written: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ChallengeError(f"{path}: can't be written: no permission in {folder}")


def _check_replaceable(path: StrPath) -> None:
    # Root could replace even /dev/null. An empty path means the current folder.
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise ChallengeError(f"{path}: can't be written: is a folder, pipe or device")


def read_text(path: StrPath) -> str:
    """Read a text file in UTF-8. Raises ChallengeError if that fails."""
    check_file(path)
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as reason:
        raise ChallengeError(f"{path}: can't be read: {reason.strerror}") from reason
    except UnicodeDecodeError as reason:
        raise ChallengeError(f"{path}: can't be read: is not UTF-8 text") from reason


def write_text(path: StrPath, text: str, *, private: bool = False) -> None:
    """Write a text file as UTF-8, atomically. Raises ChallengeError if that fails."""
    with replacing(path, private=private) as temporary:
        temporary.write_text(text, encoding="utf-8")


class _PatientFile(io.FileIO):
    """A file whose writes never fail for HDF5; the first error is kept in `failure`.

    If a write fails (full disk), HDF5 can't close the file and crashes the process.
    """

    failure = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        n_bytes = len(rest)
        try:
            while rest and self.failure is None:
                rest = rest[super().write(rest) :]
        except OSError as reason:
            self.failure = reason
        return n_bytes

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as reason:
            self.failure = reason
            return self.tell() if size is None else size


@contextlib.contextmanager
def new_h5(path: StrPath, *, private: bool = False) -> Iterator[h5py.File]:
    """Write a new HDF5 file atomically, with a seal.

    private: only its owner can read it, from the first byte on. Signals are deferred in the block
    until it calls `let_in`: HDF5 calls Python to write, and loses exceptions that are raised there.
    Raises ChallengeError if the file can't be written, a full disk included.
    """
    with replacing(path, private=private) as temporary, _PatientFile(temporary, "w+") as disk:
        try:
            with held(), h5py.File(disk, "w") as file:
                yield file
            append_seal(disk)
        finally:
            if disk.failure is not None:
                raise disk.failure
