"""The command backup: copy new submissions, scores and participants into a folder.

  FOLDER/PARTICIPANT/cycleN/ID_NAME.zip      finished in the cycle's public phase: these count
  FOLDER/PARTICIPANT/failed/cycleN/...       failed or cancelled in the public phase
  FOLDER/PARTICIPANT/hidden/phaseN/...       uploaded into a hidden phase by its owner
  FOLDER/PARTICIPANT/deleted/cycleN/...      no longer on the server
  FOLDER/submissions.json                    the server's data of each submission, and its file
  FOLDER/participants.json                   names, addresses, status

`make leaderboard SUBMISSIONS=FOLDER` can read the folder. A file's modification time is the time of
its upload.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lartpc_challenge.format import ChallengeError
from organizer.codabench.bundle import Bundle
from organizer.codabench.client import ServerError
from organizer.codabench.session import Session
from organizer.codabench.state import private_folder, write_private
from organizer.codabench.submissions import Submission, file_urls, read_submission
from organizer.competition import Phase
from organizer.source import sha256_of

DEFAULT_FOLDER = Path("build/backup")
_OURS = ("file", "sha256")  # keys that the index adds to the server's


@dataclass
class Backup:
    """The index of a backup. submissions: id -> JSON of the server, phase_number, keys of _OURS."""

    folder: Path
    submissions: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Backup:
        """Read the index of `folder`; an empty one if there is none."""
        path = folder / "submissions.json"
        try:
            return cls(folder, json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls(folder)
        except (OSError, ValueError) as reason:
            raise ChallengeError(f"{path}: can't be read: {reason}") from reason

    def save(self) -> None:
        """Write the index atomically."""
        text = json.dumps(self.submissions, indent=1, sort_keys=True)
        write_private(self.folder / "submissions.json", text + "\n")

    def read(self) -> Iterator[tuple[Submission, dict[str, Any]]]:
        """Yield each submission with its data in the index, the oldest first."""
        for number in sorted(self.submissions, key=int):
            yield read_submission(self.submissions[number]), self.submissions[number]

    def sha256(self, number: int) -> str | None:
        """Return the sha256 of a submission's file; None without a file."""
        return self.submissions.get(str(number), {}).get("sha256")

    def path(self, number: int) -> Path | None:
        """Return the path of a submission's file; None if the backup does not have it."""
        name = self.submissions.get(str(number), {}).get("file")
        path = self.folder / name if name else None
        return path if path and path.is_file() else None


def backup(session: Session, folder: Path, phases: list[int] | None = None) -> Backup:
    """Update the backup in `folder`. phases: numbers of the phases; all of them for None."""
    bundle, server = session.bundle(), session.server
    kept, n_new = Backup.load(folder), 0
    private_folder(folder)
    for phase, answer in zip(bundle.phases, session.phases()):
        if phases is not None and phase.number not in phases:
            continue
        listed = {str(a["id"]): a for a in server.items("submissions/", phase=answer["id"])}
        for number, entry in kept.submissions.items():
            gone = entry["phase_number"] == phase.number and number not in listed
            if gone and not entry.get("deleted"):
                entry["deleted"] = f"{session.now():%Y-%m-%d %H:%M}"
                session.log(f"submission {number} of {entry['owner']} is no longer on the server")
        for number, item in listed.items():
            former = kept.submissions.get(number, {})
            kept.submissions[number] = {
                **item,
                "phase_number": phase.number,
                **{name: former.get(name) for name in _OURS},
            }
        n_new += _fetch_files(session, kept, phase, listed)
        _sort_files(kept, bundle)
        kept.save()
    if phases is None:
        people = list(server.items("participants/", competition=session.state.need_competition()))
        write_private(folder / "participants.json", json.dumps(people, indent=1) + "\n")
    session.log(f"{folder}: {len(kept.submissions)} submissions, {n_new} of them new")
    return kept


def _fetch_files(session: Session, kept: Backup, phase: Phase, listed: dict[str, dict]) -> int:
    """Download the missing files one by one; return their number."""
    missing = [int(number) for number in listed if not kept.path(int(number))]
    urls = file_urls(session.server, missing)
    for number in sorted(urls):
        entry = kept.submissions[str(number)]
        path = _place(kept.folder, entry, phase)
        private_folder(path.parent)
        try:
            session.server.fetch_file(urls[number], path)
        except ServerError as problem:
            if problem.status in (403, 404):
                session.log(f"submission {number} has no file on the server: {problem}")
                continue
            raise
        uploaded = read_submission(entry).created.timestamp()
        os.utime(path, (uploaded, uploaded))
        entry["file"] = str(path.relative_to(kept.folder))
        entry["sha256"] = sha256_of(path)
        kept.save()
    return len(urls)


def _sort_files(kept: Backup, bundle: Bundle) -> None:
    """Move every file to the folder of its submission's present status."""
    for number, entry in kept.submissions.items():
        path = kept.path(int(number))
        target = _place(kept.folder, entry, bundle.phase(entry["phase_number"]))
        if path and path != target:
            private_folder(target.parent)
            os.replace(path, target)
            entry["file"] = str(target.relative_to(kept.folder))


def _place(folder: Path, entry: dict[str, Any], phase: Phase) -> Path:
    submission = read_submission(entry)
    plain = re.sub(r"[^\w.-]", "_", submission.filename, flags=re.ASCII)[-80:]
    name = f"{submission.id:06d}_{plain.removesuffix('.zip')}.zip"
    cycle = f"cycle{phase.cycle.number}"
    if entry.get("deleted"):
        place = Path("deleted", cycle)
    elif phase.hidden:
        place = Path("hidden", f"phase{phase.number}")
    else:
        place = Path(cycle) if submission.finished else Path("failed", cycle)
    return folder / _folder_name(submission.owner) / place / name


def _folder_name(owner: str) -> str:
    """Return a folder name for a participant: unique, and not hidden."""
    name = quote(owner, safe=" @+")
    return f"%2E{name[1:]}" if name.startswith(".") else name


def changes(kept: Backup, submissions: list[Submission]) -> list[str]:
    """Return the differences between submissions on the server and in the backup, as sentences."""
    now = {submission.id: submission for submission in submissions}
    sentences = []
    for before, entry in kept.read():
        after = now.get(before.id)
        who = f"submission {before.id} of {before.owner}, {entry['phase_name']}"
        if after is None:
            sentences.append(f"{who}: deleted ({entry.get('deleted') or 'since the last backup'})")
            continue
        for name in ("owner", "status", "scores", "fact_sheet", "phase"):
            was, is_now = getattr(before, name), getattr(after, name)
            if was != is_now and before.ended:
                sentences.append(f"{who}: {name} was {was}, is {is_now}")
    return sentences
