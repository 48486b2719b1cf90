"""Temporary folders that hold secrets, and go even where the process was killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lartpc_challenge.files import lock_file
from lartpc_challenge.format import ChallengeError

_NEW_SECONDS = 60  # a folder this young may wait for its lock


@contextlib.contextmanager
def scratch_folder(purpose: str, parent: Path | None = None) -> Iterator[Path]:
    """A new folder for its owner alone, in `parent` or the system's temporary folder.

    It goes at the block's end. What killed processes left there for the same purpose goes now: a
    process locks its folder for as long as it lives.
    """
    parent = Path(tempfile.gettempdir()) if parent is None else parent
    prefix = f".lartpc-challenge-{purpose}-"
    for path in parent.glob(f"{prefix}*"):
        _remove_leftover(path)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as name:
        lock = os.open(name, os.O_RDONLY)
        try:
            lock_file(lock)
            yield Path(name)
        finally:
            os.close(lock)


def _remove_leftover(path: Path) -> None:
    """Remove a folder that no process has locked, and that belongs to this user."""
    with contextlib.suppress(OSError):
        found = path.lstat()
        if found.st_uid != os.geteuid():
            return
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            is_new = time.time() - found.st_mtime < _NEW_SECONDS and not any(path.iterdir())
            if lock_file(lock) and not is_new:
                for folder, _, _ in os.walk(path):  # a worker's folders are read-only at times
                    os.chmod(folder, 0o700)
                shutil.rmtree(path)
        finally:
            os.close(lock)


def make_private(folder: Path) -> None:
    """Make a folder that its owner alone can look into."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as reason:
        raise ChallengeError(f"{folder}: can't be written: {reason.strerror}") from reason
