"""Make the submissions of a rehearsal: the baselines, and zips with common mistakes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from lartpc_challenge.events import Event, EventFile
from lartpc_challenge.reference import read_manifest, write_reference
from organizer.codabench.bundle import Bundle
from organizer.codabench.rehearse import Try
from organizer.competition import Phase
from organizer.source import Source


def all_tries(public: list[Phase], baselines: Mapping[int, Path], folder: Path) -> Iterator[Try]:
    """Yield the baseline of each cycle for its public phase, and broken zips.

    public: the public phases. baselines: number of a cycle -> submission. folder: for the broken
    zips. A phase accepts five submissions per account and day.
    """
    for phase in public:
        yield Try(phase.number, "baseline", baselines[phase.cycle.number])
    first, second = public[:2]
    good = baselines[first.cycle.number].read_bytes()
    yield Try(first.number, "cut short", _written(folder / "cut_short.zip", good[: len(good) // 2]))
    yield Try(first.number, "of another cycle", baselines[second.cycle.number])
    yield Try(
        first.number, "no prediction in it", _zip(folder / "notes.zip", "notes.txt", b"hello")
    )
    yield Try(second.number, "no zip", _written(folder / "no_zip.zip", b"PK? no."))
    yield Try(second.number, "an empty zip", _zip(folder / "empty.zip", "", b""))


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _zip(path: Path, name: str, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        if name:
            archive.writestr(name, content)
    return path


def holds_placeholder(bundle: Bundle, phase: Phase, folder: Path) -> bool:
    """Return whether the bundle has a placeholder for the phase."""
    path = bundle.extract(bundle.task(phase)["reference_data"], folder)
    with zipfile.ZipFile(path) as archive:
        return read_manifest(archive.extract("reference.h5", folder)) is None


def stand_in(phase: Phase, source: Source, scale: str, folder: Path) -> Path:
    """Write a zip with a stand-in reference for a hidden phase: random labels, half of the events.

    It is made from the test file only, so that it reveals no truth.
    """
    cycle, rng = phase.cycle, np.random.default_rng()
    with EventFile(source.test(cycle)) as events:
        test = list(events)
    chosen = rng.permutation(len(test))[: max(1, len(test) // 2)]
    labels = np.array(cycle.labels, np.uint8)
    truth = [
        Event(e.event_id, e.coords, e.energy, rng.choice(labels, size=len(e)))
        for e in (test[i] for i in chosen)
    ]
    path = folder / "reference.h5"
    write_reference(
        path,
        cycle=cycle,
        phase=phase.number,
        hidden=True,
        scale=scale,
        truth=iter(truth),
        test=iter(test),
        trivial={},
    )
    return _zip(folder / f"stand_in_{phase.number}.zip", "reference.h5", path.read_bytes())
