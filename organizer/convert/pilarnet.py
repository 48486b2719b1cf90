"""PILArNet and PILArNet-M (arXiv:2006.01993 and its successors): 768^3 voxels of 3 mm.

HDF5, a row of variable length an event: `point` is (N, 8): x, y, z, energy [MeV], ...; `cluster` is
(M, 6): size, fragment, group, interaction, semantic, pid; points are ordered by cluster. An older
version has no pid, (M, 5): its tracks all become `other`. One event as arrays, .npz, is read too.
Semantic: 0 shower, 1 track, 2 Michel, 3 delta, 4 low-energy scatter; pid 4 is a proton.
Label: tracks 3 where pid says proton, else 2; everything else is electromagnetic, 1.
Source of the layout: DeepLearnPhysics/PoLAr-MAE, DATASET.md; DeepLearnPhysics/Panda, panda/data.py.
"""

from __future__ import annotations

import tokenize
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from lartpc_challenge.files import check_file, open_h5, reading
from lartpc_challenge.format import ChallengeError, SemanticLabel
from lartpc_challenge.submission.upload import READ_ERRORS
from organizer.convert.voxels import Deposits

_POINT_COLUMNS = 8
_CLUSTER_COLUMNS = (6, 5)
_SEMANTICS = 5
_TRACK, _PROTON, _NO_PID = 1, 4, -1
_LIMIT = 1e9  # no value in these files is anywhere near
_NPZ_NAMES = {
    "coords": ("coords", "coord"),
    "energy": ("energy",),
    "semantic": ("motif", "semantic", "segment_motif"),
    "pid": ("pid", "segment_particle"),
}
NO_PID = "its clusters have no pid: protons can't be told from other tracks, all are `other`"


def read(path) -> Iterator[Deposits]:
    """Yield the events of a PILArNet file; event_id is the row."""
    return _read_npz(path) if Path(path).suffix == ".npz" else _read_h5(path)


def _read_h5(path) -> Iterator[Deposits]:
    with open_h5(path) as file:
        points, clusters = file.get("point"), file.get("cluster")
        if not (_has_rows(points) and _has_rows(clusters)):
            raise ChallengeError(
                f"{path}: expected PILArNet's data sets `point` and `cluster`, "
                "each with a row of variable length an event"
            )
        if len(points) != len(clusters):
            raise ChallengeError(
                f"{path}: point has {len(points)} events, cluster has {len(clusters)}"
            )
        for row in range(len(points)):
            with reading(f"{path}: row {row}"):
                point, cluster = points[row], clusters[row]
            yield _from_rows(f"{path} row {row}", row, point, cluster)


def _has_rows(dataset) -> bool:
    return isinstance(dataset, h5py.Dataset) and h5py.check_vlen_dtype(dataset.dtype) is not None


def _from_rows(where: str, row: int, point: np.ndarray, cluster: np.ndarray) -> Deposits:
    if point.size % _POINT_COLUMNS:
        raise ChallengeError(
            f"{where}: point has {point.size} values, expected {_POINT_COLUMNS} a voxel"
        )
    if not (_all_sensible(point) and _all_sensible(cluster)):
        raise ChallengeError(f"{where}: a value is not a number, or beyond {_LIMIT:.0e}")
    point = point.reshape(-1, _POINT_COLUMNS)
    for n_columns in _CLUSTER_COLUMNS:
        if cluster.size % n_columns == 0:
            table = cluster.reshape(-1, n_columns).astype(np.int64)
            if (table[:, 0] >= 0).all() and table[:, 0].sum() == len(point):
                pid = table[:, 5] if n_columns == 6 else np.full(len(table), _NO_PID)
                semantic, pid = (np.repeat(ids, table[:, 0]) for ids in (table[:, 4], pid))
                remark = "" if n_columns == 6 else NO_PID
                return _deposits(where, row, point[:, :3], point[:, 3], semantic, pid, remark)
    raise ChallengeError(
        f"{where}: cluster has {cluster.size} values; expected 6 or 5 a cluster, "
        f"the first ones its size, {len(point)} in all"
    )


def _read_npz(path) -> Iterator[Deposits]:
    check_file(path)
    try:
        with open(path, "rb") as file:
            found = np.load(file, allow_pickle=False)
            arrays = {
                ours: next((found[name] for name in names if name in found), None)
                for ours, names in _NPZ_NAMES.items()
            }
    except (*READ_ERRORS, tokenize.TokenError) as reason:  # a header is Python's syntax
        raise ChallengeError(f"{path}: not a readable .npz file of plain arrays") from reason
    coords, energy, semantic, pid = (arrays[name] for name in _NPZ_NAMES)
    if coords is None or energy is None or semantic is None:
        raise ChallengeError(f"{path}: expected the arrays coords, energy, motif and pid")
    remark = NO_PID if pid is None else ""
    pid = np.full(len(coords), _NO_PID) if pid is None else pid
    if coords.shape != (len(coords), 3) or any(
        values.size != len(coords) for values in (energy, semantic, pid)
    ):
        raise ChallengeError(f"{path}: expected coords (N, 3) and N values in every other array")
    yield _deposits(path, 0, coords, energy.ravel(), semantic.ravel(), pid.ravel(), remark)


def _all_sensible(values: np.ndarray) -> bool:
    return bool((np.abs(values) < _LIMIT).all())


def _deposits(where, event_id, place, energy, semantic, pid, remark: str) -> Deposits:
    if not (_all_sensible(place) and np.isin(semantic, range(_SEMANTICS)).all()):
        raise ChallengeError(f"{where}: expected coordinates and semantic types 0 to 4")
    label = np.full(len(place), SemanticLabel.ELECTROMAGNETIC, np.uint8)
    track = semantic == _TRACK
    label[track] = np.where(pid[track] == _PROTON, SemanticLabel.PROTON, SemanticLabel.OTHER)
    return Deposits(event_id, np.floor(place).astype(np.int64), energy, label, remark)
