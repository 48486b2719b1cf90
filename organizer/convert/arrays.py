"""Read voxels from plain arrays: .npz, CSV, and the folders of pimm.

npz     coords (N, 3) [voxels], energy (N,) [MeV], motif (N,) and pid (N,), or other known names.
        With several events `event` (N,) numbers them.
CSV     columns x, y, z, energy, motif, pid, event, in any order, or other known names.
pimm    a folder of folders event_0000: coord.npy (N, 3), strength.npy (N, 1), segment.npy (N,);
        the optional classes.txt has the names of the classes in `segment`
"""

from __future__ import annotations

import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from lartpc_challenge.files import check_file
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.submission.upload import READ_ERRORS
from organizer.convert.csv_file import header, read_rows
from organizer.convert.deposits import (
    NOT_KNOWN,
    ReadOptions,
    SourceEvent,
    Voxels,
    grouped,
    known_names,
)
from organizer.convert.larcv_kinds import FIVE_TYPES, kinds_of_types
from organizer.convert.pilarnet import NO_PIDS, NO_SIZE, grid, kinds
from organizer.convert.taxonomy import Kind, kind_of_class

NAMES = {
    "coords": ("coords", "coord", "voxels", "xyz", "points"),
    "energy": ("energy", "energies", "strength", "value", "values", "val", "edep", "charge", "e"),
    "semantic": ("motif", "semantic", "segment_motif", "segment", "semantics", "semantic_type"),
    "fivetypes": ("fivetypes", "five_types"),
    "pid": ("pid", "segment_particle", "segment_pid"),
    "event": ("event", "event_id", "eventid", "entry", "batch", "batch_id"),
}
_AXES = ("x", "y", "z")
CLASSES_FILE = "classes.txt"  # in folders written by this package: the names of the classes
_NO_LABELS = (
    "it has no semantic types, so its events have no labels; expected is one of "
    + ", ".join(NAMES["semantic"])
)


def read_npz(path: Path, options: ReadOptions) -> Iterator[SourceEvent]:
    """Yield the events of an .npz file; event_id is from its array `event`, or 0 without one.

    Raises ChallengeError if the file can't be read or has other arrays.
    """
    check_file(path)
    try:
        with open(path, "rb") as file:
            found = np.load(file, allow_pickle=False)
            arrays = {name: found[name] for name in found.files}
    except (*READ_ERRORS, tokenize.TokenError, AttributeError) as reason:
        # A damaged header is a SyntaxError; a file that is not a zip is a single array.
        raise ChallengeError(f"{path}: not a readable .npz file of plain arrays") from reason
    yield from _events(path, arrays, options)


def read_csv(path: Path, options: ReadOptions) -> Iterator[SourceEvent]:
    """Yield the events of a CSV file, with event_id as in `read_npz` and its errors.

    The whole file is in memory.
    """
    names = header(path)
    if names is None or not set(_AXES) <= set(names):
        raise ChallengeError(f"{path}: the first line must name the columns x, y, z and energy")
    table = np.concatenate([np.zeros((0, len(names))), *read_rows(path, len(names))])
    arrays = dict(zip(names, table.T))
    arrays["coords"] = np.column_stack([arrays.pop(axis) for axis in _AXES])
    yield from _events(path, arrays, options)


def read_folder(path: Path, options: ReadOptions) -> Iterator[SourceEvent]:
    """Yield the events of a folder of pimm's `DefaultDataset`, with one or several splits.

    event_id is the number at the end of the event's folder. Raises ChallengeError as `read_npz`.
    """
    events = event_folders(path)
    if not events:
        raise ChallengeError(f"{path}: holds no folder with a coord.npy")
    names = _class_names(Path(path))
    for entry, folder in enumerate(events):
        arrays = {}
        for file in sorted(folder.glob("*.npy")):
            try:
                arrays[file.stem] = np.load(file, allow_pickle=False)
            except (*READ_ERRORS, tokenize.TokenError) as reason:
                raise ChallengeError(f"{file}: not a readable .npy file") from reason
        segment = arrays.pop("segment", None) if names is not None else None
        (event,) = _events(folder, arrays, options)
        if names is not None and segment is not None:
            event = replace(event, kind=_kinds_of_names(folder, segment, names))
        digits = folder.name.rpartition("_")[2]
        event_id = int(digits) if digits.isdigit() else entry
        number = (NOT_KNOWN, NOT_KNOWN, event_id)
        yield replace(event, entry=entry, event_id=event_id, number=number, n_events=len(events))


def _class_names(path: Path) -> list[str] | None:
    """Return the names in classes.txt, in the folder or the one above; None without the file."""
    for folder in (path, path.absolute().parent):
        if (folder / CLASSES_FILE).is_file():
            return (folder / CLASSES_FILE).read_text(encoding="utf-8").split("\n")[:-1]
    return None


def _kinds_of_names(where: Path, segment: np.ndarray, names: list[str]) -> np.ndarray:
    """Return the kinds (N,) uint8 of classes (N,) that count from 0 in the order of `names`."""
    if len(segment) and not -1 <= segment.min() <= segment.max() < len(names):
        raise ChallengeError(f"{where}: segment holds {segment.max()}, {CLASSES_FILE} {len(names)}")
    of_names = [kind_of_class(name, names) for name in names]
    return np.array([*of_names, Kind.NO_CLASS], np.uint8)[segment.ravel().astype(np.int64)]


def event_folders(path: Path) -> list[Path]:
    """Return the folders below `path` that hold an event, sorted by name."""
    return sorted(file.parent for file in Path(path).glob("**/coord.npy"))


def _events(
    path: Path, arrays: Mapping[str, np.ndarray], options: ReadOptions
) -> Iterator[SourceEvent]:
    """Check the arrays of a file and yield its events."""
    found = {ours: arrays[theirs] for ours, theirs in known_names(arrays, NAMES).items()}
    coords, energy = found.get("coords"), found.get("energy")
    if coords is None or energy is None:
        raise ChallengeError(
            f"{path}: expected the arrays coords, energy, motif and pid; found {', '.join(arrays)}"
        )
    if coords.ndim == 2 and coords.shape[1] == 2:
        raise ChallengeError(f"{path}: is 2D, coords is {coords.shape}; only 3D data are read")
    flat = {name: array.ravel() for name, array in found.items() if name != "coords"}
    if coords.shape != (len(coords), 3) or any(len(a) != len(coords) for a in flat.values()):
        raise ChallengeError(f"{path}: expected coords (N, 3) and N values in every other array")
    if not (np.abs(coords) < 1e6).all():
        raise ChallengeError(f"{path}: a coordinate is not a number, or beyond 1e6")
    events = [(0, np.arange(len(coords)))]
    if "event" in flat:
        broken = flat["event"][flat["event"] % 1 != 0]
        if len(broken):
            raise ChallengeError(f"{path}: expected whole numbers of events, found {broken[0]}")
        events = sorted(grouped(flat["event"]).items(), key=lambda event: event[1][0])
    kind, remarks = _kinds(path, flat, options)
    if options.voxel_mm is None:
        remarks = (*remarks, NO_SIZE.format(f"{grid(options).voxel_mm[0]:g}"))
    for entry, (event_id, rows) in enumerate(events):
        yield SourceEvent(
            entry,
            event_id,
            (NOT_KNOWN, NOT_KNOWN, event_id),
            Voxels(np.floor(coords[rows]).astype(np.int64), grid(options)),
            flat["energy"][rows].astype(np.float64),
            None if kind is None else kind[rows],
            remarks=remarks,
            n_events=len(events),
        )


def _kinds(
    path: Path, flat: Mapping[str, np.ndarray], options: ReadOptions
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return the kinds (N,) uint8 of the voxels, or None without labels, and remarks."""
    types = flat.get("fivetypes")
    if types is None and options.taxonomy == FIVE_TYPES:
        types = flat.get("semantic")
    if types is not None:
        return kinds_of_types(str(path), types, FIVE_TYPES), ()
    semantic, pid = flat.get("semantic"), flat.get("pid")
    if semantic is None:
        return None, (_NO_LABELS,)
    return kinds(str(path), semantic, pid), () if pid is not None else (NO_PIDS,)
