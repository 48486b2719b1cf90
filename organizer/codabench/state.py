"""build/codabench.json: which competition on which server, and how far a command came.

It and all else that these commands write is for its owner alone from the first byte: backups hold
addresses, and the state the key of an unpublished competition.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from lartpc_challenge.files import write_text
from lartpc_challenge.format import ChallengeError

DEFAULT_STATE = Path("build/codabench.json")


@dataclass
class State:
    """What the commands must know of one another's work; every change is saved at once.

    declaration: the competition.yaml that the bundle was built from. bundle: path and sha256 of the
    uploaded zip. upload: an upload under way. competition: its id.
    references: phase's number -> key of the true reference on the server. opened: phase's number ->
    when `open` was content with it. rehearsal: what the throw-away copy left on the server.
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
        """What `path` holds; an empty state where there is no such file."""
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls(path)
        except (OSError, ValueError) as reason:
            raise ChallengeError(f"{path}: can't be read: {reason}") from reason
        known = {item.name for item in fields(cls)} - {"path"}
        if not isinstance(held, dict) or set(held) - known:
            raise ChallengeError(f"{path}: is no state of these commands; move it away")
        return cls(path, **held)

    def save(self) -> None:
        """Write it, whole or not at all."""
        held = asdict(self)
        del held["path"]
        write_private(self.path, json.dumps(held, indent=1) + "\n")

    def need_competition(self) -> int:
        """The id of the uploaded competition. ChallengeError where none is."""
        if not self.competition:
            raise ChallengeError(f"{self.path}: names no competition yet; run upload first")
        return self.competition


def write_private(path: Path, text: str) -> None:
    """Write a text for its owner alone, whole or not at all."""
    private_folder(path.parent)
    write_text(path, text, private=True)


def private_folder(folder: Path) -> None:
    """Make a folder, and those above it, for its owner alone; one that exists stays as it is."""
    if not folder.is_dir():
        private_folder(folder.parent)
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as reason:
            raise ChallengeError(f"{folder}: can't be made: {reason.strerror}") from reason


@contextlib.contextmanager
def only_one(state: State) -> Iterator[None]:
    """Keep a second command off the same competition until the block ends."""
    private_folder(state.path.parent)
    lock = state.path.with_suffix(".lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ChallengeError(
            f"{lock}: another command is at work on this competition; wait for it, or end it"
        ) from None
    else:
        yield
    finally:
        os.close(descriptor)
