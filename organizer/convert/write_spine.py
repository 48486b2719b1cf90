"""Write our events as SPINE's HDF5, version 2.

Products: data (N, 5) batch, x, y, z, energy [MeV]; for labelled events also seg_label (N, 5) with
the semantic type and clust_label (N, 21) with pid and particle; with predictions segmentation
(N, 4 + classes) with the scores. meta has size and origin of the voxels [cm], run_info the run and
event numbers. The batch column is 0: SPINE's parser `tensor` reads these files with its defaults.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np

from lartpc_challenge.files import new_h5
from lartpc_challenge.format import GRID_SHAPE, GRID_SIZE
from organizer.convert.deposits import NOT_KNOWN
from organizer.convert.export import Clusters, Exported
from organizer.convert.h5 import append, get_dataset, get_group

_SPINE_VERSION = "0.17.3"  # the version with this format
_CHUNK_ROWS = 1 << 14
_META = [
    ("lower", "<f4", (3,)),
    ("upper", "<f4", (3,)),
    ("size", "<f4", (3,)),
    ("count", "<i8", (3,)),
]
_RUN_INFO = [("run", "<i8"), ("subrun", "<i8"), ("event", "<i8")]
# Columns of clust_label: constants/columns.py, ClusterLabelCol.
_CLUSTER_WIDTH = 21
_CLUSTER, _PARTICLE, _GROUP, _INTERACTION, _PID, _PRIMARY, _VERTEX, _SHAPE = (
    5, 6, 7, 9, 11, 13, slice(14, 17), 20
)  # fmt: skip


def write(out: Path, items: Iterable[Exported], voxel_cm: float) -> None:
    """Write events as SPINE's HDF5; a few events are in memory."""
    with new_h5(out) as file:
        info = file.create_group("info")
        info.attrs.update(
            {
                "cfg": "writer: organizer.convert\n",
                "spine_version": _SPINE_VERSION,
                "version": _SPINE_VERSION,
                "format": "spine_hdf5",
                "format_version": 2,
                "complete": True,
            }
        )
        file.create_group("products")
        n_events = 0
        for item in items:
            for name, values in _products(item, voxel_cm).items():
                _append(file, name, values)
            _append(file, "index", np.array([n_events]))
            n_events += 1
        file["events"] = np.arange(n_events)


def _products(item: Exported, voxel_cm: float) -> dict[str, np.ndarray]:
    event, n = item.event, len(item.event)
    place = np.zeros((n, 4), np.float32)
    place[:, 1:] = event.coords
    found = {"data": np.column_stack((place, event.energy)).astype(np.float32)}
    if item.clusters is not None:
        label = _cluster_label(item.clusters, place, item.event.energy)
        found["clust_label"] = label
        found["seg_label"] = label[:, [0, 1, 2, 3, _SHAPE]]
    if item.scores is not None:
        found["segmentation"] = np.column_stack((place, item.scores)).astype(np.float32)
    low, high = item.origin_cm, item.origin_cm + voxel_cm * GRID_SIZE
    found["meta"] = np.array([(low, high, [voxel_cm] * 3, GRID_SHAPE)], _META)
    found["run_info"] = np.array([item.number], _RUN_INFO)
    return found


def _cluster_label(clusters: Clusters, place: np.ndarray, energy: np.ndarray) -> np.ndarray:
    of_cluster = np.full((len(clusters.size), _CLUSTER_WIDTH), NOT_KNOWN, np.float32)
    of_cluster[:, _CLUSTER] = np.arange(len(clusters.size))
    of_cluster[:, _PARTICLE] = of_cluster[:, _GROUP] = clusters.group
    of_cluster[:, _INTERACTION] = clusters.interaction
    of_cluster[:, _PID], of_cluster[:, _SHAPE] = clusters.pid, clusters.semantic
    of_cluster[:, _PRIMARY], of_cluster[:, _VERTEX] = clusters.extra[:, 5], clusters.extra[:, 2:5]
    label = np.empty((len(place), _CLUSTER_WIDTH), np.float32)
    label[clusters.order] = np.repeat(of_cluster, clusters.size, axis=0)
    label[:, :4], label[:, 4] = place, energy
    return label


def _append(file: h5py.File, name: str, values: np.ndarray) -> None:
    """Append one event's rows to a product: an array, or objects if `values` has fields."""
    is_objects = values.dtype.names is not None
    key = "fixed" if is_objects else "values"
    products = get_group(file, "products")
    if name not in products:
        group = products.create_group(name)
        group.attrs["kind"] = "objects" if is_objects else "array"
        group.attrs["scalar"] = is_objects or values.ndim == 1
        if is_objects:
            group.attrs["class_name"] = {"meta": "ImageMeta3D", "run_info": "RunInfo"}[name]
            group.create_group("variables")
        append(group, "event_offsets", np.zeros(1, np.int64))
    group = get_group(products, name)
    append(group, key, values, _CHUNK_ROWS if values.ndim > 1 else 64)
    append(group, "event_offsets", np.array([len(get_dataset(group, key))]))
