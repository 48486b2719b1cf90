"""Read and write the state, build/codabench.json: the server, the competition, unfinished work.

Only the owner can read it and the other files of these commands, from the first byte on: backups
contain addresses, and the state contains the key of an unpublished competition.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from lartpc_challenge.files import lock_file, write_text
from lartpc_challenge.format import ChallengeError

DEFAULT_STATE = Path("build/codabench.json")


@dataclass
class State:
    """The state that the commands share. It is saved after every change.

    declaration: the competition.yaml of the bundle. bundle: path of the uploaded zip, with its
    sha256. upload: an unfinished upload. competition: its id on the server. references: number of a
    phase -> key of the true reference on the server. opened: number of a phase -> time at which
    `open` finished. rehearsal: files and tasks of the temporary copy on the server.
    """

    path: Path = DEFAULT_STATE
    server: str = ""
    declaration: str = ""
    bundle: str = ""
    bundle_sha256: str = ""
    upload: dict = field(default_factory=dict)
    competition: int = 0
    references: dict[str, dict] = field(default_factory=dict)
    opened: dict[str, str] = field(default_factory=dict)
    rehearsal: dict = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> State:
        """Read the state from `path`; an empty state if there is no such file."""
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls(path)
        except (OSError, ValueError) as reason:
            raise ChallengeError(f"{path}: can't be read: {reason}") from reason
        known = {item.name for item in fields(cls)} - {"path"}
        if not isinstance(held, dict) or set(held) - known:
            raise ChallengeError(f"{path}: is not a state of these commands; move it away")
        return cls(path, **held)

    def save(self) -> None:
        """Write the state atomically."""
        held = asdict(self)
        del held["path"]
        write_private(self.path, json.dumps(held, indent=1) + "\n")

    def need_competition(self) -> int:
        """Return the id of the uploaded competition. Raises ChallengeError if there is none."""
        if not self.competition:
            raise ChallengeError(f"{self.path}: has no competition yet; run upload first")
        return self.competition


def write_private(path: Path, text: str) -> None:
    """Write a text file atomically, readable by its owner only."""
    private_folder(path.parent)
    write_text(path, text, private=True)


def private_folder(folder: Path) -> None:
    """Make a folder and its parents, readable by the owner only. Existing ones are not changed."""
    if not folder.is_dir():
        private_folder(folder.parent)
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as reason:
            raise ChallengeError(f"{folder}: can't be made: {reason.strerror}") from reason


@contextlib.contextmanager
def only_one(state: State) -> Iterator[None]:
    """Lock the competition in the block, so that only one command works on it."""
    private_folder(state.path.parent)
    lock = state.path.with_suffix(".lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if lock_file(descriptor) is False:
            raise ChallengeError(
                f"{lock}: another command is working on this competition; wait for it, or stop it"
            )
        yield
    finally:
        os.close(descriptor)
