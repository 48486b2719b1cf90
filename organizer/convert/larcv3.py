"""Read LArCV3's sparse 3D tensors and clusters from HDF5, without LArCV.

Groups Data/sparse3d_PRODUCER_group (energy, MeV) and another one with classes, or
Data/cluster3d_PRODUCER_group with particle_PRODUCER_group. Size and origin of the voxels are in the
file, without a unit: cm as in LArCV. A voxel's id is x*(ny*nz) + y*nz + z, other than in LArCV2.
Source of the layout: DeepLearnPhysics/larcv3, src/larcv3/core/dataformat/Event*.cxx, ImageMeta.cxx.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lartpc_challenge.files import open_h5, reading
from lartpc_challenge.format import ChallengeError
from organizer.convert.deposits import NOT_KNOWN, Grid, ReadOptions, SourceEvent, Voxels
from organizer.convert.h5 import get_dataset, get_group
from organizer.convert.larcv_kinds import (
    Clusters,
    Products,
    Tensor,
    choose_products,
    combine,
    kinds_of_particles,
    producers_in,
)

_MM_PER_CM = 10.0
_BLOCK_EVENTS = 64


def producers(file: h5py.File) -> dict[str, list[str]]:
    """Return kind of product (sparse3d, cluster3d, particle, ...) -> its producers in the file."""
    data = file.get("Data")
    return producers_in(map(str, data if isinstance(data, h5py.Group) else ()), "group")


def read(path: Path, options: ReadOptions) -> Iterator[SourceEvent]:
    """Yield the events of a LArCV3 file; event_id is the entry."""
    with open_h5(path) as file:
        found = producers(file)
        if not (found.get("sparse3d") or found.get("cluster3d")):
            raise ChallengeError(
                f"{path}: has no group Data/sparse3d_*_group or Data/cluster3d_*_group; "
                f"it has {', '.join(file)}"
            )
        products = choose_products(path, found, options)
        yield from _events(path, file, products, options)


def _events(
    path: Path, file: h5py.File, products: Products, options: ReadOptions
) -> Iterator[SourceEvent]:
    names = {
        "energy": products.energy and f"sparse3d_{products.energy}",
        "label": products.label and f"sparse3d_{products.label}",
        "clusters": products.clusters and f"cluster3d_{products.clusters}",
        "particles": products.particles and f"particle_{products.particles}",
    }
    tables = {part: _Table(path, file, name) for part, name in names.items() if name}
    first = tables["energy" if "energy" in tables else "clusters"]
    n_events = len(first)
    if any(len(table) != n_events for table in tables.values()):
        raise ChallengeError(
            f"{path}: {', '.join(table.name for table in tables.values())} differ in their events"
        )
    numbers = _numbers(path, file, n_events)
    for start in range(0, n_events, _BLOCK_EVENTS):
        stop = min(start + _BLOCK_EVENTS, n_events)
        parts = {part: table.entries(part, start, stop) for part, table in tables.items()}
        for i, entry in enumerate(range(start, stop)):
            where = f"{path}: event {entry}"
            mine = [parts[part][i] if part in parts else None for part in names]
            voxel, energy, kind = combine(where, products, *mine)
            shape, grid = first.grid(entry, options)
            yield SourceEvent(
                entry,
                entry,
                numbers[entry],
                Voxels(index_of_id(where, voxel, shape), grid),
                energy.astype(np.float64),
                kind,
                remarks=(f"{products.remark}; sizes taken as cm: LArCV3 keeps no unit",),
                n_events=n_events,
            )


def index_of_id(where: str, voxel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return x, y, z (V, 3) int64 of voxel ids (V,) in a grid of `shape` nx, ny, nz."""
    if len(voxel) and int(voxel.max()) >= int(np.prod(shape)):
        raise ChallengeError(f"{where}: voxel id {voxel.max()} lies outside {shape}")
    return np.column_stack(np.unravel_index(voxel.astype(np.int64), shape))


def _numbers(path: Path, file: h5py.File, n_events: int) -> list[tuple[int, int, int]]:
    """Return run, subrun and event of each entry."""
    table = file.get("Events/event_id")
    if not isinstance(table, h5py.Dataset) or len(table) != n_events:
        return [(NOT_KNOWN, NOT_KNOWN, entry) for entry in range(n_events)]
    with reading(f"{path}: Events/event_id"):
        rows = table[:]
        return [(int(r["run"]), int(r["subrun"]), int(r["event"])) for r in rows]


class _Table:
    """One product's group: data sets whose rows point to rows of the next data set."""

    def __init__(self, path: Path, file: h5py.File, name: str):
        self.name = name
        self._path = path
        self._group = get_group(file, f"Data/{name}_group")
        self._extents = self._rows("extents", slice(None))
        self._meta = self._rows("image_meta", slice(None)) if "image_meta" in self._group else None

    def __len__(self) -> int:
        return len(self._extents)

    def _rows(self, name: str, rows: slice) -> np.ndarray:
        with reading(f"{self._path}: {self.name}/{name}"):
            return get_dataset(self._group, name)[rows]

    def _empty(self, name: str) -> np.ndarray:
        return np.zeros(0, get_dataset(self._group, name).dtype)

    def grid(self, entry: int, options: ReadOptions) -> tuple[tuple[int, ...], Grid]:
        """Return the number of voxels (nx, ny, nz) and the grid of an event."""
        extent = self._extents[entry]
        if self._meta is None or not extent["N"] or extent["first"] >= len(self._meta):
            return (1, 1, 1), Grid(np.ones(3), np.zeros(3))
        meta = self._meta[int(extent["first"])]
        count = meta["number_of_voxels"].astype(np.int64)
        if count.shape != (3,) or (count < 1).any():
            raise ChallengeError(f"{self._path}: event {entry}: its image has {count} voxels")
        voxel = meta["image_sizes"] / count * _MM_PER_CM
        origin = meta["origin"] * _MM_PER_CM
        if options.voxel_mm is not None:
            voxel = np.full(3, options.voxel_mm)
        if not (voxel > 0).all():
            raise ChallengeError(f"{self._path}: event {entry}: its voxels are {voxel} mm")
        return tuple(count.tolist()), Grid(voxel, origin)

    def entries(self, part: str, start: int, stop: int) -> list[Any]:
        """Return the events start..stop of a product, in the form for `larcv_kinds.combine`."""
        read = {"clusters": self._clusters, "particles": self._particles}.get(part, self._tensors)
        return read(self._extents[start:stop])

    def _tensors(self, extents: np.ndarray) -> list[Tensor]:
        rows = self._follow(extents, "voxel_extents", "voxels")
        return [(voxels["id"], voxels["value"]) for voxels in rows]

    def _clusters(self, extents: np.ndarray) -> list[Clusters]:
        found = []
        for rows in self._follow(extents, None, "projection_extents"):
            parts = self._follow(rows, None, "cluster_extents")
            clusters = np.concatenate([self._empty("cluster_extents"), *parts])
            voxels = self._follow(clusters, None, "voxels")
            sizes = list(map(len, voxels))
            table = np.concatenate([self._empty("voxels"), *voxels])
            of_cluster = np.repeat(np.arange(len(sizes)), sizes)
            found.append(Clusters(table["id"], table["value"], of_cluster))
        return found

    def _particles(self, extents: np.ndarray) -> list[np.ndarray]:
        """Return the kinds (uint8) of the particles of each event."""
        found = []
        for rows in self._follow(extents, None, "particles"):
            process = None
            if "process" in (rows.dtype.names or ()):
                process = [_text(value) for value in rows["process"]]
            found.append(kinds_of_particles(rows["pdg"].astype(np.int64), process))
        return found

    def _follow(self, extents: np.ndarray, through: str | None, name: str) -> list[np.ndarray]:
        """Return the rows of data set `name` for each of `extents` (first, N).

        through: a data set between: the extents point to its rows, which point to rows of `name`.
        All rows from the first to the last are read together, because events are contiguous.
        """
        if through is not None:
            middle = self._follow(extents, None, through)
            flat = np.concatenate([self._empty(through), *middle])
            parts = self._follow(flat, None, name)
            ends = np.cumsum([0, *map(len, middle)])
            return [
                np.concatenate([self._empty(name), *parts[a:b]]) for a, b in zip(ends, ends[1:])
            ]
        first, n = extents["first"].astype(np.int64), extents["N"].astype(np.int64)
        some = n > 0
        if not some.any():
            return [self._empty(name) for _ in extents]
        low, high = int(first[some].min()), int((first + n)[some].max())
        n_rows = len(get_dataset(self._group, name))
        if low < 0 or high > n_rows:
            raise ChallengeError(
                f"{self._path}: {self.name} points to row {high - 1} of {name}, which has "
                f"{n_rows}; the file is damaged"
            )
        block = self._rows(name, slice(low, high))
        return [block[a - low : a - low + m] if m else block[:0] for a, m in zip(first, n)]


def _text(value: object) -> str:
    text = value.decode("ascii", errors="replace") if isinstance(value, bytes) else str(value)
    return text.split("\0")[0]
