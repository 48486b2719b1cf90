"""Watch commands that run in a test's own process, and those that they start."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from watched import sitecustomize

WATCH = Path(__file__).with_name("watched")
_watch_once = functools.cache(sitecustomize.watch)  # a hook stays to the end of the process


@contextlib.contextmanager
def nothing_exposed(folder: Path, *secret: str) -> Iterator[None]:
    """Check that other users can never read the files of some folders while the block runs.

    secret: names of these folders in `folder`. Temporary files are made in folder/tmp, and checked.
    """
    log = folder / "exposed"
    log.touch()
    (folder / "tmp").mkdir(exist_ok=True)
    names = ":".join((*secret, "tmp"))
    path = os.pathsep.join([str(WATCH), os.environ.get("PYTHONPATH", "")])
    _watch_once()
    with (
        mock.patch.dict(
            os.environ,
            WATCHED=str(folder),
            WATCH_SECRET=names,
            WATCH_LOG=str(log),
            TMPDIR=str(folder / "tmp"),
            PYTHONPATH=path,
        ),
        mock.patch.object(sys, "path", [str(WATCH), *sys.path]),
        mock.patch.object(tempfile, "tempdir", None),
        mock.patch.multiple(sitecustomize, FOLDER=str(folder), LOG=str(log), SECRET=names),
    ):
        yield
        for place in (folder / name for name in secret):
            for found in place.rglob("*"):
                assert not sitecustomize.is_exposed(str(folder), str(found), found.stat().st_mode)
    assert "open " not in log.read_text()
