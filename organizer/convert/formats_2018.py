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
from organizer.convert.csv_file import header, read_rows
from organizer.convert.deposits import known_names
from organizer.convert.h5 import get_dataset

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
_WHOLE = {
    "event": (2**32 - 1, np.uint32),
    "x": (GRID_SIZE - 1, np.uint8),
    "y": (GRID_SIZE - 1, np.uint8),
    "z": (GRID_SIZE - 1, np.uint8),
    "label": (max(cycle.n_labels for cycle in CYCLES.values()) - 1, np.uint8),
}
_DENSE_BLOCK_CELLS = 1 << 24
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
        data_sets = _dense_data_sets(file)
        energy = data_sets.get("energy")
        if energy is None:
            raise ChallengeError(f"{path}: expected a data set `data` of shape (N, 192, 192, 192)")
        label = data_sets.get("label", energy)
        if label.shape != energy.shape:
            raise ChallengeError(f"{path}: label is {label.shape}, but data {energy.shape}")
        event_id = file["event_id"][:] if "event_id" in file else np.arange(len(energy))
        event_id = _compact(path, "event", event_id)
        if event_id.shape != energy.shape[:1]:
            raise ChallengeError(f"{path}: event_id is {event_id.shape}, expected one per event")
        if len(np.unique(event_id)) < len(event_id):
            raise ChallengeError(f"{path}: event_id holds an event twice")
        # A chunk that contains several events is unpacked only once.
        step = energy.chunks[0] if energy.chunks else 1
        for start in range(0, len(energy), step):
            yield from _dense_block(path, data_sets, event_id[start : start + step], start)


def _dense_data_sets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Return our name -> data set. Raises ChallengeError for one of another shape or type."""
    found = {}
    for ours, theirs in known_names(map(str, file), _DENSE_NAMES).items():
        dataset = get_dataset(file, theirs)
        if dataset.shape[1:] != GRID_SHAPE or dataset.dtype.kind not in "fiu":
            raise ChallengeError(
                f"{file.filename}: {theirs} is {dataset.dtype} {dataset.shape}, "
                f"expected numbers of shape (N, 192, 192, 192)"
            )
        found[ours] = dataset
    return found


def _dense_block(
    path: StrPath, data_sets: dict[str, h5py.Dataset], event_id: np.ndarray, start: int
) -> Iterator[Event]:
    """Yield the events from row `start` on, one per value of `event_id`, read in slabs of x."""
    chunks, rows = data_sets["energy"].chunks, slice(start, start + len(event_id))
    width = chunks[1] if chunks else 1
    width *= max(1, _DENSE_BLOCK_CELLS // (len(event_id) * width * GRID_SIZE**2))
    found = []
    for x in range(0, GRID_SIZE, width):
        with reading(f"{path}: row {start} or one of the next"):
            slab = {name: dataset[rows, x : x + width] for name, dataset in data_sets.items()}
        hit = np.nonzero(slab["energy"])
        columns = {name: _compact(path, name, values[hit]) for name, values in slab.items()}
        columns["coords"] = np.column_stack((hit[1] + x, hit[2], hit[3])).astype(np.uint8)
        found.append({"row": hit[0], **columns})
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
    columns = _csv_columns(Path(path))
    event_id, first, event_of = np.unique(
        columns.pop("event"), return_index=True, return_inverse=True
    )
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    columns["coords"] = np.column_stack([columns.pop(axis) for axis in "xyz"])
    yield from _events(path, event_id[order], rank[event_of.ravel()], columns)


def _csv_columns(path: Path) -> dict[str, np.ndarray]:
    """Return the known columns of the whole file, each in its compact type."""
    found = header(path) or []
    ours = {alias: name for name, aliases in _CSV_NAMES.items() for alias in aliases}
    names = [ours.get(name) for name in found]
    if any(names.count(name) != 1 for name in _CSV_NAMES if name != "label" or name in names):
        raise ChallengeError(
            f"{path}: the first line must name the columns event,x,y,z,val and, in train files, "
            f"label, each once; found {shown(','.join(found))}"
        )
    blocks = [
        {name: _compact(path, name, column) for name, column in zip(names, rows.T) if name}
        for rows in chain([np.zeros((0, len(names)))], read_rows(path, len(names)))
    ]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


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


def _compact(path: StrPath, name: str, values: np.ndarray) -> np.ndarray:
    """Convert `values` to the compact type of column `name`.

    Raises ChallengeError for other values than whole numbers in its range; energies can be any.
    """
    if name == "energy":
        with np.errstate(over="ignore"):  # they become infinite, and `_event` refuses them
            return values.astype(np.float32)
    highest, dtype = _WHOLE[name]
    wrong = ~((values >= 0) & (values <= highest) & (values == np.floor(values)))
    if wrong.any():
        raise ChallengeError(
            f"{path}: {name} must be a whole number from 0 to {highest}, found {values[wrong][0]:g}"
        )
    return values.astype(dtype)


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
    """Return an event without its empty voxels. Raises ChallengeError for wrong values."""
    if not np.isfinite(energy).all():
        raise ChallengeError(f"{path}: event {event_id} has an energy that is not a number")
    place = np.asarray(np.ravel_multi_index(tuple(coords.T.astype(int)), GRID_SHAPE))
    if len(np.unique(place)) < len(place):
        raise ChallengeError(f"{path}: event {event_id} has a voxel twice")
    kept = energy > 0 if label is None else (energy > 0) & (label > 0)
    return Event(event_id, coords[kept], energy[kept], None if label is None else label[kept])
