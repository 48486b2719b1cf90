"""Collect the files of a publication, with their sizes, checksums and authors."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import EventFile
from lartpc_challenge.files import replacing
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.reference import read_truth
from organizer.bundle.contents import source_problems
from organizer.competition import ROOT
from organizer.source import Source, public_files, sha256_of

LICENCE_URL = "https://creativecommons.org/licenses/by/4.0/"
LIMITS = (
    "The mix of particles and energies was chosen to make the task difficult; it is not that of an "
    "experiment. The detector is simple or ideal; electronics, reconstruction and neutrinos are "
    "not simulated. A network that was trained on these data must be trained and tested again for "
    "a real detector."
)


@dataclass(frozen=True)
class PublishedFile:
    """A published file. name: path in the release's folder. what: a sentence about it."""

    path: Path
    name: str
    what: str
    n_bytes: int
    sha256: str
    n_events: int
    n_voxels: int


@dataclass(frozen=True)
class Release:
    """A publication. scale: demonstration or full. url: address of its files, or empty.

    authors, title, version: from CITATION.cff. with_references: it contains the truth.
    """

    title: str
    authors: tuple[str, ...]
    version: str
    day: date
    scale: str
    with_references: bool
    cycles: tuple[Cycle, ...]
    files: tuple[PublishedFile, ...]
    url: str = ""

    @property
    def n_events(self) -> int:
        """The number of train and test events of all cycles."""
        return sum(file.n_events for file in self.files if file.n_voxels)

    @property
    def citation(self) -> str:
        """The authors, year and title, as a reference list names them."""
        return f"{'; '.join(self.authors)} ({self.day.year}). {self.title}"

    @property
    def summary(self) -> str:
        """A description of the data in one or two sentences."""
        cycles = "; ".join(
            f"cycle {cycle.number} {', '.join(cycle.class_names)}" for cycle in self.cycles
        )
        demonstration = (
            " These are demonstration data, whose hidden labels are public."
            if self.scale == "demonstration"
            else ""
        )
        return (
            f"{self.n_events:,} simulated events of a liquid-argon time projection chamber in "
            "voxels of 3 mm, each with energy and, in train files, the class of particle that left "
            f"most of it ({cycles}).{demonstration}"
        )


def gather(source: Source, *, with_references: bool, day: date, url: str = "") -> Release:
    """Collect the files to publish. Raises ChallengeError if one is missing or has secret data."""
    cycles = source.competition.cycles
    with EventFile(source.train(cycles[0])) as events:
        scale = events.scale
    problems = list(source_problems(source, scale=scale))
    if problems:
        raise ChallengeError("\n  - ".join(("nothing was written, because", *problems)))
    files = []
    for cycle in cycles:
        for path in public_files(source.events, cycle):
            with EventFile(path) as events:
                kind, n_events, n_voxels = events.kind, len(events), events.n_voxels
            what = f"{n_events:,} {kind} events of cycle {cycle.number}, {n_voxels:,} voxels"
            files.append(_file(path, path.name, what, n_events, n_voxels))
        for phase in source.competition.phases_of(cycle) if with_references else ():
            path = source.reference(phase)
            n_events = len(read_truth(path).event_id)
            what = f"labels of the {n_events:,} test events that phase {phase.number} scores"
            name = f"reference_data/phase{phase.number}/reference.h5"
            files.append(_file(path, name, what, n_events))
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    return Release(
        title=citation["title"],
        authors=tuple(map(_author, citation["authors"])),
        version=str(citation["version"]),
        day=day,
        scale=scale,
        with_references=with_references,
        cycles=cycles,
        files=tuple(files),
        url=url.rstrip("/"),
    )


def _author(entry: dict[str, str]) -> str:
    return entry.get("name") or f"{entry['family-names']}, {entry['given-names']}"


def _file(path: Path, name: str, what: str, n_events: int, n_voxels: int = 0) -> PublishedFile:
    n_bytes = path.stat().st_size
    return PublishedFile(path, name, what, n_bytes, sha256_of(path), n_events, n_voxels)


def copy(path: Path, target: Path) -> None:
    """Copy a file; an existing one is replaced."""
    with replacing(target) as temporary:
        shutil.copyfile(path, temporary)
