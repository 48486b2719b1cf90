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
from organizer.convert.deposits import MM_PER_CM, NOT_KNOWN, Grid, ReadOptions, SourceEvent
from organizer.convert.h5 import get_dataset, get_group
from organizer.convert.larcv_kinds import (
    Clusters,
    Tensor,
    choose_products,
    kinds_of_particles,
    producers_in,
    read_tables,
)


def producers(file: h5py.File) -> dict[str, list[str]]:
    """Return kind of product (sparse3d, cluster3d, particle, ...) -> its producers in the file."""
    data = file.get("Data")
    return producers_in(map(str, data if isinstance(data, h5py.Group) else ()), "group")


def read(path: Path, options: ReadOptions) -> Iterator[SourceEvent]:
    """Yield the events of a LArCV3 file; event_id is the entry."""
    with open_h5(path) as file:
        products = choose_products(path, producers(file), options)
        tables = {part: _Table(path, file, name) for part, name in products.names.items()}
        no_unit = "; sizes taken as cm: LArCV3 keeps no unit"
        yield from read_tables(path, tables, products, options, "C", no_unit)


class _Table:
    """A product's group, a table of `read_tables`: rows of a data set point to rows of the next."""

    def __init__(self, path: Path, file: h5py.File, name: str):
        self.name = name
        self._path = path
        self._file, self._group = file, get_group(file, f"Data/{name}_group")
        self._extents = self._rows("extents", slice(None))
        self._meta = self._rows("image_meta", slice(None)) if "image_meta" in self._group else None

    def __len__(self) -> int:
        return len(self._extents)

    def _rows(self, name: str, rows: slice) -> np.ndarray:
        with reading(f"{self._path}: {self.name}/{name}"):
            return get_dataset(self._group, name)[rows]

    def _empty(self, name: str) -> np.ndarray:
        return np.zeros(0, get_dataset(self._group, name).dtype)

    def numbers(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        table = self._file.get("Events/event_id")
        if not isinstance(table, h5py.Dataset) or len(table) != len(self):
            return [(NOT_KNOWN, NOT_KNOWN, entry) for entry in range(start, stop)]
        with reading(f"{self._path}: Events/event_id"):
            rows = table[start:stop]
            return [(int(r["run"]), int(r["subrun"]), int(r["event"])) for r in rows]

    def grids(
        self, start: int, stop: int, options: ReadOptions
    ) -> list[tuple[tuple[int, ...], Grid]]:
        return [self._grid(entry, options) for entry in range(start, stop)]

    def _grid(self, entry: int, options: ReadOptions) -> tuple[tuple[int, ...], Grid]:
        """Return the numbers of voxels (nx, ny, nz) and the grid of an event."""
        extent = self._extents[entry]
        if self._meta is None or not extent["N"] or extent["first"] >= len(self._meta):
            return (1, 1, 1), Grid(np.ones(3), np.zeros(3))
        meta = self._meta[int(extent["first"])]
        count = meta["number_of_voxels"].astype(np.int64)
        if count.shape != (3,) or (count < 1).any():
            raise ChallengeError(f"{self._path}: event {entry}: its image has {count} voxels")
        voxel = meta["image_sizes"] / count * MM_PER_CM
        origin = meta["origin"] * MM_PER_CM
        if options.voxel_mm is not None:
            voxel = np.full(3, options.voxel_mm)
        if not (voxel > 0).all():
            raise ChallengeError(f"{self._path}: event {entry}: its voxels are {voxel} mm")
        return tuple(count.tolist()), Grid(voxel, origin)

    def entries(self, part: str, start: int, stop: int) -> list[Any]:
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
