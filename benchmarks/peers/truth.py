"""Write test events together with their truth."""

from __future__ import annotations

from pathlib import Path

from lartpc_challenge.events import EventFile, write_events
from organizer.competition import read_competition
from organizer.phases.split import labelled_test_events
from organizer.source import reference_file


def with_truth(test: EventFile, references: Path, folder: Path) -> Path:
    """Write a file in `folder` with the test events and their labels from both references."""
    out, phases = folder / "test.h5", read_competition().phases_of(test.cycle)
    paths = [reference_file(references, phase.number) for phase in phases]
    labelled = labelled_test_events(test, paths)
    write_events(out, labelled, kind="train", cycle=test.cycle.number, scale=test.scale)
    return out
