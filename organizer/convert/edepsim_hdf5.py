"""Read edep-sim's energy deposits in the HDF5 layout of larnd-sim.

Each row of the data set `segments` is a straight piece of a track: event, PDG code, dE [MeV], start
and end x, y, z [cm]. The names of the first two depend on the version (eventID, event_id; pdgId,
pdg_id). A segment's energy is divided among the voxels that it crosses, by path length. If the file
has the data set `trajectories`, deltas and Michel electrons are separated from showers.
Source of the layout: DUNE/larnd-sim, cli/dumpTree.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from lartpc_challenge.files import open_h5, reading
from lartpc_challenge.format import ChallengeError
from organizer.convert.deposits import (
    MM_PER_CM,
    NOT_KNOWN,
    ReadOptions,
    Segments,
    SourceEvent,
    grouped,
    known_names,
)
from organizer.convert.edepsim_tracks import (
    NO_PROCESS,
    NO_TRAJECTORIES,
    kind_of_hits,
    kind_of_tracks,
)
from organizer.convert.taxonomy import Kind, kind_of_pdg

_PLACES = ("segments", "mc_truth/segments/data", "tracks")
_TRAJECTORY_PLACES = ("trajectories", "mc_truth/trajectories/data")
_VERTEX_PLACES = ("vertices", "mc_truth/interactions/data")
_EVENT = ("eventid", "event_id")
_PDG = ("pdgid", "pdg_id", "pdg")
_TRACK = ("trackid", "traj_id", "track_id")
_NAMES = {
    "event": _EVENT,
    "pdg": _PDG,
    "energy": ("de",),
    **{f"{axis}_{end}": (f"{axis}_{end}",) for axis in "xyz" for end in ("start", "end")},
}
_TRAJECTORY_NAMES = {
    "event": _EVENT,
    "track": _TRACK,
    "parent": ("parentid", "parent_id"),
    "pdg": _PDG,
    "process": ("start_process",),
    "subprocess": ("start_subprocess",),
}
_VERTEX_NAMES = {"event": _EVENT, "x": ("x_vert",), "y": ("y_vert",), "z": ("z_vert",)}
_WORLD_MM = 1e6
_BLOCK_ROWS = 1 << 20


def read(path: Path, options: ReadOptions) -> Iterator[SourceEvent]:
    """Yield the events of an edep-sim file in the order of their numbers."""
    with open_h5(path) as file:
        segments, fields = _segments(file, path)
        table: h5py.Dataset | np.ndarray = segments
        if len(segments) <= _BLOCK_ROWS:  # unpacked once: the events' numbers, and the rest
            with reading(f"{path}: {segments.name}"):
                table = segments[:]
        event = _read(table, fields["event"], path)
        if len(event) and (event.min() < 0 or event.max() > np.iinfo(np.uint32).max):
            raise ChallengeError(f"{path}: an event number is not a 32-bit one, 0 to 4294967295")
        rows_of = grouped(event)
        tracks = _sorted_table(file, path, _TRAJECTORY_PLACES, _TRAJECTORY_NAMES)
        vertices = _sorted_table(file, path, _VERTEX_PLACES, _VERTEX_NAMES)
        of_events = zip(rows_of, _columns(table, fields, list(rows_of.values()), path))
        for entry, (number, columns) in enumerate(of_events):
            where = f"{path}: event {number}"
            kind, remarks = _kinds(columns, _rows(tracks, number))
            yield SourceEvent(
                entry,
                number,
                (NOT_KNOWN, NOT_KNOWN, number),
                _place(where, columns),
                columns["energy"].astype(np.float64),
                kind,
                vertex_mm=_vertex_mm(_rows(vertices, number)),
                remarks=remarks,
                n_events=len(rows_of),
            )


def _segments(file: h5py.File, path: Path) -> tuple[h5py.Dataset, dict[str, str]]:
    """Return the data set, and our name -> its name of every needed field."""
    segments = find_table(file)
    if segments is None:
        raise ChallengeError(f"{path}: expected edep-sim's data set `segments`, a table")
    fields = known_names(segments.dtype.names or (), {**_NAMES, "track": _TRACK})
    missing = [ours for ours in _NAMES if ours not in fields]
    if missing:
        raise ChallengeError(
            f"{path}: {segments.name} has no field for {', '.join(missing)}; expected eventID, "
            "pdgId, dE [MeV], x_start, x_end, y_start, ... [cm]"
        )
    return segments, fields


def find_table(file: h5py.File, places: tuple[str, ...] = _PLACES) -> h5py.Dataset | None:
    """Return the first table at one of `places`, by default the segments; None without one."""
    found = (file.get(place) for place in places)
    return next((f for f in found if isinstance(f, h5py.Dataset) and f.dtype.names), None)


def _columns(
    segments: h5py.Dataset | np.ndarray,
    fields: dict[str, str],
    rows_of: list[np.ndarray],
    path: Path,
) -> Iterator[dict[str, np.ndarray]]:
    """Yield the columns of each event. rows_of: the rows (ascending) of each event.

    Rows are read in blocks of whole events. The rows of an event are nearly always contiguous; if
    not, a block contains more rows than needed.
    """
    start = 0
    while start < len(rows_of):
        stop, low, high = start + 1, rows_of[start][0], rows_of[start][-1]
        while stop < len(rows_of):
            wider = min(low, rows_of[stop][0]), max(high, rows_of[stop][-1])
            if wider[1] - wider[0] >= _BLOCK_ROWS:
                break
            (low, high), stop = wider, stop + 1
        with reading(f"{path}: segments"):
            block = segments[low : high + 1]
        for rows in rows_of[start:stop]:
            mine = block[rows - low]
            yield {ours: mine[theirs] for ours, theirs in fields.items()}
        start = stop


def _read(table: h5py.Dataset | np.ndarray, field: str, path: Path) -> np.ndarray:
    if isinstance(table, np.ndarray):
        return table[field]
    with reading(f"{path}: {table.name}"):
        return table.fields(field)[:]


def _place(where: str, columns: dict[str, np.ndarray]) -> Segments:
    ends = [
        np.column_stack([columns[f"{axis}_{end}"] for axis in "xyz"]).astype(np.float64) * MM_PER_CM
        for end in ("start", "end")
    ]
    if not (np.abs(ends) < _WORLD_MM).all():
        raise ChallengeError(f"{where}: a segment's place is not a number, or 1 km away")
    return Segments(*ends)


def _kinds(
    columns: dict[str, np.ndarray], tracks: dict[str, np.ndarray]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the kinds (D,) uint8 of an event's segments, and remarks."""
    kind = kind_of_pdg(columns["pdg"].astype(np.int64))
    if "track" not in columns or not {"track", "parent", "pdg"} <= set(tracks):
        return kind, (NO_TRAJECTORIES,)
    number, parent, pdg = (tracks[name].astype(np.int64) for name in ("track", "parent", "pdg"))
    not_known = np.full(len(number), NO_PROCESS)
    process, subprocess = (
        tracks.get(name, not_known).astype(np.int64) for name in ("process", "subprocess")
    )
    of_track = kind_of_tracks(number, parent, pdg, process, subprocess)
    found = kind_of_hits(columns["track"].astype(np.int64), number, of_track)
    return np.where(found == Kind.NO_CLASS, kind, found).astype(np.uint8), ()


def _vertex_mm(vertices: dict[str, np.ndarray]) -> np.ndarray | None:
    if not {"x", "y", "z"} <= set(vertices) or not len(vertices["event"]):
        return None
    return np.array([vertices[axis][0] for axis in "xyz"], np.float64) * MM_PER_CM


def _sorted_table(
    file: h5py.File, path: Path, places: tuple[str, ...], names: dict[str, tuple[str, ...]]
) -> dict[str, np.ndarray] | None:
    """Return the columns of another table, such as the trajectories, sorted by event.

    None if the file has no such table. In memory are about 40 bytes per row.
    """
    dataset = find_table(file, places)
    fields = known_names(dataset.dtype.names or (), names) if dataset is not None else {}
    if dataset is None or "event" not in fields:
        return None
    columns = {ours: _read(dataset, field, path) for ours, field in fields.items()}
    order = np.argsort(columns["event"], kind="stable")
    return {name: column[order] for name, column in columns.items()}


def _rows(table: dict[str, np.ndarray] | None, event: int) -> dict[str, np.ndarray]:
    """Return the columns of one event; none without a table."""
    if table is None:
        return {}
    low, high = np.searchsorted(table["event"], [event, event + 1])
    return {name: column[low:high] for name, column in table.items()}
