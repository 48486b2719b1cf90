"""Convert rows of PILArNet-M (`point` and `cluster` of one event) to deposits, for all formats.

`point` is (N, 8): x, y, z [voxels], energy [MeV], ...; `cluster` is (M, 6): size, fragment, group,
interaction, semantic, pid; points are ordered by cluster. Version 1 has no pid, (M, 5). Versions 2
and 3 have `cluster_extra`, (M, 5) or (M, 6): mass, momentum, vertex x, y, z [voxels], is primary.
Source of the layout: DeepLearnPhysics/PoLAr-MAE, DATASET.md; particle-imaging-models, decode.py.
"""

from __future__ import annotations

import numpy as np

from lartpc_challenge.format import VOXEL_SIZE_MM, ChallengeError
from organizer.convert.deposits import NOT_KNOWN, Grid, ReadOptions, SourceEvent, Voxels
from organizer.convert.taxonomy import Kind, Taxonomy

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


def event_of_rows(
    where: str,
    entry: int,
    n_events: int | None,
    point: np.ndarray,
    cluster: np.ndarray,
    cluster_extra: np.ndarray | None,
    options: ReadOptions,
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
    _check_sensible(where, point[:, :3])
    _check_sensible(where, cluster)
    table = _clusters(where, len(point), cluster)
    size = table[:, 0]
    has_pid = table.shape[1] > 5
    kind: np.ndarray | None = None
    semantic = table[size > 0, 4]
    if not len(semantic) or (semantic != NOT_KNOWN).any():
        kind = np.repeat(kinds(where, table[:, 4], table[:, 5] if has_pid else None), size)
    voxel = options.voxel_mm or VOXEL_SIZE_MM
    return SourceEvent(
        entry,
        entry,
        (NOT_KNOWN, NOT_KNOWN, entry),
        Voxels(np.floor(point[:, :3]).astype(np.int64), grid(options)),
        point[:, 3].astype(np.float64),
        kind,
        vertex_mm=_vertex(size, point[:, 3], cluster_extra, voxel),
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


def _vertex(
    size: np.ndarray, energy: np.ndarray, cluster_extra: np.ndarray | None, voxel_mm: float
) -> np.ndarray | None:
    """Return the vertex (3,) in mm of the cluster with most energy that has a vertex, or None."""
    if cluster_extra is None or not len(size) or cluster_extra.size % len(size):
        return None
    extra = cluster_extra.reshape(len(size), -1)
    if extra.shape[1] < _VERTEX.stop:
        return None
    vertex = extra[:, _VERTEX].astype(np.float64)
    end = np.cumsum(size)
    below = np.concatenate([[0.0], np.cumsum(energy, dtype=np.float64)])
    of_cluster = below[end] - below[end - size]
    is_known = (vertex != -1).any(axis=1) & np.isfinite(vertex).all(axis=1)
    if not is_known.any():
        return None
    best = np.argmax(np.where(is_known, of_cluster, -1.0))
    return vertex[best] * voxel_mm


def _check_sensible(where: str, values: np.ndarray) -> None:
    if not (np.abs(values) < _LIMIT).all():
        raise ChallengeError(f"{where}: a value is not a number, or beyond {_LIMIT:.0e}")
