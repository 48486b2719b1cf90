"""Read edep-sim's ROOT files without ROOT: the tree EDepSimEvents of TG4Event.

A hit is a straight piece of a track in a sensitive detector: energy [MeV], start and stop [mm].
Only detectors with `TPCActive` in their names (the active argon in larnd-sim) are read; if there
are none, all detectors. --energy-from NAME reads one detector.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lartpc_challenge.format import ChallengeError
from organizer.convert.deposits import NOT_KNOWN, ReadOptions, Segments, SourceEvent
from organizer.convert.edepsim_bytes import Hits, first_processes, hits_of_entry
from organizer.convert.edepsim_tracks import (
    NO_PROCESS,
    NO_TRAJECTORIES,
    kind_of_hits,
    kind_of_tracks,
)
from organizer.convert.root_file import Tree, open_root, reading_root
from organizer.convert.taxonomy import Kind

TREE = "EDepSimEvents"
_ACTIVE = "TPCActive"
_BLOCK_ENTRIES = 100
_TRACKS = ("Trajectories.TrackId", "Trajectories.ParentId", "Trajectories.PDGCode")
_POINTS, _VERTEX = "Trajectories.Points", "Primaries.Position"
_LORENTZ_BYTES, _XYZ_AT = 64, 32


def read(path: Path, options: ReadOptions) -> Iterator[SourceEvent]:
    """Yield the events of an edep-sim ROOT file; event_id is the entry."""
    with open_root(path) as file:
        if TREE not in file:
            raise ChallengeError(f"{path}: has no tree {TREE}; it has {file.keys(cycle=False)}")
        tree = Tree(path, file[TREE])
        for start in range(0, len(tree), _BLOCK_ENTRIES):
            stop = min(start + _BLOCK_ENTRIES, len(tree))
            run, event = tree.columns(("RunId", "EventId"), start, stop)
            of_hits = tree.raw("SegmentDetectors", start, stop)
            of_tracks = tree.columns(_TRACKS, start, stop) if tree.has(*_TRACKS) else None
            of_points = tree.raw(_POINTS, start, stop) if tree.has(_POINTS) else None
            of_vertex = tree.raw(_VERTEX, start, stop) if tree.has(_VERTEX) else None
            for i, entry in enumerate(range(start, stop)):
                where = f"{path}: entry {entry}"
                with reading_root(where):
                    found = hits_of_entry(of_hits[i])
                    kind, remarks = _kinds(found, of_tracks, of_points, i)
                    place = _first_vertex(of_vertex[i]) if of_vertex is not None else None
                chosen, detectors = _in_detector(where, found, options.energy)
                yield SourceEvent(
                    entry,
                    entry,
                    (int(run[i]), NOT_KNOWN, int(event[i])),
                    Segments(found.start_mm[chosen], found.stop_mm[chosen]),
                    found.energy_mev[chosen],
                    kind[chosen],
                    vertex_mm=place,
                    remarks=(*remarks, *detectors),
                    n_events=len(tree),
                )


def _kinds(
    hits: Hits, of_tracks: Any, of_points: Any, i: int
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the kinds (H,) uint8 of the hits of the i-th entry of a block, and remarks."""
    if of_tracks is None:
        return np.full(len(hits.track), Kind.NO_CLASS, np.uint8), (NO_TRAJECTORIES,)
    track, parent, pdg = (column[i].astype(np.int64) for column in of_tracks)
    process = subprocess = np.full(len(track), NO_PROCESS)
    remarks: tuple[str, ...] = ()
    if of_points is not None:
        try:
            process, subprocess = first_processes(of_points[i])
        except ValueError:
            remarks = ("the points of its trajectories are stored in a way that can't be read",)
        if len(process) != len(track):
            process = subprocess = np.full(len(track), NO_PROCESS)
    return kind_of_hits(
        hits.track, track, kind_of_tracks(track, parent, pdg, process, subprocess)
    ), remarks


def _in_detector(where: str, hits: Hits, name: str | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return (H,) bool, the hits to read, and a remark for each detector."""
    if name is not None:
        is_chosen = [detector == name for detector in hits.detectors]
        if hits.detectors and not any(is_chosen):
            raise ChallengeError(
                f"{where}: has no detector {name}, but {', '.join(hits.detectors)}"
            )
    else:
        is_chosen = [_ACTIVE in detector for detector in hits.detectors]
    if not any(is_chosen):
        is_chosen = [True] * len(hits.detectors)
    chosen = [detector for detector, mine in zip(hits.detectors, is_chosen) if mine]
    remarks = tuple(f"reads the detector {detector}" for detector in chosen)
    return np.array(is_chosen, bool)[hits.detector], remarks


def _first_vertex(entry: np.ndarray) -> np.ndarray | None:
    """Return x, y, z (3,) in mm of the first vertex (TLorentzVector) in an entry's bytes."""
    if len(entry) < _LORENTZ_BYTES or len(entry) % _LORENTZ_BYTES:
        return None
    return np.frombuffer(entry.tobytes(), ">f8", 3, _XYZ_AT).astype(np.float64)
