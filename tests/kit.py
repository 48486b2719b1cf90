"""Unzip the starting kit like a participant, and run its commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from lartpc_challenge.events import EventFile, EventWriter
from organizer.bundle.kit import kit_members

ROOT = Path(__file__).parent.parent


def make_kit(folder: Path) -> Path:
    """Write the files of the bundle's kit to `folder`, and return it."""
    for name, content in kit_members(ROOT, "the organisers").items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            shutil.copy(content, target)
    return folder


def keep_events(path: Path, n_events: int) -> None:
    """Remove all events but the first `n_events` from an event file."""
    with EventFile(path) as events:
        kept = [events[i] for i in range(n_events)]
        kind, cycle, scale = events.kind, events.cycle.number, events.scale
    with EventWriter(path, kind=kind, cycle=cycle, scale=scale) as out:
        for event in kept:
            out.append(event)


def participant() -> dict[str, str]:
    """Return an environment without our import paths, as a participant has it.

    Without PYTHONSAFEPATH, `python -m` searches the current folder first.
    """
    ours = ("PYTHONPATH", "PYTHONSAFEPATH")
    return {**{k: v for k, v in os.environ.items() if k not in ours}, "OMP_NUM_THREADS": "1"}


def run_python(folder: Path, *arguments: str) -> str:
    """Run `python ARGUMENTS` in `folder`; return what it prints. AssertionError if it fails."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=participant(), capture_output=True, text=True
    )
    assert done.returncode == 0, f"{arguments} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout
