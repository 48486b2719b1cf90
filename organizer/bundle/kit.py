"""The starting kit as participants get it: the kit's files, the package, licences and samples.

Its zip unpacks into one folder, FOLDER. What it may hold is on the list in archives.py.
"""

from __future__ import annotations

import subprocess
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from lartpc_challenge.events import EventFile
from lartpc_challenge.submission.forms import write_submission
from organizer.bundle.archives import EARLIEST, Content, folder_members

FOLDER = "lartpc_starting_kit"
# The address in the kit's README, which becomes the competition's.
_EXAMPLE_CONTACT = "organizers@example.org"


def kit_members(root: Path, contact: str, *, weights: bool = False) -> dict[str, Content]:
    """Every file of the kit by its name in FOLDER.

    root: the repository. contact: the competition's e-mail address. weights: whether the shipped
    baseline's weights are part of it, as weights/cycleN.pt. ChallengeError where a folder is
    missing or holds a file that no kit may hold.
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
        for path in sorted((root / "baseline_submission").glob("cycle*/model.pt")):
            members[f"weights/{path.parent.name}.pt"] = path
    readme = members.get("README.md")
    if isinstance(readme, Path):
        text = readme.read_text(encoding="utf-8")
        members["README.md"] = text.replace(_EXAMPLE_CONTACT, contact).encode()
    return members


def _sample_submission(test_file: Path) -> bytes:
    """A valid submission that gives every voxel the label 1."""
    with tempfile.TemporaryDirectory() as folder, EventFile(test_file, kind="test") as events:
        path = Path(folder, "submission.zip")
        pred = np.ones(events.n_voxels, np.uint8)
        write_submission(path, events.event_id, events.offset, pred)
        return path.read_bytes()


def commit_date(root: Path) -> datetime:
    """When the commit that `root` is at was made, in UTC; EARLIEST where there is no git."""
    command = ["git", "-C", str(root), "log", "-1", "--format=%ct"]
    try:
        seconds = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return EARLIEST
    return datetime.fromtimestamp(int(seconds), timezone.utc).replace(tzinfo=None)
