"""Decode edep-sim's classes in ROOT files, which uproot can't decode.

The bytes of TG4Event::SegmentDetectors and TG4Trajectory::Points, all numbers big-endian:

map<string, vector<TG4HitSegment>>   10 bytes end with the number of detectors; for each its name
        (1 byte of length, or 255 and 4 bytes), the number n of hits (4 bytes), the hits
TG4HitSegment   4 bytes of byte count, with a flag, and 2 of version; 10 of TObject; vector<int>
        Contrib (6, the number, 4 bytes each); PrimaryId; EnergyDeposit [MeV], SecondaryDeposit,
        TrackLength (float); Start and Stop
TLorentzVector  6, TObject 10; TVector3: 6, TObject 10, x, y, z (double); t (double)  [mm, ns]
vector<TG4TrajectoryPoint>[]    memberwise: 8 bytes; for each trajectory its number n of points (4),
        then n TObject, n TLorentzVector, n TVector3, n Process, n Subprocess

Source: ClarkMcGrew/edep-sim, io/TG4HitSegment.h, TG4Trajectory.h; the bytes of real files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_COUNT_FLAG = 0x40000000
_MEMBERWISE = 0x4000
_HEADER = 6  # byte count and version
_TOBJECT = 10
_VECTOR3 = _HEADER + _TOBJECT + 24
_LORENTZ = _HEADER + _TOBJECT + _VECTOR3 + 8
_XYZ = _HEADER + _TOBJECT + _HEADER + _TOBJECT  # of a TLorentzVector, where x begins
_POINT = _TOBJECT + _LORENTZ + _VECTOR3 + 8
_LONG_STRING = 255


@dataclass(frozen=True)
class Hits:
    """The H hits of one event.

    detector (H,) int64: index in `detectors`. track (H,) int64: the track that left most energy
    (-1: none). energy_mev (H,) float64. start_mm, stop_mm (H, 3) float64.
    """

    detectors: tuple[str, ...]
    detector: np.ndarray
    track: np.ndarray
    energy_mev: np.ndarray
    start_mm: np.ndarray
    stop_mm: np.ndarray


def hits_of_entry(entry: np.ndarray) -> Hits:
    """Decode the hits from one entry's bytes (uint8) of SegmentDetectors.

    Raises ValueError for other bytes.
    """
    raw = entry.tobytes()
    n_detectors, at = _int(raw, _HEADER), _HEADER + 4
    names, positions = [], []
    for _ in range(n_detectors):
        name, at = _string(raw, at)
        n_hits, at = _int(raw, at), at + 4
        names.append(name)
        found, at = _hit_positions(raw, at, n_hits)
        positions.append(found)
    if at != len(raw):
        raise ValueError(f"{len(raw) - at} bytes too many")
    place = np.concatenate([np.zeros(0, np.int64), *positions])
    detector = np.repeat(np.arange(len(names)), list(map(len, positions)))
    n_contributors = _gather(entry, place + _HEADER + _TOBJECT + _HEADER, ">i4", 1)[:, 0]
    contributor = _HEADER + _TOBJECT + _HEADER + 4
    track = np.full(len(place), -1, np.int64)
    has = n_contributors > 0
    track[has] = _gather(entry, place[has] + contributor, ">i4", 1)[:, 0]
    after = place + contributor + 4 * n_contributors.astype(np.int64)
    energy = _gather(entry, after + 4, ">f4", 1)[:, 0]
    start = _gather(entry, after + 16 + _XYZ, ">f8", 3)
    stop = _gather(entry, after + 16 + _LORENTZ + _XYZ, ">f8", 3)
    return Hits(tuple(names), detector, track, energy.astype(np.float64), start, stop)


def first_processes(entry: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Decode process and subprocess of the first point of every trajectory: (T,) int64 each.

    entry: the bytes (uint8) of Trajectories.Points. -1 for trajectories without points. Raises
    ValueError for other bytes, and for points that are not stored memberwise.
    """
    raw = entry.tobytes()
    if not raw:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    if not int.from_bytes(raw[4:6], "big") & _MEMBERWISE:
        raise ValueError("points are not stored memberwise")
    at, processes = _HEADER + 2, []
    while at < len(raw):
        n = _int(raw, at)
        at += 4
        if n < 0 or at + n * _POINT > len(raw):
            raise ValueError(f"{n} points do not fit")
        process = at + n * (_POINT - 8)
        processes.append((_int(raw, process), _int(raw, process + 4 * n)) if n else (-1, -1))
        at += n * _POINT
    table = np.array(processes, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _hit_positions(raw: bytes, at: int, n_hits: int) -> tuple[np.ndarray, int]:
    """Return the start of each of `n_hits` hits from byte `at` on, and the end of the last one.

    Nearly all hits have one contributor and so the same size: runs of equal size are found at once.
    """
    runs = []
    while n_hits:
        count = _int(raw, at)
        size = (count & ~_COUNT_FLAG) + 4
        if not count & _COUNT_FLAG or size < _HEADER or at + size > len(raw):
            raise ValueError("a hit has no byte count")
        fit = min(n_hits, (len(raw) - at) // size)
        counts = np.ndarray((fit,), ">i4", raw, at, (size,))
        other = np.flatnonzero(counts != count)
        run = int(other[0]) if len(other) else fit
        runs.append(at + size * np.arange(run))
        at, n_hits = at + size * run, n_hits - run
    return np.concatenate([np.zeros(0, np.int64), *runs]), at


def _gather(entry: np.ndarray, place: np.ndarray, dtype: str, n: int) -> np.ndarray:
    """Return (len(place), n) numbers of `dtype`; each row begins at a byte of `place`."""
    size = np.dtype(dtype).itemsize * n
    if len(place) and (place.min() < 0 or place.max() + size > len(entry)):
        raise ValueError("a hit is cut short")
    return entry[place[:, None] + np.arange(size)].view(dtype).reshape(len(place), n)


def _int(raw: bytes, at: int) -> int:
    if at + 4 > len(raw):
        raise ValueError("cut short")
    return int.from_bytes(raw[at : at + 4], "big", signed=True)


def _string(raw: bytes, at: int) -> tuple[str, int]:
    if at >= len(raw):
        raise ValueError("cut short")
    length, at = raw[at], at + 1
    if length == _LONG_STRING:
        length, at = _int(raw, at), at + 4
    return raw[at : at + length].decode("utf-8", errors="replace"), at + length
