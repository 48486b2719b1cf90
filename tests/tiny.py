"""Make small data of a competition: all files of `make data`, with a few toy events."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from toy import COMPETITION, degrade, make_events, make_events_file, make_reference, offsets

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.events import Event
from lartpc_challenge.submission.forms import write_submission

ROOT = Path(__file__).resolve().parents[1]
N_TEST = 6
# Voxels an event: shares of them can be told by hand.
N_VOXELS = 40


@dataclass(frozen=True)
class Tiny:
    """folder: as `make data` writes it. test: cycle -> test events with their labels, of which the
    public phase scores those in even places, the hidden phase the others."""

    folder: Path
    test: dict[int, list[Event]]

    def submit(self, path: Path, cycle: int, error_rates=(0.0,) * N_TEST, seed: int = 2) -> Path:
        """Write a submission in which each test event has this share of wrong labels."""
        events = self.test[cycle]
        pred = degrade(events, error_rates, n_labels=CYCLES[cycle].n_labels, seed=seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_submission(path, np.array([e.event_id for e in events]), offsets(events), pred)
        return path


def make_tiny(folder: Path, scale: str = "full", baseline: bool = True) -> Tiny:
    """Write the data of the competition's cycles, and a perfect baseline submission for each."""
    folder.mkdir(parents=True, exist_ok=True)
    test = {}
    for cycle in COMPETITION.cycles:
        number = cycle.number
        sizes = (N_VOXELS, N_VOXELS + 1)
        train = make_events(4, cycle=number, n_voxels=sizes, seed=10 * number)
        events = make_events(N_TEST, cycle=number, n_voxels=sizes, seed=10 * number + 1)
        test[number] = [replace(event, event_id=event.event_id + 10_000) for event in events]
        for kind, chosen in (("train", train), ("test", test[number])):
            path = folder / f"cycle{number}_{kind}.h5"
            make_events_file(path, chosen, kind=kind, cycle=number, scale=scale)
        for first, phase in enumerate(COMPETITION.phases_of(cycle)):
            path = folder / "reference_data" / f"phase{phase.number}" / "reference.h5"
            scored = range(first, N_TEST, 2)
            make_reference(path, test[number], phase=phase.number, scored=scored, scale=scale)
    tiny = Tiny(folder, test)
    if baseline:
        for number in test:
            tiny.submit(folder / f"baseline_submission/cycle{number}/submission.zip", number)
    return tiny


def copy_repository(target: Path) -> Path:
    """Copy the files that a bundle is built from, without data; tests may change them."""
    for name in ("scoring_program", "pages"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    ignored = shutil.ignore_patterns("__pycache__", "data")
    shutil.copytree(ROOT / "starting_kit", target / "starting_kit", ignore=ignored)
    for name in ("competition.yaml", "LICENSE", "LICENSE-DATA.md"):
        shutil.copy(ROOT / name, target / name)
    return target
