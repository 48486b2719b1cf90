"""Collect the files of the starting kit: baseline, package, licences and sample submissions.

The kit's zip unpacks into one folder, FOLDER. archives.py lists the files that it may contain.
"""

from __future__ import annotations

import subprocess
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from lartpc_challenge.events import EventFile
from lartpc_challenge.submission.forms import write_submission
from organizer.bundle.archives import EARLIEST, Content, folder_members
from organizer.scratch import scratch_folder

FOLDER = "lartpc_starting_kit"
# The address in the kit's README, which is replaced by that of the competition.
_EXAMPLE_CONTACT = "organizers@example.org"


def kit_members(root: Path, contact: str, *, weights: bool = False) -> dict[str, Content]:
    """Return the files of the kit: name in FOLDER -> content.

    root: the repository. contact: the competition's e-mail address. weights: add the shipped
    baseline's weights as weights/cycleN.pt and general.pt. Raises ChallengeError if a folder is
    missing or contains a file that is not allowed.
    """
    members = {
        **folder_members(root / "starting_kit", "starting_kit"),
        **folder_members(
            root / "scoring_program/lartpc_challenge", "starting_kit", prefix="lartpc_challenge/"
        ),
        **{name: root / name for name in ("LICENSE", "LICENSE-DATA.md")},
    }
    for path in sorted((root / "starting_kit/data").glob("cycle*_test.h5")):
        name = f"sample_submissions/{path.stem.replace('_test', '')}.zip"
        members[name] = _sample_submission(path)
    if weights:
        for path in sorted((root / "baseline_submission").glob("*/model.pt")):
            members[f"weights/{path.parent.name}.pt"] = path
    readme = members.get("README.md")
    if isinstance(readme, Path):
        text = readme.read_text(encoding="utf-8")
        members["README.md"] = text.replace(_EXAMPLE_CONTACT, contact).encode()
    return members


def _sample_submission(test_file: Path) -> bytes:
    """Return a valid submission in which every voxel has the label 1."""
    with scratch_folder("kit") as folder, EventFile(test_file, kind="test") as events:
        path = folder / "submission.zip"
        pred = np.ones(events.n_voxels, np.uint8)
        write_submission(path, events.event_id, events.offset, pred)
        return path.read_bytes()


def commit_date(root: Path) -> datetime:
    """Return the date of the current commit of `root` in UTC; EARLIEST without git."""
    command = ["git", "-C", str(root), "log", "-1", "--format=%ct"]
    try:
        seconds = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return EARLIEST
    return datetime.fromtimestamp(int(seconds), timezone.utc).replace(tzinfo=None)
