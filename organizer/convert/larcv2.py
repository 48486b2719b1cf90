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
from organizer.convert.deposits import MM_PER_CM, NOT_KNOWN, Grid, ReadOptions, SourceEvent
from organizer.convert.larcv_kinds import (
    Clusters,
    Tensor,
    choose_products,
    kinds_of_particles,
    producers_in,
    read_tables,
)
from organizer.convert.root_file import Tree, open_root, reading_root

_CM, _UNITS = 1, {0: "wire and time", 2: "unknown"}
_MEMBERWISE = 0x4000
_VECTOR_HEADER = 8  # byte count, version, version of the class; 4 more if that is 0: a checksum
_NUMBERS = ("_run", "_subrun", "_event")
_COUNTS = tuple(f"_meta._{axis}num" for axis in "xyz")
_SIZES = (*(f"_meta._{axis}len" for axis in "xyz"), *(f"_meta._p1.{axis}" for axis in "xyz"))


def producers(file: Any) -> dict[str, list[str]]:
    """Return kind of product (sparse3d, cluster3d, particle, ...) -> its producers in the file."""
    return producers_in(file.keys(cycle=False), "tree")


def read(path: Path, options: ReadOptions) -> Iterator[SourceEvent]:
    """Yield the events of a LArCV2 file; event_id is the entry."""
    with open_root(path) as file:
        products = choose_products(path, producers(file), options)
        tables = {
            part: _Product(path, file[f"{name}_tree"]) for part, name in products.names.items()
        }
        yield from read_tables(path, tables, products, options, "F")


class _Product(Tree):
    """A product's tree: a table of `read_tables`."""

    def numbers(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        if not self.has(*_NUMBERS):
            return [(NOT_KNOWN, NOT_KNOWN, NOT_KNOWN)] * (stop - start)
        run, subrun, event = (column.tolist() for column in self.columns(_NUMBERS, start, stop))
        return list(zip(run, subrun, event))

    def grids(
        self, start: int, stop: int, options: ReadOptions
    ) -> list[tuple[tuple[int, ...], Grid]]:
        counts = np.column_stack(self.columns(_COUNTS, start, stop)).astype(np.int64)
        if options.voxel_mm is not None:
            grids = [Grid(np.full(3, options.voxel_mm), np.zeros(3))] * len(counts)
        else:
            grids = self._grids_in_file(start, stop)
        for count, grid in zip(counts, grids):
            if not (grid.voxel_mm > 0).all() or (count < 1).any():
                raise ChallengeError(
                    f"{self.path}: its voxels are {grid.voxel_mm} mm, {count} of them"
                )
        return list(zip(map(tuple, counts.tolist()), grids))

    def _grids_in_file(self, start: int, stop: int) -> list[Grid]:
        """Return the grids of the entries, in cm in the file."""
        if not self.has(*_SIZES):
            raise ChallengeError(f"{self.path}: has no voxel size; give it with --source-voxel-mm")
        unit = self.columns(["_meta._unit"], start, stop)[0] if self.has("_meta._unit") else [2]
        for wrong in set(np.unique(unit).tolist()) - {_CM}:
            raise ChallengeError(
                f"{self.path}: its voxels are in the unit {wrong} "
                f"({_UNITS.get(wrong, 'none of LArCV2')}), expected 1 (cm); "
                "give their size with --source-voxel-mm"
            )
        rows = np.column_stack(self.columns(_SIZES, start, stop)).astype(np.float64) * MM_PER_CM
        return [Grid(row[:3], row[3:]) for row in rows]

    def entries(self, part: str, start: int, stop: int) -> list[Any]:
        read = {"clusters": self._clusters, "particles": self._particles}.get(part, self._tensors)
        return read(start, stop)

    def _tensors(self, start: int, stop: int) -> list[Tensor]:
        return list(zip(*self.columns(("_voxel_v._id", "_voxel_v._value"), start, stop)))

    def _clusters(self, start: int, stop: int) -> list[Clusters]:
        entries = self.raw("_voxel_vv._voxel_v", start, stop)
        with reading_root(f"{self.path}: {self.name}"):
            return [_clusters_of_entry(entry) for entry in entries]

    def _particles(self, start: int, stop: int) -> list[np.ndarray]:
        """Return the kinds (uint8) of the particles of each entry."""
        names = ("_part_v._pdg", "_part_v._process")
        if not self.has(names[1]):
            (pdgs,) = self.columns(names[:1], start, stop)
            return [kinds_of_particles(pdg.astype(np.int64), None) for pdg in pdgs]
        found = zip(*self.columns(names, start, stop))
        return [kinds_of_particles(pdg.astype(np.int64), list(process)) for pdg, process in found]


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
