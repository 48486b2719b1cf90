"""Read a bundle: its competition.yaml, and the zips in it."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lartpc_challenge.cycles import find_cycle
from lartpc_challenge.format import ChallengeError
from organizer.competition import Competition, Phase
from organizer.score.worker import Task


@dataclass(frozen=True)
class Bundle(Competition):
    """A competition as a zip, such as dist/codabench.zip. keys: of the competition.yaml in it."""

    @property
    def hidden_phases(self) -> list[Phase]:
        """The hidden phases. Their submissions come from the phase before."""
        return [phase for phase in self.phases if phase.hidden]

    def listed(self, phase: Phase) -> dict[str, Any]:
        """Return the entry of a phase in competition.yaml."""
        return self.keys["phases"][phase.number - 1]

    def task(self, phase: Phase) -> dict[str, Any]:
        """Return the entry of a phase's task in competition.yaml."""
        (index,) = self.listed(phase)["tasks"]
        return next(task for task in self.keys["tasks"] if task["index"] == index)

    @property
    def columns(self) -> tuple[str, ...]:
        """The keys of the leaderboard's columns."""
        return tuple(column["key"] for column in self.keys["leaderboards"][0]["columns"])

    def read(self, name: str) -> bytes:
        """Return the bytes of a member of the zip. Raises ChallengeError if it is missing."""
        with _opened(self.path) as archive:
            try:
                return archive.read(name)
            except KeyError:
                raise ChallengeError(f"{self.path}: holds no {name}") from None

    def size(self, name: str) -> int:
        """Return the size of a member of the zip in bytes."""
        with _opened(self.path) as archive:
            return archive.getinfo(name).file_size

    def extract(self, name: str, folder: Path) -> Path:
        """Write a member of the zip into `folder`; return its path. Raises as `read`."""
        path = folder / Path(name).name
        path.write_bytes(self.read(name))
        return path

    def scoring_task(self, phase: Phase, folder: Path, reference: Path | None = None) -> Task:
        """Unpack the scoring task of a phase into `folder`. reference: a zip to use instead."""
        task = self.task(phase)
        return Task(
            scoring_program=self.extract(task["scoring_program"], folder),
            reference_data=reference or self.extract(task["reference_data"], folder),
            time_limit=self.listed(phase).get("execution_time_limit", 600),
            columns=self.columns,
        )


def read_bundle(path: Path, declared: Competition) -> Bundle:
    """Read a bundle in Codabench's format that was built from `declared`, or one of a benchmark.

    Raises ChallengeError for other files, and if the phases differ.
    """
    with _opened(path) as archive:
        try:
            competition = yaml.safe_load(archive.read("competition.yaml"))
        except KeyError:
            raise ChallengeError(
                f"{path}: holds no competition.yaml at its root; give the unchanged zip of make "
                "bundle"
            ) from None
        except yaml.YAMLError as reason:
            raise ChallengeError(f"{path}: its competition.yaml is damaged: {reason}") from reason
    if not isinstance(competition, dict) or str(competition.get("version")) != "2":
        raise ChallengeError(
            f"{path}: is not a bundle of version 2; these commands need dist/codabench.zip"
        )
    if competition.get("competition_type") == "benchmark":
        return Bundle(path, competition, _benchmark_phases(competition))
    names = [phase["name"] for phase in competition["phases"]]
    if names != [phase.name for phase in declared.phases]:
        raise ChallengeError(
            f"{path}: has the phases {', '.join(names)}, which are not those of {declared.path}; "
            "build it again, or give the competition.yaml that it was built from"
        )
    return Bundle(path, competition, declared.phases)


def _benchmark_phases(competition: dict[str, Any]) -> tuple[Phase, ...]:
    """Return the phases of a benchmark's bundle, whose tasks contain their cycle."""
    cycles = [find_cycle(task["cycle"]) for task in competition["tasks"]]
    listed = enumerate(zip(competition["phases"], cycles), start=1)
    return tuple(Phase(n, phase["name"], cycle, hidden=False) for n, (phase, cycle) in listed)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FileNotFoundError:
        raise ChallengeError(f"{path}: no such file; make bundle writes it") from None
    except (OSError, zipfile.BadZipFile) as reason:
        raise ChallengeError(f"{path}: can't be read as a zip: {reason}") from reason
