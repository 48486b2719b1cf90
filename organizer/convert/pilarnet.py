"""Read PILArNet-M: HDF5, versions 1 to 3, and pimm's parquet; one row of lists per event.

`point` is (N, 8): x, y, z [voxels], energy [MeV], ...; `cluster` is (M, 6): size, fragment, group,
interaction, semantic, pid; points are ordered by cluster. Version 1 has no pid, (M, 5). Versions 2
and 3 have `cluster_extra`, (M, 5) or (M, 6): mass, momentum, vertex x, y, z [voxels], is primary.
Source of the layout: DeepLearnPhysics/PoLAr-MAE, DATASET.md; particle-imaging-models, decode.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from lartpc_challenge.files import check_file, open_h5, reading
from lartpc_challenge.format import VOXEL_SIZE_MM, ChallengeError
from organizer.convert.deposits import NOT_KNOWN, Grid, ReadOptions, SourceEvent, Voxels
from organizer.convert.taxonomy import Kind, Taxonomy

if TYPE_CHECKING:
    from typing_extensions import TypeGuard

_BLOCK_EVENTS = 64
_DATA_SETS = ("point", "cluster", "cluster_extra")
_POINT_COLUMNS = 8
_CLUSTER_COLUMNS = (6, 5)
_VERTEX = slice(2, 5)  # in cluster_extra
_LIMIT = 1e6  # all valid coordinates and numbers in these files are much smaller
_TRACK, _PROTON = 1, 4
NO_PIDS = "its clusters have no pid: protons can't be separated from other tracks"
NO_SIZE = "the file does not contain the size of its voxels: taken as {} mm (--source-voxel-mm)"
_KIND_OF_SEMANTIC = np.array(
    [Kind.SHOWER, Kind.MIP, Kind.MICHEL, Kind.DELTA, Kind.LOW_ENERGY, Kind.NO_CLASS], np.uint8
)

TAXONOMY = Taxonomy(
    "PILArNet-M (HDF5, parquet, npz, csv, pimm's folders): semantic type and pid of clusters",
    (
        ("1 track, pid 4 proton", Kind.PROTON),
        ("1 track, pid 2 muon, 3 pion, none (5, -1)", Kind.MIP),
        ("1 track in a file without pid (v1)", Kind.TRACK),
        ("0 shower", Kind.SHOWER),
        ("3 delta", Kind.DELTA),
        ("2 Michel", Kind.MICHEL),
        ("4 low-energy scatter", Kind.LOW_ENERGY),
        ("5 or -1", Kind.NO_CLASS),
    ),
    (
        "nuclei: they are tracks without pid, or low-energy scatters",
        "where a particle comes from (beam, cosmic)",
    ),
)


def read_hdf5(path: Path, options: ReadOptions) -> Iterator[SourceEvent]:
    """Yield the events of an HDF5 file; event_id is the row."""
    with open_h5(path) as file:
        points, clusters, extra = map(file.get, _DATA_SETS)
        if not (has_rows(points) and has_rows(clusters)):
            raise ChallengeError(
                f"{path}: expected PILArNet's data sets `point` and `cluster`, "
                "each with one row of variable length per event"
            )
        if len(points) != len(clusters):
            raise ChallengeError(
                f"{path}: point has {len(points)} events, cluster has {len(clusters)}"
            )
        data_sets = [points, clusters]
        if has_rows(extra) and len(extra) == len(points):
            data_sets.append(extra)
        for start in range(0, len(points), _BLOCK_EVENTS):
            with reading(f"{path}: row {start} or one of the next"):
                block = [data_set[start : start + _BLOCK_EVENTS] for data_set in data_sets]
            for entry, row in enumerate(zip(*block), start):
                yield _event(f"{path} row {entry}", entry, len(points), options, *row)


def has_rows(dataset: object) -> TypeGuard[h5py.Dataset]:
    """Return whether it is a data set with rows of variable length."""
    return isinstance(dataset, h5py.Dataset) and h5py.check_vlen_dtype(dataset.dtype) is not None


def read_parquet(path: Path, options: ReadOptions) -> Iterator[SourceEvent]:
    """Yield the events of a parquet file with columns of lists; event_id is the row."""
    there = columns_of(path)
    names = [name for name in _DATA_SETS if name in there]
    if names[:2] != list(_DATA_SETS[:2]):
        raise ChallengeError(
            f"{path}: expected the columns point and cluster, found {', '.join(there)}"
        )
    with _reading_parquet(path), import_parquet().ParquetFile(path) as file:
        entry, n_events = 0, file.metadata.num_rows
        for batch in file.iter_batches(batch_size=_BLOCK_EVENTS, columns=names):
            for row in zip(*(_flat_rows(batch.column(name)) for name in names)):
                yield _event(f"{path} row {entry}", entry, n_events, options, *row)
                entry += 1


def _flat_rows(column: Any) -> Iterator[np.ndarray]:
    """Yield each row's (nested) list as one flat array of numbers."""
    for row in range(len(column)):
        values = column[row].values
        while hasattr(values, "flatten") and str(values.type).startswith(("list", "large_list")):
            values = values.flatten()
        yield values.to_numpy(zero_copy_only=False)


def columns_of(path: Path) -> list[str]:
    """Return the names of a parquet file's columns. Raises ChallengeError if it can't be read."""
    check_file(path)
    with _reading_parquet(path):
        return list(import_parquet().read_schema(path).names)


def import_parquet() -> Any:
    """Return the module pyarrow.parquet. Raises ChallengeError if it is not installed."""
    try:
        import pyarrow.parquet
    except ImportError as reason:
        raise ChallengeError("parquet files need pyarrow: pip install pyarrow") from reason
    return pyarrow.parquet


@contextlib.contextmanager
def _reading_parquet(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as reason:
        raise ChallengeError(f"{path}: not a readable parquet file, or a damaged one") from reason


def grid(options: ReadOptions) -> Grid:
    """Return PILArNet's grid: voxels of 3 mm as in its paper, or of --source-voxel-mm."""
    return Grid(np.full(3, options.voxel_mm or VOXEL_SIZE_MM), np.zeros(3))


def kinds(where: str, semantic: np.ndarray, pid: np.ndarray | None) -> np.ndarray:
    """Return kinds (n,) uint8 from semantic types (n,) and pids (n,), or None without pids."""
    semantic = np.where(semantic == NOT_KNOWN, len(_KIND_OF_SEMANTIC) - 1, semantic)
    if not np.isin(semantic, range(len(_KIND_OF_SEMANTIC))).all():
        raise ChallengeError(f"{where}: expected semantic types 0 to 4, found {semantic.max():g}")
    semantic = semantic.astype(np.int64)
    kind = _KIND_OF_SEMANTIC[semantic]
    is_track = semantic == _TRACK
    if pid is None:
        kind[is_track] = Kind.TRACK
    else:
        kind[is_track & (pid == _PROTON)] = Kind.PROTON
    return kind


def _event(
    where: str,
    entry: int,
    n_events: int,
    options: ReadOptions,
    point: np.ndarray,
    cluster: np.ndarray,
    cluster_extra: np.ndarray | None = None,
) -> SourceEvent:
    """Return the event in one row of each data set (flat arrays of numbers).

    It has no labels if all semantic types are -1, as in test events of this package. Raises
    ChallengeError for wrong lengths or values.
    """
    if point.size % _POINT_COLUMNS:
        raise ChallengeError(
            f"{where}: point has {point.size} values, expected {_POINT_COLUMNS} per voxel"
        )
    point = point.reshape(-1, _POINT_COLUMNS)
    for values in (point[:, :3], cluster):
        if not (np.abs(values) < _LIMIT).all():
            raise ChallengeError(f"{where}: a value is not a number, or beyond {_LIMIT:.0e}")
    table = _clusters(where, len(point), cluster)
    size = table[:, 0]
    has_pid = table.shape[1] > 5
    kind: np.ndarray | None = None
    semantic = table[size > 0, 4]
    if not len(semantic) or (semantic != NOT_KNOWN).any():
        kind = np.repeat(kinds(where, table[:, 4], table[:, 5] if has_pid else None), size)
    own_grid = grid(options)
    return SourceEvent(
        entry,
        entry,
        (NOT_KNOWN, NOT_KNOWN, entry),
        Voxels(np.floor(point[:, :3]).astype(np.int64), own_grid),
        point[:, 3].astype(np.float64),
        kind,
        vertex_mm=_vertex_mm(size, point[:, 3], cluster_extra, own_grid),
        remarks=() if has_pid else (NO_PIDS,),
        n_events=n_events,
    )


def _clusters(where: str, n_points: int, cluster: np.ndarray) -> np.ndarray:
    """Return the clusters as (M, 6) or (M, 5) int64. The sum of their sizes shows which it is."""
    for n_columns in _CLUSTER_COLUMNS:
        if cluster.size % n_columns == 0:
            table = cluster.reshape(-1, n_columns).astype(np.int64)
            if (table[:, 0] >= 0).all() and table[:, 0].sum() == n_points:
                return table
    raise ChallengeError(
        f"{where}: cluster has {cluster.size} values; expected 6 or 5 per cluster, "
        f"the first one its size, {n_points} in all"
    )


def _vertex_mm(
    size: np.ndarray, energy: np.ndarray, cluster_extra: np.ndarray | None, own: Grid
) -> np.ndarray | None:
    """Return the vertex (3,) in mm of the cluster with most energy that has a vertex, or None."""
    if cluster_extra is None or not len(size) or cluster_extra.size % len(size):
        return None
    vertex = cluster_extra.reshape(len(size), -1)[:, _VERTEX].astype(np.float64)
    if vertex.shape[1] < 3:
        return None
    of_cluster = np.bincount(np.repeat(np.arange(len(size)), size), energy, len(size))
    is_known = (vertex != NOT_KNOWN).any(axis=1) & np.isfinite(vertex).all(axis=1)
    if not is_known.any():
        return None
    best = np.argmax(np.where(is_known, of_cluster, -1.0))
    return vertex[best] * own.voxel_mm
