"""Read and write event files: the voxels with charge, ragged by offsets (FORMAT.md, "Events").

Read:   with EventFile("cycle1_train.h5") as events:
            for event in events: event.coords, event.energy, event.label
Write:  with EventWriter("mine.h5", kind="train", cycle=1, scale="full") as out:
            out.append(Event(7, coords, energy, label))

Both keep a block of events in memory, never the whole file.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from lartpc_challenge.cycles import CYCLES, Cycle
from lartpc_challenge.files import StrPath, new_h5, open_h5, reading
from lartpc_challenge.format import (
    EVENT_KINDS,
    FORMAT,
    FORMAT_VERSION,
    GRID_SHAPE,
    GRID_SIZE,
    SCALES,
    VOXEL_SIZE_MM,
    ChallengeError,
)
from lartpc_challenge.signals import let_in

if TYPE_CHECKING:
    from typing import Self

    import numpy.typing as npt
    import pandas

_CHUNK_ROWS = 1 << 15
DEFLATE_RATIO = 1032  # the highest compression of deflate: 258 bytes in 2 bits
_BLOCK_VOXELS = 1 << 20
COMPRESSION = {"compression": "gzip", "compression_opts": 6, "shuffle": True}
_COLUMNS = {
    "coords": (np.uint8, (3,)),
    "energy": (np.float32, ()),
    "label": (np.uint8, ()),
    "particle": (np.int16, ()),
}


@dataclass(frozen=True)
class Event:
    """The voxels with charge of one event.

    coords (n, 3) uint8: x, y, z. energy (n,) float32: MeV. label (n,) uint8: at least 1; None if
    unknown. particle (n,) int16: index of the primary particle that left most of the voxel's
    energy, in the event's particle table; -1 for none of them; None if unknown.
    """

    event_id: int
    coords: np.ndarray
    energy: np.ndarray
    label: np.ndarray | None = None
    particle: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.coords)


def offset_of(lengths: npt.ArrayLike) -> np.ndarray:
    """Return the offsets (N+1,) int64 of N consecutive parts with these lengths."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def has_repeats(values: np.ndarray) -> bool:
    """Return whether a value occurs more than once in `values` (n,)."""
    # The first call of np.unique imports numpy.ma: 50 ms, as long as scoring itself.
    ordered = np.sort(values)
    return bool((ordered[1:] == ordered[:-1]).any())


def check_offsets(
    offset: np.ndarray, n_events: int, n_voxels: int, where: str, error: type[Exception]
) -> None:
    """Raise `error` unless offset is (n_events + 1,), starts at 0, ascends and ends at n_voxels."""
    if offset.shape != (n_events + 1,) or offset.dtype.kind not in "ui":
        raise error(
            f"{where}: offset is {offset.dtype} {offset.shape}, expected integers ({n_events + 1},)"
        )
    if offset[0] != 0 or offset[-1] != n_voxels or (offset[1:] < offset[:-1]).any():
        raise error(f"{where}: offset must ascend from 0 to the number of voxels, {n_voxels}")


class EventFile:
    """An event file, open for reading: a sequence of `Event`.

    event_id (N,) uint32 and offset (N+1,) int64 are in memory; voxels are read on demand.
    voxel_size_mm: the edge of a voxel. file: the open h5py.File, for other data sets.
    kind: the expected kind of file, any kind by default. labelled: the file must have labels.
    Raises ChallengeError for any other file.
    """

    def __init__(self, path: StrPath, kind: str | None = None, *, labelled: bool = False):
        self.path = Path(path)
        with contextlib.ExitStack() as stack:
            self.file = stack.enter_context(open_h5(self.path))
            self._read_header(kind)
            if labelled and not self.has_labels:
                raise ChallengeError(
                    f"{path}: a {self.kind} file holds no labels; give a train or simulation file"
                )
            self._stack = stack.pop_all()

    def _read_header(self, kind: str | None) -> None:
        check_format(self.file, self.path, (kind,) if kind else EVENT_KINDS)
        attributes = self.file.attrs
        self.kind, self.scale = str(attributes["kind"]), str(attributes["scale"])
        self.cycle = CYCLES[int(attributes["cycle"])]
        self.voxel_size_mm = self._read_voxel_size()
        for name in ("event_id", "offset", "coords", "energy"):
            if not isinstance(self.file.get(name), h5py.Dataset):
                raise ChallengeError(f"{self.path}: data set {name} is missing")
            self._check_stored(name)
        self.event_id = self.file["event_id"][:]
        self.offset = self.file["offset"][:]
        n_events, n_voxels = len(self.event_id), len(self.file["coords"])
        self.has_labels = "label" in self.file
        for name, (dtype, tail) in _COLUMNS.items():
            column, shape = self.file.get(name), (n_voxels, *tail)
            if column is not None and (column.shape != shape or column.dtype != dtype):
                raise ChallengeError(
                    f"{self.path}: {name} is {column.dtype} {column.shape}, "
                    f"expected {np.dtype(dtype)} {shape}"
                )
        if self.event_id.ndim != 1 or self.event_id.dtype.kind not in "ui":
            raise ChallengeError(f"{self.path}: event_id must be a list of integers")
        if has_repeats(self.event_id):
            raise ChallengeError(f"{self.path}: event_id holds an event twice")
        check_offsets(self.offset, n_events, n_voxels, str(self.path), error=ChallengeError)

    def _read_voxel_size(self) -> float:
        size = _scalar(self.file.attrs.get("voxel_size_mm"))
        is_known = size == VOXEL_SIZE_MM or self.cycle.any_voxel_size
        if not (is_known and isinstance(size, float) and 0 < size < math.inf):
            raise ChallengeError(
                f"{self.path}: voxel_size_mm is {size!r}, expected {VOXEL_SIZE_MM:g} in cycle "
                f"{self.cycle.number}"
            )
        return size

    def _check_stored(self, name: str) -> None:
        """Raise ChallengeError if the data set's declared size is impossible.

        Checked before memory is allocated for it.
        """
        declared, stored = self.file[name].nbytes, self.file[name].id.get_storage_size()
        if declared > DEFLATE_RATIO * stored:
            raise ChallengeError(
                f"{self.path}: {name} declares {declared:,} bytes, but the {stored:,} stored bytes "
                "can't hold as many; the file is damaged"
            )

    @property
    def n_voxels(self) -> int:
        """M, the number of voxels of all events."""
        return int(self.offset[-1])

    def __len__(self) -> int:
        return len(self.event_id)

    def __getitem__(self, index: int) -> Event:
        index = range(len(self))[index]
        return next(self._block(index, index + 1))

    def __iter__(self) -> Iterator[Event]:
        start = 0
        while start < len(self):
            last = self.offset[start] + _BLOCK_VOXELS
            stop = int(np.searchsorted(self.offset, last, side="right")) - 1
            stop = max(start + 1, stop)  # at least one event
            yield from self._block(start, stop)
            start = stop

    def _block(self, start: int, stop: int) -> Iterator[Event]:
        first = self.offset[start]
        columns = {name: self.column(name, start, stop) for name in _COLUMNS if name in self.file}
        for i in range(start, stop):
            rows = slice(self.offset[i] - first, self.offset[i + 1] - first)
            yield Event(
                int(self.event_id[i]), **{name: column[rows] for name, column in columns.items()}
            )

    def column(self, name: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Return a per-voxel column of the events start..stop (all by default), as stored.

        Raises ChallengeError if it is missing or damaged.
        """
        stop = len(self) if stop is None else stop
        if name not in self.file:
            raise ChallengeError(f"{self.path}: data set {name} is missing")
        with reading(f"{self.path}: {name}"):
            column = self.file[name][self.offset[start] : self.offset[stop]]
            if len(column) != self.offset[stop] - self.offset[start]:
                raise ValueError("ends before the last voxel")
        if name == "coords" and (column >= GRID_SIZE).any():
            raise ChallengeError(
                f"{self.path}: a voxel lies outside the grid, coords must be below {GRID_SIZE}"
            )
        if name == "energy" and not (np.isfinite(column) & (column > 0)).all():
            raise ChallengeError(f"{self.path}: every voxel's energy must be a positive number")
        return column

    def particles(self, index: np.ndarray) -> dict[str, np.ndarray]:
        """Return the table of primary particles of the events `index` (n,), in that order.

        Name of a column -> values, and offset (n + 1,): the first particle of each event. Empty if
        the file has no table. Raises ChallengeError if it is damaged.
        """
        if "particles" not in self.file:
            return {}
        with reading(f"{self.path}: particles"):
            table = {name: column[:] for name, column in self.file["particles"].items()}
            offset = table.pop("offset")
            if any(len(column) != offset[-1] for column in table.values()):
                raise ValueError("a column of particles does not have as many rows as offset says")
            parts = [np.arange(offset[i], offset[i + 1]) for i in index]
            rows = np.concatenate([np.zeros(0, np.int64), *parts])
            kept = {name: column[rows] for name, column in table.items()}
            return {"offset": offset_of(np.diff(offset)[index]), **kept}

    def to_frame(self, start: int = 0, stop: int | None = None) -> pandas.DataFrame:
        """Return the voxels of the events start..stop (all by default) as a pandas data frame.

        One row per voxel, with the columns event_id, x, y, z, energy and, if the file has them,
        label and particle. Needs pandas, which scoring does not.
        """
        import pandas  # not installed on a platform's worker

        stop = len(self) if stop is None else stop
        length = np.diff(self.offset[start : stop + 1])
        columns = {"event_id": np.repeat(self.event_id[start:stop], length)}
        columns.update(zip("xyz", self.column("coords", start, stop).T))
        for name in ("energy", "label", "particle"):
            if name in self.file:
                columns[name] = self.column(name, start, stop)
        return pandas.DataFrame(columns)

    def close(self) -> None:
        """Close the file; `with` does it too."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()


class EventWriter:
    """Write an event file, event by event. The file appears at `path` when the block ends.

    kind: one of EVENT_KINDS. cycle: its number. scale: one of SCALES.

    columns: additional per-voxel columns, name -> dtype; give their values to `append` by keyword.
    For the column `particle` the values may be in the events instead. attributes: additional root
    attributes. The attribute `file` is the open h5py.File, for additional groups.
    Raises ValueError at the end of the block if two events have the same event_id, ChallengeError
    if the file can't be written.
    """

    def __init__(
        self,
        path: StrPath,
        *,
        kind: str,
        cycle: int,
        scale: str,
        columns: Mapping[str, type] | None = None,
        attributes: Mapping[str, object] | None = None,
    ):
        if kind not in EVENT_KINDS or cycle not in CYCLES or scale not in SCALES:
            raise ValueError(f"kind {kind!r}, cycle {cycle!r} or scale {scale!r} is unknown")
        if kind == "test" and "particle" in (columns or {}):
            raise ValueError("a test file must not have the column particle")
        names = ("coords", "energy") if kind == "test" else ("coords", "energy", "label")
        self._columns = {name: _COLUMNS[name] for name in names}
        self._columns.update({name: (dtype, ()) for name, dtype in (columns or {}).items()})
        with contextlib.ExitStack() as stack:
            self.file = stack.enter_context(new_h5(path, private=kind == "simulation"))
            write_format(self.file, kind=kind, cycle=cycle, scale=scale)
            self.file.attrs.update(attributes or {})
            for name, (dtype, tail) in self._columns.items():
                self.file.create_dataset(
                    name,
                    shape=(0, *tail),
                    maxshape=(None, *tail),
                    chunks=(_CHUNK_ROWS, *tail),
                    dtype=dtype,
                    **COMPRESSION,
                )
            self._stack = stack.pop_all()
        self._event_id, self._length = [], []
        self._waiting, self._n_waiting = [], 0

    def append(self, event: Event, **columns: np.ndarray) -> None:
        """Add one event. Raises ValueError for arrays with a wrong shape, dtype or value.

        Signals (Ctrl-C) take effect in this call only; while the file is open they are deferred.
        """
        let_in()
        values = {"coords": event.coords, "energy": event.energy}
        if event.label is not None:
            values["label"] = event.label
        if event.particle is not None and "particle" in self._columns:
            values["particle"] = event.particle
        values.update(columns)
        if values.keys() != self._columns.keys():
            raise ValueError(f"expected columns {sorted(self._columns)}, found {sorted(values)}")
        for name, (dtype, tail) in self._columns.items():
            value = values[name] = np.asarray(values[name])
            if value.shape != (len(event), *tail) or value.dtype != dtype:
                raise ValueError(
                    f"event {event.event_id}: {name} is {value.dtype} {value.shape}, "
                    f"expected {np.dtype(dtype)} {(len(event), *tail)}"
                )
        if (event.coords >= GRID_SIZE).any():
            raise ValueError(f"event {event.event_id}: a voxel lies outside the grid")
        if event.label is not None and (event.label == 0).any():
            raise ValueError(f"event {event.event_id}: label holds 0, expected at least 1")
        if "particle" in values and (values["particle"] < -1).any():
            raise ValueError(f"event {event.event_id}: particle is below -1")
        self._event_id.append(event.event_id)
        self._length.append(len(event))
        self._waiting.append(values)
        self._n_waiting += len(event)
        if self._n_waiting >= _BLOCK_VOXELS:
            self._flush()

    def _flush(self) -> None:
        if self._n_waiting:
            for name in self._columns:
                dataset = self.file[name]
                dataset.resize(len(dataset) + self._n_waiting, axis=0)
                dataset[-self._n_waiting :] = np.concatenate([v[name] for v in self._waiting])
        self._waiting, self._n_waiting = [], 0

    def _finish(self) -> None:
        if len(set(self._event_id)) < len(self._event_id):
            raise ValueError("two events have the same event_id")
        self._flush()
        self.file.create_dataset("event_id", data=np.array(self._event_id, np.uint32))
        self.file.create_dataset("offset", data=offset_of(self._length))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure) -> None:
        if failure[0] is None:
            try:
                self._finish()
            except BaseException as problem:
                self._stack.__exit__(type(problem), problem, problem.__traceback__)
                raise
        self._stack.__exit__(*failure)


def write_events(
    path: StrPath,
    events: Iterable[Event],
    *,
    kind: str,
    cycle: int,
    scale: str,
    particles: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write all events to a file with an EventWriter. Raises its errors.

    particles: the table of these events as `EventFile.particles` returns it. With it, the column
    `particle` of the events is kept; without it, its numbers would have no meaning.
    """
    events = iter(events)
    first = list(islice(events, 1))
    columns = {}
    if particles and first and first[0].particle is not None:
        columns = {"particle": np.int16}
    with EventWriter(path, kind=kind, cycle=cycle, scale=scale, columns=columns) as out:
        for event in chain(first, events):
            out.append(event)
        for name, column in (particles or {}).items():
            out.file[f"particles/{name}"] = column


def write_format(file: h5py.File, *, kind: str, cycle: int, scale: str) -> None:
    """Write the attributes of every file of the challenge (FORMAT.md, "Attributes")."""
    file.attrs.update(
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "kind": kind,
            "cycle": cycle,
            "scale": scale,
            "grid_shape": GRID_SHAPE,
            "voxel_size_mm": VOXEL_SIZE_MM,
            "class_names": list(CYCLES[cycle].label_names),
        }
    )


def check_format(
    file: h5py.File,
    path: StrPath,
    kinds: Collection[str],
    error: type[ChallengeError] = ChallengeError,
) -> None:
    """Raise `error` unless the file has valid attributes and is of one of `kinds`."""
    names = ("format", "format_version", "kind", "cycle", "scale")
    with reading(f"{path}: an attribute", error=error):
        found = {name: _scalar(file.attrs.get(name)) for name in names}
    if found["format"] != FORMAT and "pred" in file:
        raise error(f"{path}: is a submission, expected {' or '.join(kinds)} file")
    if found["format"] != FORMAT:
        raise error(f"{path}: not a file of this challenge (no attribute format = {FORMAT!r})")
    if found["format_version"] not in range(1, FORMAT_VERSION + 1):
        raise error(
            f"{path}: format_version {found['format_version']} is not readable by this package, "
            f"which reads versions up to {FORMAT_VERSION}; use the package that came with the file"
        )
    if found["kind"] not in kinds:
        raise error(f"{path}: is a {found['kind']} file, expected {' or '.join(kinds)}")
    if found["cycle"] not in CYCLES:
        raise error(f"{path}: cycle {found['cycle']} is unknown, expected one of {list(CYCLES)}")
    _check_class_names(file, path, CYCLES[found["cycle"]], error)
    if found["scale"] not in SCALES:
        raise error(f"{path}: scale must be one of {SCALES}, found {found['scale']!r}")


def _check_class_names(
    file: h5py.File, path: StrPath, cycle: Cycle, error: type[ChallengeError]
) -> None:
    """Raise `error` unless the file has the class names of the cycle."""
    with reading(f"{path}: the attribute class_names", error=error):
        found = np.asarray(file.attrs["class_names"]).tolist()
        names = [n.decode() if isinstance(n, bytes) else n for n in found]
    if names != list(cycle.label_names):
        raise error(
            f"{path}: its classes are {', '.join(map(str, names))}, but those of cycle "
            f"{cycle.number} {cycle.name} are {', '.join(cycle.label_names)}; use the package "
            "that came with the file"
        )


def _scalar(attribute: object) -> Any:
    """Return a scalar attribute as a Python value, and for an array a text with its shape."""
    value = np.asarray(attribute)
    return value.item() if value.shape == () else f"an array of shape {value.shape}"
