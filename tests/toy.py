"""Make small random events, truths and predictions for the tests."""

from __future__ import annotations

import os
import shutil
import subprocess

import numpy as np
import pytest

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.events import Event, EventWriter
from lartpc_challenge.format import GRID_SIZE
from lartpc_challenge.reference import write_placeholder, write_reference
from organizer.competition import read_competition

COMPETITION = read_competition()
TRIVIAL = {
    "majority": {"acc_at_80": 0.7512345, "acc_at_50": 0.61, "acc_mean": 0.6},
    "threshold": {"acc_at_80": 0.82, "acc_at_50": 0.7123456, "acc_mean": 0.7},
}


def make_events(n_events: int, *, cycle: int = 2, n_voxels=(1, 60), seed: int = 1) -> list[Event]:
    """Events with distinct voxels, ids in no order, labels and energies of a class each."""
    rng = np.random.default_rng(seed)
    ids = rng.permutation(100 * n_events)[:n_events]
    return [_make_event(int(i), CYCLES[cycle].labels, rng.integers(*n_voxels), rng) for i in ids]


def _make_event(event_id, labels, n, rng) -> Event:
    flat = rng.choice(GRID_SIZE**3, size=n, replace=False)
    coords = np.stack(np.unravel_index(flat, (GRID_SIZE,) * 3), axis=1).astype(np.uint8)
    label = rng.choice(np.array(labels, np.uint8), size=n)
    energy = rng.exponential(0.3 * label).astype(np.float32) + np.float32(0.05)
    return Event(event_id, coords, energy, label)


def offsets(events) -> np.ndarray:
    return np.cumsum([0, *map(len, events)])


def labels(events) -> np.ndarray:
    return np.concatenate([event.label for event in events])


def degrade(events, error_rates, n_labels: int, seed: int = 2) -> np.ndarray:
    """Return all labels; in each event the given share of them (rounded down) is wrong."""
    rng = np.random.default_rng(seed)
    parts = []
    for event, rate in zip(events, error_rates):
        pred = event.label.copy()
        wrong = rng.choice(len(pred), size=int(rate * len(pred)), replace=False)
        pred[wrong] = (pred[wrong] + rng.integers(1, n_labels, len(wrong))) % n_labels
        parts.append(pred)
    return np.concatenate(parts)


def without_labels(event: Event) -> Event:
    return Event(event.event_id, event.coords, event.energy)


def make_reference(path, events, *, phase: int, scored=None, scale="demonstration", trivial=None):
    """A reference of `phase`: `events` are the test events, those with indices `scored` its own."""
    scored = range(0, len(events), 2) if scored is None else scored
    known = COMPETITION.phase(phase)
    write_reference(
        path,
        cycle=known.cycle,
        phase=phase,
        hidden=known.hidden,
        scale=scale,
        truth=[events[i] for i in scored],
        test=[without_labels(event) for event in events],
        trivial=TRIVIAL if trivial is None else trivial,
    )


def make_placeholder(path, *, phase: int, scale="demonstration"):
    """A placeholder of `phase`."""
    known = COMPETITION.phase(phase)
    write_placeholder(path, cycle=known.cycle, phase=phase, hidden=known.hidden, scale=scale)


def make_events_file(path, events, *, kind: str, cycle: int, scale: str = "demonstration"):
    with EventWriter(path, kind=kind, cycle=cycle, scale=scale) as out:
        for event in events:
            out.append(event if kind == "train" else without_labels(event))


def old_python() -> str:
    """A Python 3.9 with numpy and h5py, as in the platforms' image; skips the test without one.

    OLD_PYTHON names it, or `python3.9` is on the path.
    """
    candidate = os.environ.get("OLD_PYTHON") or shutil.which("python3.9")
    if candidate is None:
        pytest.skip("no Python 3.9: set OLD_PYTHON to one that has numpy and h5py")
    probe = "import sys, h5py, numpy; assert sys.version_info[:2] == (3, 9)"
    if subprocess.run([candidate, "-c", probe], capture_output=True).returncode:
        pytest.skip(f"{candidate} is no Python 3.9 with numpy and h5py")
    return candidate
