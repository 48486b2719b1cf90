"""Read SPINE's HDF5, versions 1 and 2: cached tensors of voxels with their semantic types.

Products (N, 4) x, y, z, value, or (N, 5 or more) with the batch number first; one with energies
[MeV], one with semantic types: `data` and `seg_label`, or `clust_label`, which has both and pids.
Use --energy-from and --labels-from for other names. `meta` has size and origin of the voxels [cm].
Source of the layout: DeepLearnPhysics/spine, src/spine/io/{read,write}/hdf5, constants/columns.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from lartpc_challenge.files import open_h5, reading
from lartpc_challenge.format import ChallengeError
from organizer.convert.deposits import MM_PER_CM, NOT_KNOWN, Grid, ReadOptions, SourceEvent, Voxels
from organizer.convert.h5 import get_dataset, get_group
from organizer.convert.larcv_kinds import SPINE, kinds_of_types, with_particles
from organizer.convert.taxonomy import Kind

_ENERGY_NAMES = ("data", "input_data", "energy", "charge")
_LABEL_NAMES = ("seg_label", "segment_label", "semantics", "segmentation_label")
_CLUSTER = "clust_label"
_META, _RUN_INFO = "meta", "run_info"
_FULL_CLUSTER_WIDTH, _PID_COLUMN, _PROTON = 21, 11, 4


def is_spine(file: h5py.File) -> bool:
    """Return whether an HDF5 file was written by SPINE."""
    info = file.get("info")
    return (
        "events" in file
        and isinstance(info, h5py.Group)
        and bool({"spine_version", "version", "format_version"} & set(info.attrs))
    )


def product_names(file: h5py.File) -> list[str]:
    """Return the names of a file's products."""
    return [name for name in map(str, _root(file)) if name not in ("info", "events")]


def read(path: Path, options: ReadOptions) -> Iterator[SourceEvent]:
    """Yield the events of a SPINE file; event_id is the entry."""
    with open_h5(path) as file:
        if not is_spine(file):
            raise ChallengeError(f"{path}: expected SPINE's `events` and `info`")
        version = int(str(file["info"].attrs.get("format_version", 1)))
        if version not in (1, 2):
            raise ChallengeError(f"{path}: has SPINE's format {version}, expected 1 or 2")
        if not file["info"].attrs.get("complete", True):
            raise ChallengeError(f"{path}: is marked incomplete: its writer was stopped")
        names = product_names(file)
        energy, label = _choose(path, names, options)
        products = {
            name: _Product(path, file, name, version)
            for name in (energy, label, _META, _RUN_INFO)
            if name in names
        }
        if version == 2 and _META in get_group(_root(file), energy):
            products[_META] = _Product(path, file, f"{energy}/{_META}", version)
        n_events = len(get_dataset(file, "events"))
        for entry in range(n_events):
            yield _event(path, entry, n_events, products, energy, label, options)


def _root(file: h5py.File) -> h5py.Group:
    products = file.get("products")
    return products if isinstance(products, h5py.Group) else file


def _choose(path: Path, names: list[str], options: ReadOptions) -> tuple[str, str | None]:
    """Return the names of the products with energies and with classes (None without)."""
    for name in (options.energy, options.labels):
        if name is not None and name not in names:
            raise ChallengeError(f"{path}: has no product {name}, but {', '.join(names)}")
    energies = [name for name in (*_ENERGY_NAMES, _CLUSTER) if name in names]
    labels = [name for name in (_CLUSTER, *_LABEL_NAMES) if name in names]
    energy = options.energy or next(iter(energies), None)
    if energy is None:
        raise ChallengeError(
            f"{path}: which product holds voxels and energies is not known; it has "
            f"{', '.join(names)}; choose with --energy-from and --labels-from"
        )
    return energy, options.labels or next(iter(labels), None)


class _Product:
    """One product of a file, in either version of the format."""

    def __init__(self, path: Path, file: h5py.File, name: str, version: int):
        self._where = f"{path}: {name}"
        self._name = name
        self._events: h5py.Dataset | None = None
        with reading(self._where):
            if version == 1:
                self._values = get_dataset(file, name)
                self._events = get_dataset(file, "events")
                self.has_batch = True
            else:
                group = get_group(_root(file), name)
                is_objects = group.attrs["kind"] == "objects"
                self._values = get_dataset(group, "fixed" if is_objects else "values")
                self._offsets = get_dataset(group, "event_offsets")[:]
                self.has_batch = "product_metadata" not in group.attrs

    def rows(self, entry: int) -> np.ndarray:
        """Return the rows of an event: (n, columns), or a table of objects."""
        with reading(f"{self._where}: event {entry}"):
            if self._events is None:
                return self._values[self._offsets[entry] : self._offsets[entry + 1]]
            return self._values[self._events[entry][self._name]]


def _event(
    path: Path,
    entry: int,
    n_events: int,
    products: dict[str, _Product],
    energy: str,
    label: str | None,
    options: ReadOptions,
) -> SourceEvent:
    """Return one event of the file. energy, label: names of products."""
    where = f"{path}: event {entry}"
    coords, values = _tensor(where, energy, products[energy], entry)
    deposit = values[:, 0].astype(np.float64)
    kind = None
    if label is not None:
        label_coords, of_label = _tensor(where, label, products[label], entry)
        types = _on(where, coords, label_coords, of_label[:, -1], label)
        kind = kinds_of_types(where, types, SPINE)
        if label == _CLUSTER and of_label.shape[1] + 4 == _FULL_CLUSTER_WIDTH:
            pid = _on(where, coords, label_coords, of_label[:, _PID_COLUMN - 4], label)
            particle = np.where(pid == _PROTON, Kind.PROTON, Kind.MIP)
            kind = with_particles(kind, np.where(pid < 0, Kind.NO_CLASS, particle))
    index, grid = _index(where, coords, products.get(_META), entry, options)
    return SourceEvent(
        entry,
        entry,
        _number(products.get(_RUN_INFO), entry),
        Voxels(index, grid),
        deposit,
        kind,
        remarks=(f"reads {energy} (energy)" + (f" and {label} (classes)" if label else ""),),
        n_events=n_events,
    )


def _tensor(where: str, name: str, product: _Product, entry: int) -> tuple[np.ndarray, np.ndarray]:
    """Return coordinates (n, 3) and features (n, at least 1) of an event."""
    rows = product.rows(entry)
    if rows.dtype.names or rows.ndim != 2 or rows.shape[1] < 4:
        raise ChallengeError(
            f"{where}: {name} is {rows.dtype} {rows.shape}, expected x, y, z and values"
        )
    has_batch = rows.shape[1] > 4 and product.has_batch
    if has_batch and len(rows) and (rows[:, 0] != rows[0, 0]).any():
        raise ChallengeError(f"{where}: the first column of {name} is not a batch number")
    coords = rows[:, 1:4] if has_batch else rows[:, :3]
    if not np.isfinite(coords).all():
        raise ChallengeError(f"{where}: a coordinate of {name} is not a number")
    return coords, rows[:, 4 if has_batch else 3 :]


def _on(
    where: str, coords: np.ndarray, others: np.ndarray, values: np.ndarray, name: str
) -> np.ndarray:
    """Return the values (m,) of voxels `others` (m, 3) for the voxels `coords` (n, 3); else -1."""
    if coords.shape == others.shape and np.array_equal(coords, others):
        return values
    everything = np.concatenate([others, coords])
    _, first, inverse = np.unique(everything, axis=0, return_index=True, return_inverse=True)
    row = first[inverse.ravel()[len(others) :]]
    is_there = row < len(others)
    if len(coords) and len(others) and not is_there.any():
        raise ChallengeError(f"{where}: {name} has other voxels than the energies")
    padded = np.append(values, -1.0)
    return np.where(is_there, padded[np.minimum(row, len(values))], -1.0)


def _index(
    where: str, coords: np.ndarray, meta: _Product | None, entry: int, options: ReadOptions
) -> tuple[np.ndarray, Grid]:
    """Return voxels (n, 3) int64 and their grid; coordinates that are not whole numbers are cm."""
    is_whole = bool((coords == np.floor(coords)).all())
    if meta is not None:
        row = meta.rows(entry)[0]
        voxel, origin = row["size"].astype(np.float64), row["lower"].astype(np.float64)
        if not (voxel > 0).all():
            raise ChallengeError(f"{where}: its voxels are {voxel} cm")
        grid = Grid(voxel * MM_PER_CM, origin * MM_PER_CM)
        index = coords if is_whole else np.floor((coords - origin) / voxel)
        return index.astype(np.int64), grid
    if options.voxel_mm is None or not is_whole:
        raise ChallengeError(
            f"{where}: has no product `meta` with the size of its voxels; give it with "
            "--source-voxel-mm"
        )
    return coords.astype(np.int64), Grid(np.full(3, options.voxel_mm), np.zeros(3))


def _number(run_info: _Product | None, entry: int) -> tuple[int, int, int]:
    rows = run_info.rows(entry) if run_info is not None else np.zeros(0)
    if not len(rows):
        return NOT_KNOWN, NOT_KNOWN, entry
    return int(rows[0]["run"]), int(rows[0]["subrun"]), int(rows[0]["event"])
