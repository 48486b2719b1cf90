"""Write test events together with their truth."""

from __future__ import annotations

from pathlib import Path

from lartpc_challenge.events import EventFile, EventWriter
from organizer.competition import read_competition
from organizer.phases.split import labelled_test_events
from organizer.source import reference_file


def with_truth(test: EventFile, references: Path, folder: Path) -> Path:
    """Write a file in `folder` with the test events and their labels from both references."""
    out = folder / "test.h5"
    with EventWriter(out, kind="train", cycle=test.cycle.number, scale=test.scale) as labelled:
        phases = read_competition().phases_of(test.cycle)
        paths = [reference_file(references, phase.number) for phase in phases]
        for event in labelled_test_events(test, paths):
            labelled.append(event)
    return out
