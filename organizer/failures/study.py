"""Predicted against true labels of simulated events, split by what makes a voxel hard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import Event, EventFile
from lartpc_challenge.files import open_h5, reading
from lartpc_challenge.format import GRID_SIZE, VOXEL_SIZE_MM, ChallengeError
from lartpc_challenge.metrics import count_confusion
from lartpc_challenge.reference import read_labelled_events
from lartpc_challenge.scoring import Scores, score
from lartpc_challenge.submission.forms import read_submission
from organizer.cycles import PRODUCTIONS
from organizer.simulate.event import SEED_SCHEME, event_streams
from organizer.simulate.store import iter_particles
from organizer.simulate.truth import Origin
from organizer.simulate.variety import draw_readout

ORIGIN_NAMES = {
    Origin.PRIMARY: "primary particles",
    Origin.DELTA: "delta rays",
    Origin.MICHEL: "Michel electrons",
    Origin.CONVERSION: "photon conversions",
    Origin.HADRONIC: "hadronic secondaries",
    Origin.DECAY: "muons and hadrons of decays",
}
# Lower edges of the groups after the first.
SHARE_EDGES = (1e-6, 0.1, 0.2, 0.35)
SHARE_NAMES = ("one class alone", "below 10 %", "10 to 20 %", "20 to 35 %", "35 to 50 %")
VERTEX_EDGES_CM = (1.0, 3.0, 10.0, 30.0)
VERTEX_NAMES = ("below 1 cm", "1 to 3 cm", "3 to 10 cm", "10 to 30 cm", "farther")
GAP_EDGES = (2, 3, 6)
GAP_NAMES = ("beside the gap", "second voxel", "third to fifth", "farther")
NO_GAP = 2 * GRID_SIZE  # farther than any


@dataclass(frozen=True)
class Split:
    """All voxels, each in one of G groups. counts (G, C, C) int64: counts[group, true, predicted],
    indexed by labels as `confusion` is everywhere."""

    title: str
    names: tuple[str, ...]
    counts: np.ndarray

    @property
    def voxels(self) -> np.ndarray:
        """(G,) voxels of each group."""
        return self.counts.sum(axis=(1, 2))

    @property
    def errors(self) -> np.ndarray:
        """(G,) voxels of each group that are predicted wrong."""
        return self.voxels - np.trace(self.counts, axis1=1, axis2=2)


@dataclass(frozen=True)
class Study:
    """`origin` splits by where a voxel's energy comes from, `places` by where it lies.

    gaps_unknown: why `places` lacks the dead gaps, empty where it has them or there are none.
    """

    scores: Scores
    origin: Split
    places: tuple[Split, ...]
    gaps_unknown: str

    @property
    def cycle(self) -> Cycle:
        """The cycle of the events."""
        return self.scores.cycle


def study(events_path: Path, submission: Path) -> Study:
    """Compare a submission with the simulator's file whose events it predicts.

    ChallengeError where one can't be read, the two don't fit, or no event holds a voxel.
    """
    with EventFile(events_path, kind="simulation") as events:
        origin, second_share = events.column("origin"), events.column("second_share")
        vertex = np.concatenate([[], *_vertex_distances_cm(events)])
        gap, gaps_unknown = _gaps(events)
    if not np.isin(origin, list(Origin)).all():
        raise ChallengeError(f"{events_path}: origin holds a number that names none")
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

    places = [
        split(
            "Energy share of a second class",
            SHARE_NAMES,
            np.searchsorted(SHARE_EDGES, second_share, side="right"),
        ),
        split(
            "Distance to the nearest vertex",
            VERTEX_NAMES,
            np.searchsorted(VERTEX_EDGES_CM, vertex, side="right"),
        ),
    ]
    if gap is not None:
        group = np.searchsorted(GAP_EDGES, gap, side="right")
        places.append(split("Distance to a dead gap", GAP_NAMES, group))
    by_origin = split("Origin", list(ORIGIN_NAMES.values()), origin.astype(int) - min(Origin))
    return Study(scores, by_origin, tuple(places), gaps_unknown)


def _vertex_distances_cm(events: EventFile) -> Iterator[np.ndarray]:
    """Event by event (n,): how far a voxel's centre is from the nearest place where a particle of
    the recipe starts."""
    with open_h5(events.path) as file, reading(f"{events.path}: particles"):
        particles = list(iter_particles(file))
        if len(particles) != len(events) or not all(len(table["vertex"]) for table in particles):
            raise ChallengeError(f"{events.path}: particles must hold at least one for each event")
        for event, table in zip(events, particles):
            nearest = np.full(len(event), np.inf)
            for vertex in table["vertex"]:
                away = np.linalg.norm(event.coords + 0.5 - vertex, axis=1)
                nearest = np.minimum(nearest, away)
            yield nearest * VOXEL_SIZE_MM / 10


def _gaps(events: EventFile) -> tuple[np.ndarray | None, str]:
    """(M,) distance of each voxel to the nearest dead plane, in voxels; else why it is unknown.

    No file says which planes are dead. They are the first that the detector's random stream draws,
    and come again from the seed, as long as that is drawn from in the same way.
    """
    production = PRODUCTIONS[events.cycle.number]
    if production.detector is None:
        return None, ""
    with open_h5(events.path) as file:
        made_by = file.attrs.get("configuration"), file.attrs.get("seed_scheme")
        if made_by != (production.hash, SEED_SCHEME):
            return None, "The file is of another version of the simulation: its gaps are not known."
        seed, attempts = int(file.attrs["seed"], 16), file["attempts"][:].tolist()
        if len(attempts) != len(events):
            raise ValueError("attempts: one value an event is expected")
    distances = [
        _distance_to(dead_planes(events.cycle, seed, event.event_id, attempt), event)
        for event, attempt in zip(events, attempts)
    ]
    return np.concatenate([np.zeros(0, np.int64), *distances]), ""


def dead_planes(cycle: Cycle, seed: int, event_id: int, attempts: int) -> np.ndarray:
    """(3, GRID_SIZE) bool: the planes, axis by axis, that were dead in an event whose `attempts`-th
    draw was accepted."""
    *_, of_detector = event_streams(seed, cycle.number, event_id, attempts - 1)
    production = PRODUCTIONS[cycle.number]
    rng = np.random.default_rng(of_detector)
    conditions = draw_readout(rng, production.detector, production.threshold_mev).conditions
    assert conditions is not None
    return conditions.dead


def _distance_to(dead: np.ndarray, event: Event) -> np.ndarray:
    planes = np.arange(GRID_SIZE)
    nearest = np.full(len(event), NO_GAP)
    for axis, coords in zip(dead, event.coords.T):
        if axis.any():
            of_plane = np.abs(planes[:, None] - np.flatnonzero(axis)).min(axis=1)
            nearest = np.minimum(nearest, of_plane[coords])
    return nearest
