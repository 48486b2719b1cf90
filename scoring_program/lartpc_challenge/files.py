"""Files, read and written so that a fault is one sentence and no file is ever half-written."""

from __future__ import annotations

import contextlib
import io
import numbers
import os
import re
from collections.abc import Iterator
from pathlib import Path

import h5py

from lartpc_challenge.format import FORMAT, SEALED_SINCE, ChallengeError
from lartpc_challenge.seal import append_seal, has_seal, is_whole
from lartpc_challenge.signals import held

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_AGAIN = "download or make it again"
_UMASK = os.umask(0o077)
os.umask(_UMASK)
_known_whole: set[tuple[int, ...]] = set()
_at_work: set[Path] = set()  # temporary files of `replacing`
NOT_AS_WRITTEN = f"is not as it was written: damaged, cut short or edited; {_AGAIN}"


def check_file(path, *, error=ChallengeError) -> None:
    """Raise `error` unless `path` is a regular file: a pipe's reader might wait for ever."""
    path = Path(path)
    if not path.is_file():
        found = ", but a folder, pipe or device" if path.exists() else ""
        raise error(f"{path}: no such file{found}")


def check_seal(path, *, error=ChallengeError) -> bool:
    """Whether the file is sealed; `error` where it changed after that, or can't be read."""
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


def note_whole(path) -> None:
    """Check the seal of this file no more, here and in children, until somebody writes to it.

    For a file that a child of this process has just checked: a digest takes as long as scoring.
    """
    _known_whole.add(_identity(path))


def _identity(path) -> tuple[int, ...]:
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@contextlib.contextmanager
def open_h5(path, *, error=ChallengeError) -> Iterator[h5py.File]:
    """Open an HDF5 file; `error` with one sentence where that or reading in the block fails.

    A sealed file is checked first: HDF5 itself hangs or crashes on some damage.
    """
    path = Path(path)
    is_sealed = check_seal(path, error=error)
    try:
        file = h5py.File(path, "r")
    except OSError as reason:
        raise error(
            f"{path}: not a readable HDF5 file (damaged, cut short or of another kind); {_AGAIN}"
        ) from reason
    with reading(str(path), error=error), file:
        if not is_sealed and _must_be_sealed(file):
            raise error(f"{path}: {NOT_AS_WRITTEN}")
        yield file


def _must_be_sealed(file: h5py.File) -> bool:
    """Whether it is one of ours, of a version whose files all end with a seal."""
    version = file.attrs.get("format_version") if file.attrs.get("format") == FORMAT else None
    return isinstance(version, numbers.Integral) and int(version) >= SEALED_SINCE


@contextlib.contextmanager
def reading(what: str, *, error=ChallengeError) -> Iterator[None]:
    """Turn what HDF5 and h5py say of damaged bytes into one sentence about `what`."""
    try:
        yield
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError) as reason:
        raise error(f"{what}: damaged, it can't be read; {_AGAIN}") from reason


@contextlib.contextmanager
def replacing(path, *, private: bool = False) -> Iterator[Path]:
    """Atomic write: yields a temporary file, renamed to `path` on success, deleted on error.

    It lies beside `path`, is empty, and its owner's alone; `private`: it stays so. Symbolic links
    are followed. What a killed process left there of an earlier attempt is removed.
    """
    target = Path(os.path.realpath(path))
    if target in _at_work:  # the temporary file of a block around this one, which will rename it
        yield target
        return
    temporary = target.parent / f".{target.name}.{os.getpid()}.tmp"
    lock = None
    try:
        _check_replaceable(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        lock = os.open(temporary, os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600)
        if not lock_file(lock) and os.name == "nt":  # which renames no file that is open
            os.close(lock)
            lock = None
        _at_work.add(temporary)
        yield temporary
        if not private:
            temporary.chmod(0o666 & ~_UMASK)
        os.replace(temporary, target)
    except OSError as reason:
        raise ChallengeError(f"{path}: can't be written: {reason.strerror or reason}") from reason
    except ChallengeError as problem:  # perhaps of a writer that knows the temporary name alone
        raise type(problem)(str(problem).replace(str(temporary), str(path))) from problem
    finally:
        _at_work.discard(temporary)
        with contextlib.suppress(OSError):
            temporary.unlink()
        if lock is not None:
            os.close(lock)


def _remove_leftovers(target: Path) -> None:
    """Remove temporary files of `target` whose process is gone: it holds their lock no more."""
    pattern = re.compile(rf"\.{re.escape(target.name)}\.[0-9]+\.tmp")
    with contextlib.suppress(OSError):  # a folder that can be written and not listed
        for path in target.parent.iterdir():
            if pattern.fullmatch(path.name):
                with contextlib.suppress(OSError), open(path, "rb") as file:
                    if lock_file(file.fileno()):
                        path.unlink()


def lock_file(descriptor: int) -> bool:
    """Lock an open file or folder until it is closed; False where that can't be done, or another
    process has locked it."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked, or a file system that knows no locks
        return False
    return True


def check_writable(path) -> None:
    """ChallengeError where `replacing` would fail: before an hour's work, not after."""
    _check_replaceable(path)
    folder = next(folder for folder in Path(path).absolute().parents if folder.exists())
    if not folder.is_dir():
        raise ChallengeError(f"{path}: can't be written: {folder} is no folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ChallengeError(f"{path}: can't be written: no permission in {folder}")


def _check_replaceable(path) -> None:
    # Not even /dev/null: root would replace it. An empty name is that of the folder one is in.
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise ChallengeError(f"{path}: can't be written: is a folder, pipe or device")


def write_text(path, text: str, *, private: bool = False) -> None:
    """Write a text file as UTF-8, whole or not at all. ChallengeError where that is impossible."""
    with replacing(path, private=private) as temporary:
        temporary.write_text(text, encoding="utf-8")


class _PatientFile(io.FileIO):
    """A file that takes all that HDF5 writes, and keeps what the disk refused as `failure`.

    HDF5 must not meet a full disk itself: it can't close the file then, and crashes the process.
    """

    failure = None

    def write(self, data) -> int:
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
def new_h5(path, *, private: bool = False) -> Iterator[h5py.File]:
    """A new HDF5 file that is sealed and takes the name `path` when the block ends well, else goes.

    ChallengeError where it can't be written, a full disk included. `private`: for its owner alone,
    from its first byte. Signals are held back in the
    block, except where it calls `let_in`: HDF5 calls Python to write, and loses exceptions there.
    """
    with replacing(path, private=private) as temporary, _PatientFile(temporary, "w+") as disk:
        try:
            with held(), h5py.File(disk, "w") as file:
                yield file
            append_seal(disk)
        finally:
            if disk.failure is not None:
                raise disk.failure
