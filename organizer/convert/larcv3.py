"""LArCV3's sparse 3D tensors and clusters in HDF5, read without LArCV.

Groups Data/sparse3d_PRODUCER_group (energy, MeV) and another one with classes, or
Data/cluster3d_PRODUCER_group with particle_PRODUCER_group. Size and origin of the voxels are read
from the file; it keeps no unit: LArCV means cm. A voxel's id is x*(ny*nz) + y*nz + z, the other way
round than in LArCV2.
Source of the layout: DeepLearnPhysics/larcv3, src/larcv3/core/dataformat/Event*.cxx, ImageMeta.cxx.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lartpc_challenge.files import open_h5, reading
from lartpc_challenge.format import ChallengeError
from organizer.convert.deposits import NOT_KNOWN, Grid, ReadOptions, SourceEvent, Voxels
from organizer.convert.larcv_kinds import (
    Products,
    choose_products,
    kinds_of_particles,
    kinds_of_types,
    look_up,
    strongest,
    with_particles,
)
from organizer.convert.taxonomy import Kind

_GROUP = re.compile(r"(sparse3d|cluster3d|particle|sparse2d|cluster2d|image2d)_(.+)_group")
_MM_PER_CM = 10.0
_BLOCK_EVENTS = 64


def producers(file: h5py.File) -> dict[str, list[str]]:
    """Kind of product (sparse3d, cluster3d, particle, sparse2d ...) -> its producers in a file."""
    data = file.get("Data")
    found: dict[str, list[str]] = {}
    for name in data if isinstance(data, h5py.Group) else ():
        match = _GROUP.fullmatch(name)
        if match:
            found.setdefault(match[1], []).append(match[2])
    return found


def read(path: Path, options: ReadOptions) -> Iterator[SourceEvent]:
    """Yield the events of a LArCV3 file; event_id is the entry."""
    with open_h5(path) as file:
        found = producers(file)
        if not (found.get("sparse3d") or found.get("cluster3d")):
            raise ChallengeError(
                f"{path}: has no group Data/sparse3d_*_group or Data/cluster3d_*_group; "
                f"it has {', '.join(file.get('Data', {}))}"
            )
        products = choose_products(
            path, *(found.get(kind, []) for kind in ("sparse3d", "cluster3d", "particle")), options
        )
        yield from _events(path, file, products, options)


def _events(
    path: Path, file: h5py.File, products: Products, options: ReadOptions
) -> Iterator[SourceEvent]:
    sparse = {
        name: _Table(path, file, f"sparse3d_{name}")
        for name in (products.energy, products.label)
        if name
    }
    clusters = _Table(path, file, f"cluster3d_{products.clusters}") if products.clusters else None
    particles = _Table(path, file, f"particle_{products.particles}") if products.particles else None
    first = sparse[products.energy] if products.energy else clusters
    tables = [*sparse.values(), *(table for table in (clusters, particles) if table is not None)]
    n_events = len(first)
    if any(len(table) != n_events for table in tables):
        raise ChallengeError(
            f"{path}: {', '.join(table.name for table in tables)} differ in their events"
        )
    numbers = _numbers(path, file, n_events)
    for start in range(0, n_events, _BLOCK_EVENTS):
        stop = min(start + _BLOCK_EVENTS, n_events)
        tensors = {name: table.tensors(start, stop) for name, table in sparse.items()}
        of_clusters = clusters.clusters(start, stop) if clusters is not None else None
        of_particles = particles.particles(start, stop) if particles is not None else None
        for i, entry in enumerate(range(start, stop)):
            where = f"{path}: event {entry}"
            voxels = tensors[products.energy][i] if products.energy else of_clusters[i]
            voxel, energy = voxels["id"], voxels["value"]
            kind = None
            if products.label:
                label = tensors[products.label][i]
                types = look_up(voxel, label["id"], label["value"], missing=-1)
                kind = kinds_of_types(where, types, products.taxonomy)
            if of_clusters is not None and of_particles is not None:
                cluster = of_clusters[i]
                none = np.append(of_particles[i], np.uint8(Kind.NO_CLASS))
                told = none[np.minimum(cluster["cluster"], len(of_particles[i]))]
                if products.energy:
                    told = strongest(voxel, cluster["id"], cluster["value"], told)
                kind = told if kind is None else with_particles(kind, told)
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
    """(V, 3) int64 x, y, z of voxel ids (V,) in a grid of `shape` nx, ny, nz."""
    if len(voxel) and int(voxel.max()) >= int(np.prod(shape)):
        raise ChallengeError(f"{where}: voxel id {voxel.max()} lies outside {shape}")
    return np.column_stack(np.unravel_index(voxel.astype(np.int64), shape))


def _numbers(path: Path, file: h5py.File, n_events: int) -> list[tuple[int, int, int]]:
    """Run, subrun and event of each entry."""
    table = file.get("Events/event_id")
    if not isinstance(table, h5py.Dataset) or len(table) != n_events:
        return [(NOT_KNOWN, NOT_KNOWN, entry) for entry in range(n_events)]
    with reading(f"{path}: Events/event_id"):
        rows = table[:]
        return [(int(r["run"]), int(r["subrun"]), int(r["event"])) for r in rows]


class _Table:
    """One product's group: rows of data sets that say where the rows of the next one lie."""

    def __init__(self, path: Path, file: h5py.File, name: str):
        self.name = name
        self._path = path
        self._group = file[f"Data/{name}_group"]
        self._extents = self._rows("extents", slice(None))
        self._meta = self._rows("image_meta", slice(None)) if "image_meta" in self._group else None

    def __len__(self) -> int:
        return len(self._extents)

    def _rows(self, name: str, rows: slice) -> np.ndarray:
        with reading(f"{self._path}: {self.name}/{name}"):
            return self._group[name][rows]

    def grid(self, entry: int, options: ReadOptions) -> tuple[tuple[int, ...], Grid]:
        """Number of voxels (nx, ny, nz) and grid of an event."""
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

    def tensors(self, start: int, stop: int) -> list[dict[str, np.ndarray]]:
        """id and value of the voxels of the events start..stop."""
        return [
            {name: rows[name] for name in ("id", "value")}
            for rows in self._follow(self._extents[start:stop], "voxel_extents", "voxels")
        ]

    def clusters(self, start: int, stop: int) -> list[dict[str, np.ndarray]]:
        """id, value and cluster of the voxels of the events start..stop."""
        of_events = self._extents[start:stop]
        projections = self._follow(of_events, None, "projection_extents")
        found = []
        for rows in projections:
            parts = self._follow(rows, None, "cluster_extents")
            clusters = np.concatenate([self._group["cluster_extents"][:0], *parts])
            voxels = self._follow(clusters, None, "voxels")
            sizes = list(map(len, voxels))
            table = np.concatenate([np.zeros(0, self._group["voxels"].dtype), *voxels])
            found.append(
                {
                    "id": table["id"],
                    "value": table["value"],
                    "cluster": np.repeat(np.arange(len(sizes)), sizes),
                }
            )
        return found

    def particles(self, start: int, stop: int) -> list[np.ndarray]:
        """The kinds (uint8) of the particles of the events start..stop."""
        found = []
        for rows in self._follow(self._extents[start:stop], None, "particles"):
            process = None
            if "process" in (rows.dtype.names or ()):
                process = [_text(value) for value in rows["process"]]
            found.append(kinds_of_particles(rows["pdg"].astype(np.int64), process))
        return found

    def _follow(self, extents: np.ndarray, through: str | None, name: str) -> list[np.ndarray]:
        """The rows of data set `name` that each of `extents` (first, N) means.

        With `through`, the extents lead to rows of that data set, which lead on. Rows are read
        from the first to the last at once: events follow one another.
        """
        if through is not None:
            middle = self._follow(extents, None, through)
            flat = np.concatenate([np.zeros(0, self._group[through].dtype), *middle])
            parts = self._follow(flat, None, name)
            ends = np.cumsum([0, *map(len, middle)])
            empty = np.zeros(0, self._group[name].dtype)
            return [np.concatenate([empty, *parts[a:b]]) for a, b in zip(ends, ends[1:])]
        first, n = extents["first"].astype(np.int64), extents["N"].astype(np.int64)
        some = n > 0
        if not some.any():
            return [np.zeros(0, self._group[name].dtype) for _ in extents]
        low, high = int(first[some].min()), int((first + n)[some].max())
        if low < 0 or high > len(self._group[name]):
            raise ChallengeError(
                f"{self._path}: {self.name} points to row {high - 1} of {name}, which has "
                f"{len(self._group[name])}; the file is damaged"
            )
        block = self._rows(name, slice(low, high))
        return [block[a - low : a - low + m] if m else block[:0] for a, m in zip(first, n)]


def _text(value: Any) -> str:
    text = value.decode("ascii", errors="replace") if isinstance(value, bytes) else str(value)
    return text.split("\0")[0]
