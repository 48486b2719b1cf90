"""Temporary folders for secrets, which are removed even if the process was killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lartpc_challenge.files import lock_file, temporary_folder

_NEW_SECONDS = 60  # a newer folder may not be locked yet


@contextlib.contextmanager
def scratch_folder(purpose: str, parent: Path | None = None) -> Iterator[Path]:
    """Yield a new folder that only its owner can read, in `parent` or the system's folder.

    It is removed at the end of the block. Folders of killed processes with the same purpose are
    removed now: a running process holds a lock on its folder.
    """
    parent = temporary_folder() if parent is None else parent
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
    """Remove a folder that belongs to this user and that no process has locked."""
    with contextlib.suppress(OSError):
        found = path.lstat()
        if found.st_uid != os.geteuid():
            return
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            is_new = time.time() - found.st_mtime < _NEW_SECONDS and not any(path.iterdir())
            if lock_file(lock) and not is_new:
                for folder, _, _ in os.walk(path):  # folders of a worker can be read-only
                    os.chmod(folder, 0o700)
                shutil.rmtree(path)
        finally:
            os.close(lock)


def make_private(folder: Path) -> None:
    """Make a folder that only its owner can read."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
