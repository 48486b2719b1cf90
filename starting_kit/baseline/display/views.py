"""The views of an event: energy, truth, particles, prediction and mistakes.

A view is a list of layers: voxels of one colour under one name. figure.py draws them as interactive
figures, picture.py for print.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from lartpc_challenge.cycles import EMPTY, Cycle
from lartpc_challenge.events import Event, EventFile
from lartpc_challenge.format import GRID_SIZE, VOXEL_SIZE_MM, ChallengeError
from lartpc_challenge.metrics import accuracy, count_correct
from lartpc_challenge.page.colours import as_hex, on_dark, on_light
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.forms import read_submission

_Value = TypeVar("_Value")
ENERGY_RANGE_MEV = (0.05, 10.0)
ENERGY_TICKS_MEV = (0.1, 0.3, 1, 3, 10)
# Light to dark, so that the densest charge stands out on white.
ENERGY_ON_LIGHT = ("#f7cf6b", "#f08c3c", "#d0463f", "#8a2368", "#2d1152")

# A plane without charge is called dead where charge lies on both sides of it, this close (voxels).
_MARGIN = 2
_LEAST_CHARGE = 6
_MOST_PLANES = 6

# Where the charge reaches over less than this share of the detector, only that part of the
# detector is shown. Events of the challenge reach over more; converted ones may be smaller.
_SMALL = 0.5
_MARGIN_CM = 1.5

# The numbers of the Particle Data Group that events mostly begin with (pdg.lbl.gov, "Monte Carlo
# particle numbering scheme").
_PARTICLE_NAMES = {
    11: "electron",
    -11: "positron",
    13: "muon-",
    -13: "muon+",
    22: "photon",
    111: "pion0",
    211: "pion+",
    -211: "pion-",
    321: "kaon+",
    -321: "kaon-",
    2112: "neutron",
    2212: "proton",
}


@dataclass(frozen=True)
class Colour:
    """A colour as #rrggbb, for the light and for the dark theme."""

    light: str
    dark: str


RIGHT = Colour("#b4bcc7", "#4d5765")
DETECTOR = Colour("#8b95a3", "#6d7887")
NO_PARTICLE = RIGHT
# One after the other for the particles of an event; after the last the first comes again.
_PARTICLES = (
    Colour("#2468b4", "#66a4ea"),
    Colour("#c85a10", "#f29856"),
    Colour("#16806c", "#52c0a8"),
    Colour("#7e48aa", "#be94ea"),
    Colour("#be285c", "#f27ca2"),
    Colour("#8a6d00", "#d9bd3c"),
    Colour("#0e7fa6", "#57c4e8"),
    Colour("#5b6b1e", "#aabf5a"),
    Colour("#8c4a3a", "#d8937f"),
)


@dataclass(frozen=True)
class Particles:
    """The primary particles of an event: pdg (p,) int32, kinetic_energy_mev (p,) float32."""

    pdg: np.ndarray
    kinetic_energy_mev: np.ndarray

    def name(self, row: int) -> str:
        """Return kind and kinetic energy of a particle as text."""
        pdg = int(self.pdg[row])
        kind = _PARTICLE_NAMES.get(pdg, f"PDG {pdg}")
        return f"{kind}, {self.kinetic_energy_mev[row]:,.0f} MeV"


@dataclass(frozen=True)
class Shown:
    """An event to show, with a prediction (n,) uint8 and its particles if they are known.

    voxel_mm: the edge of a voxel.
    """

    event: Event
    cycle: Cycle
    pred: np.ndarray | None = None
    particles: Particles | None = None
    voxel_mm: float = VOXEL_SIZE_MM

    @property
    def box_cm(self) -> float:
        """The edge of the cube in cm."""
        return GRID_SIZE * self.voxel_mm / 10

    @property
    def views(self) -> tuple[str, ...]:
        """The names of the views that its data allow."""
        truth, pred = self.event.label is not None, self.pred is not None
        known = {
            "energy": True,
            "truth": truth,
            "particles": self.event.particle is not None and self.particles is not None,
            "prediction": pred,
            "mistakes": truth and pred,
        }
        return tuple(name for name, possible in known.items() if possible)

    @property
    def position_cm(self) -> np.ndarray:
        """The centres of the voxels: (n, 3) float."""
        return (self.event.coords + 0.5) * (self.voxel_mm / 10)

    @property
    def window_cm(self) -> np.ndarray:
        """The cube to show: (3, 2) float, low and high edge in x, y, z.

        It is the whole detector, or the charge and a margin if that is a small part of it.
        """
        whole = np.array([[0.0, self.box_cm]] * 3)
        if not len(self.event):
            return whole
        low, high = self.position_cm.min(0), self.position_cm.max(0)
        if (high - low).max() >= _SMALL * self.box_cm:
            return whole
        half = (high - low).max() / 2 + _MARGIN_CM
        centre = np.clip((low + high) / 2, half, self.box_cm - half)
        return np.column_stack([centre - half, centre + half])

    @property
    def dead_planes(self) -> list[tuple[int, int, int]]:
        """Return the planes that `find_dead_planes` finds; none if the cycle has no dead planes."""
        return find_dead_planes(self.event.coords) if self.cycle.has_dead_planes else []

    @property
    def caption(self) -> str:
        """Number, size and energy of the event, and its accuracy if both labels are known."""
        event = self.event
        text = f"event {event.event_id}: {len(event):,} voxels, {event.energy.sum():,.0f} MeV"
        if self.pred is not None and event.label is not None and len(event):
            text += f", {np.mean(self.pred == event.label):.1%} right"
        return text


@dataclass(frozen=True)
class Layer:
    """Voxels of one colour: rows (m,) indices into the event; words for all or for each voxel."""

    name: str
    colour: Colour
    rows: np.ndarray
    words: str | list[str]


def panels(shown: Shown, other: Shown | None = None) -> list[tuple[Shown, str]]:
    """Return the views to show first, side by side: two of one event, or one of two events.

    An event with only energies has one view.
    """
    views = shown.views
    if other is not None:
        view = "truth" if "truth" in views else "energy"
        return [(shown, view), (other, view)]
    if "mistakes" in views:
        return [(shown, "truth"), (shown, "mistakes")]
    if "prediction" in views:
        return [(shown, "energy"), (shown, "prediction")]
    return [(shown, view) for view in views[:2]]


def layers(shown: Shown, view: str) -> list[Layer]:
    """Return the layers of the view `truth`, `particles`, `prediction` or `mistakes`.

    Mistakes have the colour of the predicted class; correct voxels are grey. Raises ValueError if
    the event has no such view.
    """
    if view == "mistakes":
        return _mistake_layers(shown)
    if view == "particles":
        return _particle_layers(shown)
    label = _known(shown.event.label if view == "truth" else shown.pred)
    rows = {c: np.flatnonzero(label == c) for c in shown.cycle.predictable}
    if not len(rows[EMPTY]):  # every voxel holds charge, so that it is seldom used
        del rows[EMPTY]
    names = shown.cycle.label_names
    return [Layer(names[c], class_colour(shown.cycle, c), rows[c], names[c]) for c in rows]


def _mistake_layers(shown: Shown) -> list[Layer]:
    truth, pred = _known(shown.event.label), _known(shown.pred)
    names = shown.cycle.label_names
    found = [Layer("right", RIGHT, np.flatnonzero(pred == truth), "right")]
    for c in shown.cycle.predictable:
        rows = np.flatnonzero((pred == c) & (pred != truth))
        if len(rows):
            name = f"taken for {names[c]}"
            words = [f"{names[t]} {name}" for t in truth[rows]]
            found.append(Layer(name, class_colour(shown.cycle, c), rows, words))
    return found


def _particle_layers(shown: Shown) -> list[Layer]:
    """Return one layer per particle with voxels, the one with most voxels first."""
    particle, particles = _known(shown.event.particle), _known(shown.particles)
    row, count = np.unique(particle, return_counts=True)
    found = []
    for i in row[np.argsort(-count, kind="stable")]:
        rows = np.flatnonzero(particle == i)
        if i < 0:
            found.append(Layer("no particle of the list", NO_PARTICLE, rows, "none of the list"))
        else:
            name = particles.name(i)
            found.append(Layer(name, _PARTICLES[i % len(_PARTICLES)], rows, name))
    return found


def _known(value: _Value | None) -> _Value:
    if value is None:
        raise ValueError("the event has no such view; Shown.views names those that it has")
    return value


def class_colour(cycle: Cycle, label: int) -> Colour:
    """Return the colour of a label of the cycle."""
    return Colour(as_hex(on_light(cycle)[label]), as_hex(on_dark(cycle)[label]))


def find_dead_planes(coords: np.ndarray) -> list[tuple[int, int, int]]:
    """Return (axis, first, stop) of planes across y or z that are probably dead.

    A file does not say which planes are dead. These are a few successive planes without charge,
    with charge close to both sides; not every event crosses all dead planes.
    """
    found = []
    for axis in (1, 2):
        count = np.bincount(coords[:, axis], minlength=GRID_SIZE)
        edge = np.diff((count == 0).astype(int), prepend=0, append=0)
        for first, stop in zip(np.flatnonzero(edge == 1), np.flatnonzero(edge == -1)):
            before = count[max(0, first - _MARGIN) : first].sum()
            after = count[stop : stop + _MARGIN].sum()
            if stop - first <= _MOST_PLANES and min(before, after) >= _LEAST_CHARGE:
                found.append((axis, int(first), int(stop)))
    return found


def read_shown(
    path: str | Path,
    event_ids: Sequence[int] = (),
    submission: str | Path | None = None,
    worst: int = 0,
) -> list[Shown]:
    """Return the events of a file to show: the given ones, the `worst` predicted, or the first.

    submission: predictions of the whole file, in any form that the challenge accepts. Raises
    ChallengeError if file and submission do not fit, or if an event or its truth is missing.
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
            rows = list(range(min(1, len(events))))
        if not rows:
            raise ChallengeError(f"{path}: holds no event")
        parts = [slice(events.offset[i], events.offset[i + 1]) for i in rows]
        particles: list[Particles | None] = [None] * len(rows)
        table = events.particles(np.array(rows))
        if table:
            bounds = zip(table["offset"], table["offset"][1:])
            columns = table["pdg"], table["kinetic_energy_mev"]
            particles = [Particles(*(column[a:b] for column in columns)) for a, b in bounds]
        return [
            Shown(
                events[i],
                events.cycle,
                None if pred is None else pred[part],
                of,
                events.voxel_size_mm,
            )
            for i, part, of in zip(rows, parts, particles)
        ]


def _row(events: EventFile, event_id: int) -> int:
    row = np.flatnonzero(events.event_id == event_id)
    if not len(row):
        some = ", ".join(map(str, events.event_id[:5]))
        raise ChallengeError(f"{events.path}: holds no event {event_id}; its first are {some}")
    return int(row[0])


def _worst(events: EventFile, pred: np.ndarray | None, n_events: int) -> list[int]:
    """Return the rows of the events with the lowest accuracy, without events without voxels."""
    if pred is None or not events.has_labels:
        raise ChallengeError("the worst events are found with --submission and labelled --events")
    correct, labelled = count_correct(events.column("label"), pred, events.offset)
    order = np.argsort(accuracy(correct, labelled), kind="stable")
    return np.flatnonzero(labelled)[order[:n_events]].tolist()
