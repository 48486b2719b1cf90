"""Prepare our events for other formats: semantic types, clusters of particles, scores.

Semantic types and pids are those of PILArNet and SPINE: 0 shower, 1 track, 2 Michel, 3 delta, 4
low-energy; pid 0 photon, 1 electron, 2 muon, 3 pion, 4 proton, -1 not known. A class becomes the
type with its name; proton and HIP become tracks with pid 4, other and MIP tracks without a pid.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import Event, EventFile
from lartpc_challenge.format import VOXEL_SIZE_MM
from organizer.convert.deposits import NOT_KNOWN
from organizer.convert.source_group import SourceGroup, read_source
from organizer.convert.taxonomy import Kind, kind_of_class
from organizer.pdg import mass_mev

_SEMANTIC_AND_PID = {
    Kind.PROTON: (1, 4),
    Kind.MIP: (1, NOT_KNOWN),
    Kind.TRACK: (1, NOT_KNOWN),
    Kind.SHOWER: (0, NOT_KNOWN),
    Kind.ELECTRON: (0, NOT_KNOWN),
    Kind.DELTA: (3, 1),
    Kind.MICHEL: (2, 1),
    Kind.LOW_ENERGY: (4, NOT_KNOWN),
}
_PIDS = {22: 0, 11: 1, 13: 2, 211: 3, 2212: 4}  # of PDG codes without their sign
_MEV_PER_GEV = 1000.0


@dataclass(frozen=True)
class Clusters:
    """The K clusters of one event. A cluster is the voxels of one class from one particle.

    order (n,) int64: indices of the event's voxels, cluster after cluster. size, group,
    interaction, semantic, pid (K,) int64. extra (K, 6) float32: mass [MeV], momentum [GeV], vertex
    x, y, z [voxels], is primary; -1 if unknown. The first cluster is that of low-energy deposits
    (often empty), which readers can drop.
    """

    order: np.ndarray
    size: np.ndarray
    group: np.ndarray
    interaction: np.ndarray
    semantic: np.ndarray
    pid: np.ndarray
    extra: np.ndarray


@dataclass(frozen=True)
class Exported:
    """One of our events, prepared for any format.

    origin_cm (3,): lower corner of voxel 0, 0, 0. number: run, subrun, event. scores (n, classes)
    float32: of a prediction, or None. clusters: None for events without labels.
    """

    event: Event
    number: tuple[int, int, int]
    origin_cm: np.ndarray
    clusters: Clusters | None
    scores: np.ndarray | None


def semantics(cycle: Cycle) -> np.ndarray:
    """Return semantic type and pid of every label: (n_labels, 2) int64; -1, -1 for label 0."""
    of_classes = [
        _SEMANTIC_AND_PID[kind_of_class(name, cycle.class_names)] for name in cycle.class_names
    ]
    return np.array([(NOT_KNOWN, NOT_KNOWN), *of_classes], np.int64)


def exported(path: Path, events: EventFile, scores: np.ndarray | None) -> Iterator[Exported]:
    """Yield the events of an open file. scores: (M, classes) of all its voxels, or None."""
    source = read_source(path)
    of_labels = semantics(events.cycle) if events.has_labels else None
    table = events.particles(np.arange(len(events)))
    offset = table.pop("offset", None)
    for i, event in enumerate(events):
        clusters = particles = None
        if offset is not None:
            particles = {name: c[offset[i] : offset[i + 1]] for name, c in table.items()}
        if of_labels is not None:
            clusters = _clusters(event, of_labels, particles)
        mine = slice(*events.offset[i : i + 2].tolist())
        yield Exported(
            event,
            _number(event, source, i),
            np.zeros(3) if source is None else source.origin_mm[i] / 10.0,
            clusters,
            None if scores is None else scores[mine],
        )


def _number(event: Event, source: SourceGroup | None, i: int) -> tuple[int, int, int]:
    if source is None:
        return NOT_KNOWN, NOT_KNOWN, event.event_id
    return int(source.run[i, 0]), int(source.run[i, 1]), int(source.event_id[i])


def voxel_cm(path: Path) -> float:
    """Return the edge of a file's voxels in cm."""
    source = read_source(path)
    return (VOXEL_SIZE_MM if source is None else source.our_voxel_mm) / 10.0


def _clusters(
    event: Event, of_labels: np.ndarray, particles: dict[str, np.ndarray] | None
) -> Clusters:
    """Return the clusters of an event. of_labels: `semantics` of its cycle."""
    label = event.label.astype(np.int64) if event.label is not None else np.zeros(0, np.int64)
    particle = np.full(len(event), NOT_KNOWN, np.int64)
    if event.particle is not None and particles is not None and len(particles["pdg"]):
        particle = event.particle.astype(np.int64)
    # Low-energy deposits first, then particle by particle, class by class.
    is_low = of_labels[label, 0] == _SEMANTIC_AND_PID[Kind.LOW_ENERGY][0]
    key = np.where(is_low, -1, (particle + 1) * len(of_labels) + label)
    order = np.argsort(key, kind="stable")
    found, first, size = np.unique(key[order], return_index=True, return_counts=True)
    if not len(found) or found[0] != -1:
        found, size = np.append(-1, found), np.append(0, size)
        first = np.append(0, first)
    is_first = found == -1
    of_cluster = np.where(is_first, 0, found % len(of_labels))
    row = np.where(is_first, NOT_KNOWN, found // len(of_labels) - 1)
    semantic, pid = of_labels[of_cluster].T
    semantic = np.where(is_first, _SEMANTIC_AND_PID[Kind.LOW_ENERGY][0], semantic)
    pid, extra, interaction = _of_particles(row, semantic, np.where(is_first, -1, pid), particles)
    return Clusters(order, size, row, interaction, semantic, pid, extra)


def _of_particles(
    row: np.ndarray, semantic: np.ndarray, pid: np.ndarray, particles: dict[str, np.ndarray] | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pid (K,), extra (K, 6), interaction (K,) of the clusters of particles `row` (K,)."""
    extra = np.full((len(row), 6), NOT_KNOWN, np.float32)
    interaction = np.full(len(row), NOT_KNOWN, np.int64)
    if particles is None or not len(particles["pdg"]):
        return pid, extra, interaction
    size = np.abs(particles["pdg"].astype(np.int64))
    its_pid = np.array([_PIDS.get(code, NOT_KNOWN) for code in size.tolist()])
    mass = np.array([mass_mev(code) for code in size.tolist()], np.float64)
    kinetic = particles["kinetic_energy_mev"].astype(np.float64)
    momentum = np.sqrt(kinetic**2 + 2 * kinetic * mass) / _MEV_PER_GEV
    _, vertex_of = np.unique(particles["vertex"], axis=0, return_inverse=True)
    known = row >= 0
    of = row[known]
    extra[known, 0] = np.nan_to_num(mass[of], nan=NOT_KNOWN)
    extra[known, 1] = np.nan_to_num(momentum[of], nan=NOT_KNOWN)
    extra[known, 2:5] = particles["vertex"][of]
    interaction[known] = vertex_of.ravel()[of]
    # A cluster with the type of the particle is its own; else it belongs to a secondary.
    is_track = np.isin(its_pid[of], (2, 3, 4))
    is_own = np.where(is_track, semantic[known] == 1, semantic[known] == 0)
    extra[known, 5] = is_own
    pid = pid.copy()
    pid[known] = np.where(is_own & (pid[known] == NOT_KNOWN), its_pid[of], pid[known])
    return pid, extra, interaction
