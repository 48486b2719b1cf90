"""edep-sim's energy deposits in the HDF5 layout that larnd-sim reads.

Data set `segments`, a row a straight piece of a track: event, PDG code, dE [MeV], start and end
x, y, z [cm]. The names of the first two have changed over the years (eventID, event_id; pdgId,
pdg_id). A segment's energy is spread over the voxels that it crosses, by path length.
Label: electrons, positrons and photons 1, protons 3, everything else 2.
Source of the layout: DUNE/larnd-sim, cli/dumpTree.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import h5py
import numpy as np

from lartpc_challenge.files import open_h5, reading
from lartpc_challenge.format import VOXEL_SIZE_MM, ChallengeError
from organizer.convert.voxels import Deposits
from organizer.simulate.voxels import labels_of

_PLACES = ("segments", "mc_truth/segments/data")
_NAMES = {
    "event": ("eventid", "event_id"),
    "pdg": ("pdgid", "pdg_id", "pdg"),
    "energy": ("de",),
    **{f"{axis}_{end}": (f"{axis}_{end}",) for axis in "xyz" for end in ("start", "end")},
}
_MM_PER_CM = 10.0
_WORLD_CM = 1e5


def read(path) -> Iterator[Deposits]:
    """Yield the events of an edep-sim file in the order of their numbers."""
    with open_h5(path) as file:
        segments, fields = _segments(file, path)
        event = _read(segments, fields["event"], slice(None), path)
        if len(event) and (event.min() < 0 or event.max() > np.iinfo(np.uint32).max):
            raise ChallengeError(f"{path}: an event number is not a 32-bit one, 0 to 4294967295")
        order = np.argsort(event, kind="stable")
        numbers, first = np.unique(event[order], return_index=True)
        for number, rows in zip(numbers.tolist(), np.split(order, first[1:])):
            # Events are nearly always in one piece each; where they mingle, this reads too much.
            piece = slice(rows.min(), rows.max() + 1)
            columns = {
                name: _read(segments, field, piece, path)[rows - piece.start]
                for name, field in fields.items()
                if name != "event"
            }
            yield _deposits(f"{path}: event {number}", number, columns)


def _segments(file: h5py.File, path) -> tuple[h5py.Dataset, dict[str, str]]:
    """The data set, and our name -> its name of every field that we need."""
    for place in _PLACES:
        segments = file.get(place)
        if isinstance(segments, h5py.Dataset) and segments.dtype.names:
            there = {name.lower(): name for name in segments.dtype.names}
            fields = {
                ours: next((there[name] for name in names if name in there), None)
                for ours, names in _NAMES.items()
            }
            missing = [ours for ours, name in fields.items() if name is None]
            if missing:
                raise ChallengeError(
                    f"{path}: {place} has no field for {', '.join(missing)}; expected eventID, "
                    "pdgId, dE [MeV], x_start, x_end, y_start, ... [cm]"
                )
            return segments, fields
    raise ChallengeError(f"{path}: expected edep-sim's data set `segments`, a table")


def _read(segments: h5py.Dataset, field: str, rows: slice, path) -> np.ndarray:
    with reading(f"{path}: {segments.name}"):
        return segments.fields(field)[rows]


def _deposits(where: str, event_id: int, columns: dict[str, np.ndarray]) -> Deposits:
    ends = [
        np.column_stack([columns[f"{axis}_{end}"] for axis in "xyz"]).astype(np.float64)
        for end in ("start", "end")
    ]
    if not (np.abs(ends) < _WORLD_CM).all():
        raise ChallengeError(f"{where}: a segment's place is not a number, or 1 km away")
    start, end = (place * (_MM_PER_CM / VOXEL_SIZE_MM) for place in ends)
    segment, cell, share = split_by_cell(start, end)
    label = labels_of(columns["pdg"].astype(np.int64), proton_is_a_class=True)
    return Deposits(event_id, cell, columns["energy"][segment] * share, label[segment])


def split_by_cell(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cells that straight segments cross, exactly.

    start, end (S, 3) in cells. Returns, a row a piece within one cell: segment (P,) int64, cell
    (P, 3) int64, share (P,) of the segment's length, which adds up to 1 for every segment.
    """
    low, high = np.floor(np.minimum(start, end)), np.floor(np.maximum(start, end))
    rows = np.arange(len(start))
    segments, fractions = [rows, rows], [np.zeros(len(start)), np.ones(len(start))]
    for axis in range(3):
        # Planes low + 1 ... high lie between the ends; where each is crossed, as a fraction.
        crossings = (high - low)[:, axis].astype(np.int64)
        segment = np.repeat(rows, crossings)
        nth = np.arange(len(segment)) - np.repeat(np.cumsum(crossings) - crossings, crossings)
        plane = low[segment, axis] + 1 + nth
        segments.append(segment)
        fractions.append((plane - start[segment, axis]) / (end - start)[segment, axis])
    segment, fraction = np.concatenate(segments), np.concatenate(fractions)
    order = np.lexsort((fraction, segment))
    segment, fraction = segment[order], fraction[order]
    piece = np.flatnonzero(segment[1:] == segment[:-1])
    middle = (fraction[piece] + fraction[piece + 1]) / 2
    segment = segment[piece]
    place = start[segment] + (end - start)[segment] * middle[:, None]
    return segment, np.floor(place).astype(np.int64), np.diff(fraction)[piece]
