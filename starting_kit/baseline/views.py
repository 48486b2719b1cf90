"""What of an event can be shown: its energy, truth, prediction and mistakes, as coloured voxels.

display.py draws these views to be turned about, picture.py draws them for print.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lartpc_challenge.cycles import EMPTY, Cycle
from lartpc_challenge.events import Event, EventFile
from lartpc_challenge.format import GRID_SIZE, VOXEL_SIZE_MM, ChallengeError
from lartpc_challenge.metrics import accuracy, count_correct
from lartpc_challenge.page.colours import as_hex, on_light
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.forms import read_submission

BOX_CM = GRID_SIZE * VOXEL_SIZE_MM / 10
RIGHT_COLOUR = "#b4bcc7"
BOX_COLOUR = "#8b95a3"
# Light to dark, so that the densest charge stands out on white.
ENERGY_COLOURS = ("#f7cf6b", "#f08c3c", "#d0463f", "#8a2368", "#2d1152")
ENERGY_RANGE_MEV = (0.05, 10.0)
ENERGY_TICKS_MEV = (0.05, 0.1, 0.3, 1, 3, 10)

# A slab without charge is called dead where charge lies on both sides of it, this close (voxels).
_MARGIN = 2
_LEAST_CHARGE = 6
_WIDEST_SLAB = 6


@dataclass(frozen=True)
class Shown:
    """An event to show, with a prediction (n,) uint8 if there is one."""

    event: Event
    cycle: Cycle
    pred: np.ndarray | None = None

    @property
    def views(self) -> tuple:
        """Names of the views that its data allow."""
        truth, pred = self.event.label is not None, self.pred is not None
        known = {"energy": True, "truth": truth, "prediction": pred, "mistakes": truth and pred}
        return tuple(name for name, possible in known.items() if possible)

    @property
    def position_cm(self) -> np.ndarray:
        """(n, 3) float: the voxels' centres."""
        return (self.event.coords + 0.5) * (VOXEL_SIZE_MM / 10)

    @property
    def dead_slabs(self) -> list[tuple[int, int, int]]:
        """`empty_slabs` of a cycle whose detector has dead planes; else none are dead."""
        return empty_slabs(self.event.coords) if self.cycle.has_dead_planes else []

    @property
    def caption(self) -> str:
        """Number, size, energy and, if both labels are known, accuracy of the event."""
        event = self.event
        text = f"event {event.event_id}: {len(event):,} voxels, {event.energy.sum():,.0f} MeV"
        if "mistakes" in self.views and len(event):
            text += f", {np.mean(self.pred == event.label):.1%} right"
        return text


@dataclass(frozen=True)
class Layer:
    """Voxels of one colour: rows (m,) indices into the event, words said of all or of each."""

    name: str
    colour: str
    rows: np.ndarray
    words: str | list[str]


def class_layers(shown: Shown, view: str) -> list[Layer]:
    """The layers of the view `truth`, `prediction` or `mistakes`.

    Mistakes have the colour of the class that was predicted, what is right has none.
    """
    if view == "mistakes":
        return _mistake_layers(shown)
    label = shown.event.label if view == "truth" else shown.pred
    rows = {c: np.flatnonzero(label == c) for c in shown.cycle.predictable}
    if not len(rows[EMPTY]):  # every voxel holds charge, so that it is seldom used
        del rows[EMPTY]
    cycle, names = shown.cycle, shown.cycle.label_names
    return [Layer(names[c], class_colour(cycle, c), rows[c], names[c]) for c in rows]


def _mistake_layers(shown: Shown) -> list[Layer]:
    truth, pred, names = shown.event.label, shown.pred, shown.cycle.label_names
    layers = [Layer("right", RIGHT_COLOUR, np.flatnonzero(pred == truth), "right")]
    for c in shown.cycle.predictable:
        rows = np.flatnonzero((pred == c) & (pred != truth))
        if len(rows):
            name = f"taken for {names[c]}"
            words = [f"{names[t]} {name}" for t in truth[rows]]
            layers.append(Layer(name, class_colour(shown.cycle, c), rows, words))
    return layers


def class_colour(cycle: Cycle, label: int) -> str:
    """The colour of a label of the cycle as #rrggbb."""
    return as_hex(on_light(cycle)[label])


def empty_slabs(coords: np.ndarray) -> list[tuple[int, int, int]]:
    """(axis, first, stop) of slabs across y or z where tracks break off: dead planes, most likely.

    A file doesn't say which planes are dead. These are runs of a few planes without any charge,
    with charge close on both sides; an event need not cross all planes that are dead.
    """
    slabs = []
    for axis in (1, 2):
        count = np.bincount(coords[:, axis], minlength=GRID_SIZE)
        edge = np.diff((count == 0).astype(int), prepend=0, append=0)
        for first, stop in zip(np.flatnonzero(edge == 1), np.flatnonzero(edge == -1)):
            before = count[max(0, first - _MARGIN) : first].sum()
            after = count[stop : stop + _MARGIN].sum()
            if stop - first <= _WIDEST_SLAB and min(before, after) >= _LEAST_CHARGE:
                slabs.append((axis, int(first), int(stop)))
    return slabs


def read_shown(path, event_ids=(), submission=None, worst: int = 0) -> list[Shown]:
    """Events of a file to show: those named, or else the `worst` predicted, or else the first.

    submission: predictions of the whole file, in any form that the challenge accepts.
    ChallengeError where file and submission don't fit, or an event or its truth is missing.
    """
    with EventFile(path) as events:
        pred = None
        if submission is not None:
            pred = read_submission(submission, Manifest.from_events(path))
        if event_ids:
            rows = [_row(events, event_id) for event_id in event_ids]
        elif worst:
            rows = _worst(events, pred, worst)
        else:
            rows = range(min(1, len(events)))
        if not len(rows):
            raise ChallengeError(f"{path}: holds no event")
        parts = [slice(events.offset[i], events.offset[i + 1]) for i in rows]
        return [
            Shown(events[i], events.cycle, None if pred is None else pred[part])
            for i, part in zip(rows, parts)
        ]


def _row(events: EventFile, event_id: int) -> int:
    row = np.flatnonzero(events.event_id == event_id)
    if not len(row):
        some = ", ".join(map(str, events.event_id[:5]))
        raise ChallengeError(f"{events.path}: holds no event {event_id}; its first are {some}")
    return int(row[0])


def _worst(events: EventFile, pred, n_events: int) -> np.ndarray:
    """Rows of the events with the lowest accuracy, worst first; events without voxels have none."""
    if pred is None or not events.has_labels:
        raise ChallengeError("the worst events are found with --submission and labelled --events")
    correct, labelled = count_correct(events.column("label"), pred, events.offset)
    order = np.argsort(accuracy(correct, labelled), kind="stable")
    return np.flatnonzero(labelled)[order[:n_events]]
