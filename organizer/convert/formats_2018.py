"""Read and write event files of the 2018 competition: dense HDF5 and CSV.

Dense   /data (N, 192, 192, 192) float, MeV; /label of the same shape, 0 = empty (train only).
        Row i is the i-th event; files of this package also have `event_id` (N,) uint32.
CSV     event,x,y,z,val,label: one row per voxel (test files have no label); columns in any order.

Read:   for event in read_events_2018("train_1-2.hdf5"): event.coords, event.energy, event.label
Write:  with EventFile("cycle1_test.h5") as events:
            write_csv("cycle1_test.csv", events)        # or write_dense("cycle1_test.hdf5", events)

A few events at a time are in memory, but all voxels of a CSV file: 12 bytes each.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

import h5py
import numpy as np

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.events import COMPRESSION, Event
from lartpc_challenge.files import StrPath, check_file, new_h5, open_h5, reading, replacing
from lartpc_challenge.format import GRID_SHAPE, GRID_SIZE, ChallengeError
from lartpc_challenge.signals import let_in
from lartpc_challenge.submission.problems import shown

_DENSE_NAMES = {"energy": ("data", "val"), "label": ("label", "labels")}
_CSV_NAMES = {
    "event": ("event", "event_id", "eventid"),
    "x": ("x",),
    "y": ("y",),
    "z": ("z",),
    "energy": ("val", "value", "energy"),
    "label": ("label", "labels"),
}
# The largest whole number of a column, and its type in memory.
_CSV_WHOLE = {
    "event": (2**32 - 1, np.uint32),
    "x": (GRID_SIZE - 1, np.uint8),
    "y": (GRID_SIZE - 1, np.uint8),
    "z": (GRID_SIZE - 1, np.uint8),
    "label": (max(cycle.n_labels for cycle in CYCLES.values()) - 1, np.uint8),
}
_DENSE_BLOCK_CELLS = 1 << 24
_CSV_BLOCK_BYTES = 1 << 23
_CSV_LINE_BYTES = 1 << 16
_BRICK = 24  # edge of the written chunks; most of an event's 512 chunks stay empty


def read_events_2018(path: StrPath) -> Iterator[Event]:
    """Yield the events of a dense HDF5 or CSV file; the format is recognised from the content.

    Voxels without energy and voxels with the label 0 (empty) are dropped. Raises ChallengeError for
    other files.
    """
    check_file(path)
    return read_dense(path) if h5py.is_hdf5(path) else read_csv(path)


# ---- dense HDF5


def read_dense(path: StrPath) -> Iterator[Event]:
    """Yield the events of a dense file; event_id is that of the file, else the row number."""
    with open_h5(path) as file:
        energy, label = _dense_dataset(file, "energy"), _dense_dataset(file, "label")
        event_id = file["event_id"][:] if "event_id" in file else None
        if energy is None:
            raise ChallengeError(f"{path}: expected a data set `data` of shape (N, 192, 192, 192)")
        if label is not None and label.shape != energy.shape:
            raise ChallengeError(f"{path}: label is {label.shape}, but data {energy.shape}")
        if event_id is None:
            event_id = np.arange(len(energy))
        event_id = _whole_numbers(path, "event", event_id)
        if event_id.shape != energy.shape[:1]:
            raise ChallengeError(f"{path}: event_id is {event_id.shape}, expected one per event")
        if len(np.unique(event_id)) < len(event_id):
            raise ChallengeError(f"{path}: event_id holds an event twice")
        # A chunk that contains several events is unpacked only once.
        step = energy.chunks[0] if energy.chunks else 1
        for start in range(0, len(energy), step):
            yield from _dense_block(path, energy, label, event_id[start : start + step], start)


def _dense_dataset(file: h5py.File, column: str) -> h5py.Dataset | None:
    for name in file:
        dataset = file.get(name)
        if name.lower() in _DENSE_NAMES[column] and isinstance(dataset, h5py.Dataset):
            if dataset.shape[1:] != GRID_SHAPE or dataset.dtype.kind not in "fiu":
                raise ChallengeError(
                    f"{file.filename}: {name} is {dataset.dtype} {dataset.shape}, "
                    f"expected numbers of shape (N, 192, 192, 192)"
                )
            return dataset
    return None


def _dense_block(
    path: StrPath,
    energy: h5py.Dataset,
    label: h5py.Dataset | None,
    event_id: np.ndarray,
    start: int,
) -> Iterator[Event]:
    """Yield the events from row `start` on, one per value of `event_id`, read in slabs of x."""
    rows = slice(start, start + len(event_id))
    width = energy.chunks[1] if energy.chunks else 1
    width *= max(1, _DENSE_BLOCK_CELLS // (len(event_id) * width * GRID_SIZE**2))
    found = []
    for x in range(0, GRID_SIZE, width):
        with reading(f"{path}: row {start} or one of the next"):
            values = energy[rows, x : x + width]
            hit = np.nonzero(values)
            labels = None if label is None else label[rows, x : x + width][hit]
        columns = {"energy": _energies(values[hit])}
        if labels is not None:
            columns["label"] = _whole_numbers(path, "label", labels)
        coords = np.column_stack((hit[1] + x, hit[2], hit[3])).astype(np.uint8)
        found.append({"row": hit[0], "coords": coords, **columns})
    columns = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
    yield from _events(path, event_id, columns.pop("row"), columns)


def write_dense(path: StrPath, events: Iterable[Event]) -> None:
    """Write `events` as a dense file; /label only if they have labels.

    A dense event is 28 MB, nearly all zeros: only bricks with voxels are stored.
    """
    events, has_labels = _peek(events)
    with new_h5(path) as file:
        shape = {"shape": (0, *GRID_SHAPE), "maxshape": (None, *GRID_SHAPE)}
        chunks = {"chunks": (1, _BRICK, _BRICK, _BRICK), **COMPRESSION}
        file.create_dataset("data", dtype=np.float32, **shape, **chunks)
        if has_labels:
            file.create_dataset("label", dtype=np.uint8, **shape, **chunks)
        event_id = []
        for event in events:
            let_in()
            _write_bricks(file["data"], event.coords, event.energy)
            if has_labels:
                assert event.label is not None  # as the first one
                _write_bricks(file["label"], event.coords, event.label)
            event_id.append(event.event_id)
        file["event_id"] = np.array(event_id, np.uint32)


def _write_bricks(dataset: h5py.Dataset, coords: np.ndarray, values: np.ndarray) -> None:
    """Append a row with `values` at `coords`."""
    row = len(dataset)
    dataset.resize(row + 1, axis=0)
    corner, place = np.divmod(coords, _BRICK)
    corners, brick_of = np.unique(corner, axis=0, return_inverse=True)
    for i, (x, y, z) in enumerate(corners.astype(int) * _BRICK):
        brick = np.zeros((_BRICK, _BRICK, _BRICK), dataset.dtype)
        mine = brick_of.ravel() == i
        brick[tuple(place[mine].T)] = values[mine]
        dataset[row, x : x + _BRICK, y : y + _BRICK, z : z + _BRICK] = brick


# ---- CSV


def read_csv(path: StrPath) -> Iterator[Event]:
    """Yield the events of a CSV file, ordered by their first rows. Rows may be in any order."""
    columns = _read_csv_columns(Path(path))
    event_id, first, event_of = np.unique(
        columns.pop("event"), return_index=True, return_inverse=True
    )
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    columns["coords"] = np.column_stack([columns.pop(axis) for axis in "xyz"])
    yield from _events(path, event_id[order], rank[event_of.ravel()], columns)


def _read_csv_columns(path: Path) -> dict[str, np.ndarray]:
    """Return the known columns of the whole file, each in its compact type."""
    try:
        with open(path, "rb") as file:
            names = _csv_header(path, file.readline(_CSV_LINE_BYTES))
            blocks, rest, line = [], b"", 2
            for text in iter(lambda: file.read(_CSV_BLOCK_BYTES), b""):
                whole, newline, rest = (rest + text).rpartition(b"\n")
                if newline:
                    blocks.append(_parse_csv(path, whole, names, line))
                    line += whole.count(b"\n") + 1
            blocks.append(_parse_csv(path, rest, names, line))
    except OSError as reason:
        raise ChallengeError(f"{path}: {reason.strerror}") from reason
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _csv_header(path: Path, header: bytes) -> list:
    """Return our name of each column; None for unknown columns."""
    text = header.decode("utf-8-sig", errors="replace")
    found = [name.strip().strip('"').lower() for name in text.split(",")]
    ours = {alias: name for name, aliases in _CSV_NAMES.items() for alias in aliases}
    names = [ours.get(name) for name in found]
    missing = [name for name in _CSV_NAMES if name != "label" and names.count(name) != 1]
    if missing or names.count("label") > 1:
        raise ChallengeError(
            f"{path}: the first line must name the columns event,x,y,z,val and, in train files, "
            f"label, each once; found {shown(text.strip())}"
        )
    return names


def _parse_csv(path: Path, text: bytes, names: list, line: int) -> dict[str, np.ndarray]:
    """Parse some whole lines; return the known columns. line: the number of the first line."""
    text = text.replace(b"\r", b"").strip(b"\n")
    n_lines = text.count(b"\n") + 1 if text else 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # older numpy only warns about text that is not a number
        try:
            values = np.fromstring(text.replace(b"\n", b","), sep=",") if text else np.zeros(0)
        except (ValueError, DeprecationWarning):
            values = None
    separator = np.frombuffer(text + b"\n" if text else b"", np.uint8)
    n_columns = np.diff(np.cumsum(separator == ord(","))[separator == ord("\n")], prepend=0) + 1
    if values is None or values.size != n_lines * len(names) or (n_columns != len(names)).any():
        raise ChallengeError(_bad_line(path, text, len(names), line))
    table = values.reshape(n_lines, len(names))
    return {
        name: _whole_numbers(path, name, column) if name in _CSV_WHOLE else _energies(column)
        for name, column in zip(names, table.T)
        if name
    }


def _bad_line(path: Path, text: bytes, n_columns: int, line: int) -> str:
    for number, row in enumerate(text.split(b"\n"), start=line):
        try:
            complete = len([float(value) for value in row.split(b",")]) == n_columns
        except ValueError:
            complete = False
        if not complete:
            return f"{path} line {number}: expected {n_columns} numbers, found {shown(row)}"
    return f"{path} line {line} or below: expected {n_columns} numbers in each line"


def write_csv(
    path: StrPath, events: Iterable[Event], scores: Mapping[str, np.ndarray] | None = None
) -> None:
    """Write `events` as CSV. There is a column label if they have labels.

    scores: class -> (M,), a prediction for the voxels of all events: columns score_CLASS.
    """
    events, has_labels = _peek(events)
    scores, start = scores or {}, 0
    head = ["event,x,y,z,val", *["label"] * has_labels, *(f"score_{name}" for name in scores)]
    row = "%d,%d,%d,%d,%.9g" + ",%d" * has_labels + ",%.6g" * len(scores) + "\n"
    with replacing(path) as temporary, open(temporary, "w", newline="") as file:
        file.write(",".join(head) + "\n")
        for event in events:
            columns = [*event.coords.T.tolist(), event.energy.tolist()]  # 9 digits keep a float32
            if has_labels:
                assert event.label is not None  # as the first one
                columns.append(event.label.tolist())
            mine = slice(start, start := start + len(event))
            columns += [values[mine].tolist() for values in scores.values()]
            file.writelines(row % (event.event_id, *values) for values in zip(*columns))


# ---- both


def _peek(events: Iterable[Event]) -> tuple[Iterator[Event], bool]:
    """Return the events, and whether they have labels."""
    events = iter(events)
    first = next(events, None)
    if first is None:
        return iter(()), False
    return chain([first], events), first.label is not None


def _whole_numbers(path: StrPath, name: str, values: np.ndarray) -> np.ndarray:
    """Convert `values` to the compact type of column `name`.

    Raises ChallengeError for other values than whole numbers in its range.
    """
    highest, dtype = _CSV_WHOLE[name]
    wrong = ~((values >= 0) & (values <= highest) & (values == np.floor(values)))
    if wrong.any():
        raise ChallengeError(
            f"{path}: {name} must be a whole number from 0 to {highest}, found {values[wrong][0]:g}"
        )
    return values.astype(dtype)


def _energies(values: np.ndarray) -> np.ndarray:
    """Convert `values` to float32; too large values become infinite, and `_event` refuses them."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _events(
    path: StrPath, event_id: np.ndarray, row: np.ndarray, columns: dict[str, np.ndarray]
) -> Iterator[Event]:
    """Yield events from voxels: voxel i belongs to event_id[row[i]]."""
    if (np.diff(row) < 0).any():
        order = np.argsort(row, kind="stable")
        row, columns = row[order], {name: values[order] for name, values in columns.items()}
    bounds = np.searchsorted(row, np.arange(len(event_id) + 1))
    for i, number in enumerate(event_id.tolist()):
        voxels = {name: values[bounds[i] : bounds[i + 1]] for name, values in columns.items()}
        yield _event(path, number, **voxels)


def _event(
    path: StrPath,
    event_id: int,
    coords: np.ndarray,
    energy: np.ndarray,
    label: np.ndarray | None = None,
) -> Event:
    if not np.isfinite(energy).all():
        raise ChallengeError(f"{path}: event {event_id} has an energy that is not a number")
    place = np.asarray(np.ravel_multi_index(tuple(coords.T.astype(int)), GRID_SHAPE))
    if len(np.unique(place)) < len(place):
        raise ChallengeError(f"{path}: event {event_id} has a voxel twice")
    kept = energy > 0 if label is None else (energy > 0) & (label > 0)
    return Event(event_id, coords[kept], energy[kept], None if label is None else label[kept])
