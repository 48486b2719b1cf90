"""What the commands must know of a bundle: its competition.yaml, and the zips inside it."""

from __future__ import annotations

import contextlib
import hashlib
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lartpc_challenge.format import ChallengeError
from organizer.score.worker import Task


@dataclass(frozen=True)
class Phase:
    """A phase of the bundle. number: from 1 on. cycle: that of its task.

    hidden: its submissions come from the phase before it. task: index in `tasks` of the yaml.
    """

    number: int
    name: str
    cycle: int
    hidden: bool
    task: int


@dataclass(frozen=True)
class Bundle:
    """dist/codabench.zip. competition: its competition.yaml as a dict."""

    path: Path
    competition: dict[str, Any]

    @property
    def phases(self) -> list[Phase]:
        """In the order in which they are open."""
        return phases_of(self.competition)

    @property
    def hidden_phases(self) -> list[Phase]:
        """Those that take their submissions from the phase before them."""
        return [phase for phase in self.phases if phase.hidden]

    def phase(self, number: int) -> Phase:
        """The phase `number`. ChallengeError where there is none."""
        for phase in self.phases:
            if phase.number == number:
                return phase
        raise ChallengeError(f"{self.path}: has no phase {number}, but {len(self.phases)} phases")

    def task(self, phase: Phase) -> dict[str, Any]:
        """What the yaml says of a phase's task."""
        return next(t for t in self.competition["tasks"] if t["index"] == phase.task)

    def read(self, name: str) -> bytes:
        """A member of the zip."""
        with _opened(self.path) as archive:
            try:
                return archive.read(name)
            except KeyError:
                raise ChallengeError(f"{self.path}: holds no {name}") from None

    def size(self, name: str) -> int:
        """Bytes of a member of the zip."""
        with _opened(self.path) as archive:
            return archive.getinfo(name).file_size

    def extract(self, name: str, folder: Path) -> Path:
        """Write a member into `folder` and return its path."""
        path = folder / Path(name).name
        path.write_bytes(self.read(name))
        return path

    def scoring_task(self, phase: Phase, folder: Path, reference: Path | None = None) -> Task:
        """What a worker runs in a phase, unpacked into `folder`; with another reference zip."""
        task = self.task(phase)
        listed = self.competition["phases"][phase.number - 1]
        columns = self.competition["leaderboards"][0]["columns"]
        return Task(
            scoring_program=self.extract(task["scoring_program"], folder),
            reference_data=reference or self.extract(task["reference_data"], folder),
            time_limit=listed.get("execution_time_limit", 600),
            columns=tuple(column["key"] for column in columns),
        )


def read_bundle(path: Path) -> Bundle:
    """A bundle in Codabench's dialect. ChallengeError for anything else."""
    with _opened(path) as archive:
        try:
            competition = yaml.safe_load(archive.read("competition.yaml"))
        except KeyError:
            raise ChallengeError(
                f"{path}: holds no competition.yaml at its root; give the zip that make bundle "
                "wrote, as it is"
            ) from None
        except yaml.YAMLError as reason:
            raise ChallengeError(f"{path}: its competition.yaml is damaged: {reason}") from reason
    if not isinstance(competition, dict) or str(competition.get("version")) != "2":
        raise ChallengeError(
            f"{path}: is no bundle of version 2; these commands need dist/codabench.zip"
        )
    return Bundle(path, competition)


def phases_of(competition: dict[str, Any]) -> list[Phase]:
    """The phases of a competition.yaml, numbered from 1; two phases in turn make a cycle."""
    return [
        Phase(
            number=number,
            name=listed["name"],
            cycle=_cycle_of(competition["phases"], number),
            hidden=number % 2 == 0,
            task=listed["tasks"][0],
        )
        for number, listed in enumerate(competition["phases"], start=1)
    ]


def sha256_of(path: Path) -> str:
    """The sha256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as reason:
        raise ChallengeError(f"{path}: can't be read: {reason.strerror}") from reason
    return digest.hexdigest()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FileNotFoundError:
        raise ChallengeError(f"{path}: no such file; make bundle writes it") from None
    except (OSError, zipfile.BadZipFile) as reason:
        raise ChallengeError(f"{path}: can't be read as a zip: {reason}") from reason


def _cycle_of(phases: list[dict[str, Any]], number: int) -> int:
    """The cycle of phase `number`: by its pair's public data, cycleN_data.zip, or by its place."""
    pair = (number - 1) // 2
    found = re.fullmatch(r"cycle(\d+)_data\.zip", phases[2 * pair].get("public_data", ""))
    return int(found[1]) if found else pair + 1
