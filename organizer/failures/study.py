"""Compare predicted and true labels of simulated events, in groups of voxels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import Event, EventFile
from lartpc_challenge.files import reading
from lartpc_challenge.format import GRID_SIZE, VOXEL_SIZE_MM, ChallengeError
from lartpc_challenge.metrics import count_confusion
from lartpc_challenge.reference import read_labelled_events
from lartpc_challenge.scoring import Scores, score
from lartpc_challenge.submission.forms import read_submission
from organizer.cycles import PRODUCTIONS
from organizer.simulate.event import SEED_SCHEME, event_streams
from organizer.simulate.truth import ORIGINS, Origin
from organizer.simulate.variety import draw_readout

# Lower edges of all groups but the first.
SHARE_EDGES = (1e-6, 0.1, 0.2, 0.35)
SHARE_NAMES = ("one class alone", "below 10 %", "10 to 20 %", "20 to 35 %", "35 to 50 %")
VERTEX_EDGES_CM = (1.0, 3.0, 10.0, 30.0)
VERTEX_NAMES = ("below 1 cm", "1 to 3 cm", "3 to 10 cm", "10 to 30 cm", "farther")
PLANE_EDGES = (2, 3, 6)
PLANE_NAMES = ("beside the plane", "second voxel", "third to fifth", "farther")
NO_PLANE = 2 * GRID_SIZE  # larger than any distance in the grid


@dataclass(frozen=True)
class Split:
    """All voxels, each in one of G groups. counts: (G, C, C) int64, counts[group, true, predicted].

    C is the number of labels with EMPTY.
    """

    title: str
    names: tuple[str, ...]
    counts: np.ndarray

    @property
    def voxels(self) -> np.ndarray:
        """The number of voxels of each group: (G,)."""
        return self.counts.sum(axis=(1, 2))

    @property
    def errors(self) -> np.ndarray:
        """The number of wrongly predicted voxels of each group: (G,)."""
        return self.voxels - np.trace(self.counts, axis1=1, axis2=2)


@dataclass(frozen=True)
class Study:
    """The result of a study: voxels grouped by origin, and by position in several ways (`places`).

    planes_unknown: why `places` has no distances to dead planes; empty if it has them or if the
    cycle has no dead planes.
    """

    scores: Scores
    origin: Split
    places: tuple[Split, ...]
    planes_unknown: str

    @property
    def cycle(self) -> Cycle:
        """The cycle of the events."""
        return self.scores.cycle


def study(events_path: Path, submission: Path) -> Study:
    """Compare a submission with the simulator's file of the events that it predicts.

    Raises ChallengeError if a file can't be read, if they have different events, or if no event
    holds a voxel.
    """
    with EventFile(events_path, kind="simulation") as events:
        origin, second_share = events.column("origin"), events.column("second_share")
        with reading(f"{events_path}: particles"):
            vertex = np.concatenate([[], *_vertex_distances_cm(events)])
        with reading(f"{events_path}: seed or attempts"):
            distance, planes_unknown = _plane_distances(events)
    if not np.isin(origin, list(Origin)).all():
        raise ChallengeError(f"{events_path}: origin holds an unknown number")
    reference = read_labelled_events(events_path)
    pred = read_submission(submission, reference.manifest)
    scores = score(reference, pred)

    def split(title: str, names: Sequence[str], group: np.ndarray) -> Split:
        n_labels = reference.cycle.n_labels
        counts = [
            count_confusion(reference.label[group == i], pred[group == i], n_labels)
            for i in range(len(names))
        ]
        return Split(title, tuple(names), np.stack(counts))

    def place(title: str, names: Sequence[str], edges: Sequence[float], at: np.ndarray) -> Split:
        return split(title, names, np.searchsorted(edges, at, side="right"))

    places = [
        place("Energy share of a second class", SHARE_NAMES, SHARE_EDGES, second_share),
        place("Distance to the nearest vertex", VERTEX_NAMES, VERTEX_EDGES_CM, vertex),
    ]
    if distance is not None:
        places.append(place("Distance to a dead plane", PLANE_NAMES, PLANE_EDGES, distance))
    names = [name for name, _ in ORIGINS.values()]
    by_origin = split("Origin", names, origin.astype(int) - min(Origin))
    return Study(scores, by_origin, tuple(places), planes_unknown)


def _vertex_distances_cm(events: EventFile) -> Iterator[np.ndarray]:
    """Yield per event the distance (n,) of each voxel's centre to the nearest vertex, in cm."""
    table = events.particles(np.arange(len(events)))
    if not table or not np.diff(table["offset"]).all():
        raise ChallengeError(f"{events.path}: an event has no particles")
    for event, vertices in zip(events, np.split(table["vertex"], table["offset"][1:-1])):
        away = np.linalg.norm(event.coords[:, None] + 0.5 - vertices, axis=2)
        yield away.min(axis=1) * VOXEL_SIZE_MM / 10


def _plane_distances(events: EventFile) -> tuple[np.ndarray | None, str]:
    """Return the distance (M,) of each voxel to the nearest dead plane in voxels, or why not.

    No file contains the dead planes. They are drawn again from the seed, which works only for files
    of the same version of the simulation.
    """
    production = PRODUCTIONS[events.cycle.number]
    if production.detector is None:
        return None, ""
    attributes = events.file.attrs
    made_by = attributes.get("configuration"), attributes.get("seed_scheme")
    if made_by != (production.hash, SEED_SCHEME):
        return None, "Unknown: the file was made by another version of the simulation."
    seed, attempts = int(attributes["seed"], 16), events.file["attempts"][:].tolist()
    if len(attempts) != len(events):
        raise ValueError("attempts: expected one value per event")
    distances = [
        _distance_to(dead_planes(events.cycle, seed, event.event_id, attempt), event)
        for event, attempt in zip(events, attempts)
    ]
    return np.concatenate([np.zeros(0, np.int64), *distances]), ""


def dead_planes(cycle: Cycle, seed: int, event_id: int, attempts: int) -> np.ndarray:
    """Return the dead planes per axis of an event: (3, GRID_SIZE) bool.

    attempts: number of draws until the event was accepted.
    """
    *_, of_detector = event_streams(seed, cycle.number, event_id, attempts - 1)
    production = PRODUCTIONS[cycle.number]
    rng = np.random.default_rng(of_detector)
    conditions = draw_readout(rng, production.detector, production.threshold_mev).conditions
    assert conditions is not None
    return conditions.dead


def _distance_to(dead: np.ndarray, event: Event) -> np.ndarray:
    planes = np.arange(GRID_SIZE)
    nearest = np.full(len(event), NO_PLANE)
    for axis, coords in zip(dead, event.coords.T):
        if axis.any():
            of_plane = np.abs(planes[:, None] - np.flatnonzero(axis)).min(axis=1)
            nearest = np.minimum(nearest, of_plane[coords])
    return nearest
