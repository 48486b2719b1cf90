"""Read LArCV2's sparse 3D tensors and clusters from ROOT files, by uproot without LArCV.

Trees sparse3d_PRODUCER_tree (energy, MeV) and another one with classes, or cluster3d_PRODUCER_tree
with particle_PRODUCER_tree; one entry per event. Size, origin and unit of the voxels are in the
file; a voxel's id is z*(nx*ny) + y*nx + x. The producers that are read are printed; --energy-from
and --labels-from choose others. edep2supera writes these files, too.
Source of the layout: DeepLearnPhysics/larcv2, larcv/core/DataFormat/{Voxel,Voxel3D,Voxel3DMeta}.h.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lartpc_challenge.format import ChallengeError
from organizer.convert.deposits import NOT_KNOWN, Grid, ReadOptions, SourceEvent
from organizer.convert.larcv_kinds import (
    MM_PER_CM,
    Clusters,
    Tensor,
    choose_products,
    kinds_of_particles,
    producers_in,
    read_tables,
)
from organizer.convert.root_file import (
    columns,
    find_branch,
    need_branch,
    open_root,
    raw_entries,
    reading_root,
)

_CM, _UNITS = 1, {0: "wire and time", 2: "unknown"}
_MEMBERWISE = 0x4000
_VECTOR_HEADER = 8  # byte count, version, version of the class; 4 more if that is 0: a checksum
_NUMBERS = ("_run", "_subrun", "_event")
_META = tuple(
    f"_meta.{name}{axis}" if name.endswith(".") else f"_meta._{axis}{name}"
    for name in ("num", "len", "_p1.")
    for axis in "xyz"
)


def producers(file: Any) -> dict[str, list[str]]:
    """Return kind of product (sparse3d, cluster3d, particle, ...) -> its producers in the file."""
    return producers_in(file.keys(cycle=False), "tree")


def read(path: Path, options: ReadOptions) -> Iterator[SourceEvent]:
    """Yield the events of a LArCV2 file; event_id is the entry."""
    with open_root(path) as file:
        products = choose_products(path, producers(file), options)
        tables = {part: _Tree(path, file[f"{name}_tree"]) for part, name in products.names.items()}
        yield from read_tables(path, tables, products, options, "F")


class _Tree:
    """A product's tree: a table of `read_tables`."""

    def __init__(self, path: Path, tree: Any):
        self.name = tree.name
        self._path, self._tree = path, tree

    def __len__(self) -> int:
        return self._tree.num_entries

    def entries(self, part: str, start: int, stop: int) -> list[Any]:
        read = {"clusters": _clusters, "particles": _particles}.get(part, _tensors)
        return read(self._path, self._tree, start, stop)

    def grids(
        self, start: int, stop: int, options: ReadOptions
    ) -> list[tuple[tuple[int, ...], Grid]]:
        return _grids(self._path, self._tree, start, stop, options)

    def numbers(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        branches = [find_branch(self._tree, name) for name in _NUMBERS]
        if None in branches:
            return [(NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)] * (stop - start)
        run, subrun, event = (c.tolist() for c in columns(self._path, branches, start, stop))
        return list(zip(run, subrun, event))


def _grids(
    path: Path, tree: Any, start: int, stop: int, options: ReadOptions
) -> list[tuple[tuple[int, ...], Grid]]:
    meta, unit = [find_branch(tree, name) for name in _META], find_branch(tree, "_meta._unit")
    for axis, branch in zip("xyz", meta):
        if branch is None:
            raise ChallengeError(f"{path}: the tree {tree.name} has no branch _meta._{axis}num")
    if any(branch is None for branch in meta[3:]) and options.voxel_mm is None:
        raise ChallengeError(f"{path}: has no voxel size; give it with --source-voxel-mm")
    there = [branch for branch in meta if branch is not None]
    values = np.column_stack(columns(path, there, start, stop)).astype(np.float64)
    units = columns(path, [unit], start, stop)[0] if unit is not None else np.full(len(values), 2)
    found = []
    for row, its_unit in zip(values, units.tolist()):
        shape = (int(row[0]), int(row[1]), int(row[2]))
        if options.voxel_mm is not None:
            voxel, origin = np.full(3, options.voxel_mm), np.zeros(3)
        elif its_unit == _CM:
            voxel, origin = row[3:6] * MM_PER_CM, row[6:9] * MM_PER_CM
        else:
            raise ChallengeError(
                f"{path}: its voxels are in the unit {its_unit} "
                f"({_UNITS.get(its_unit, 'none of LArCV2')}), expected 1 (cm); "
                "give their size with --source-voxel-mm"
            )
        if not (voxel > 0).all() or min(shape) < 1:
            raise ChallengeError(f"{path}: its voxels are {voxel} mm, {shape} of them")
        found.append((shape, Grid(voxel, origin)))
    return found


def _tensors(path: Path, tree: Any, start: int, stop: int) -> list[Tensor]:
    """Return id and value of the voxels of each entry of a sparse3d tree."""
    branches = [need_branch(path, tree, f"_voxel_v.{name}") for name in ("_id", "_value")]
    return list(zip(*columns(path, branches, start, stop)))


def _clusters(path: Path, tree: Any, start: int, stop: int) -> list[Clusters]:
    branch = need_branch(path, tree, "_voxel_vv._voxel_v")
    entries = raw_entries(path, branch, start, stop)
    with reading_root(f"{path}: {tree.name}"):
        return [_clusters_of_entry(entry) for entry in entries]


def _clusters_of_entry(entry: np.ndarray) -> Clusters:
    """Decode the clusters from one entry's bytes of vector<vector<Voxel>>, stored memberwise.

    After the header, for each cluster: n (4 bytes), n ids (8 each), n values (float, 4 each).
    """
    raw = entry.tobytes()
    if not int.from_bytes(raw[4:6], "big") & _MEMBERWISE:
        raise ValueError("clusters are not stored memberwise")
    at = _VECTOR_HEADER if int.from_bytes(raw[6:8], "big") else _VECTOR_HEADER + 4
    ids, values = [np.zeros(0, np.uint64)], [np.zeros(0, np.float32)]
    while at < len(raw):
        n = int.from_bytes(raw[at : at + 4], "big", signed=True)
        if n < 0 or at + 4 + 12 * n > len(raw):
            raise ValueError(f"{n} voxels do not fit")
        ids.append(np.frombuffer(raw, ">u8", n, at + 4))
        values.append(np.frombuffer(raw, ">f4", n, at + 4 + 8 * n))
        at += 4 + 12 * n
    sizes = [len(one) for one in ids[1:]]
    return Clusters(
        np.concatenate(ids).astype(np.uint64),
        np.concatenate(values).astype(np.float32),
        np.repeat(np.arange(len(sizes)), sizes),
    )


def _particles(path: Path, tree: Any, start: int, stop: int) -> list[np.ndarray]:
    """Return the kinds (uint8) of the particles of each entry."""
    (pdgs,) = columns(path, [need_branch(path, tree, "_part_v._pdg")], start, stop)
    process = find_branch(tree, "_part_v._process")
    names = columns(path, [process], start, stop)[0] if process is not None else [None] * len(pdgs)
    return [
        kinds_of_particles(pdg.astype(np.int64), None if name is None else list(name))
        for pdg, name in zip(pdgs, names)
    ]
