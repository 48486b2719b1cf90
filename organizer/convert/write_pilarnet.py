"""Write our events as PILArNet-M, for pimm, Panda and PoLAr-MAE: HDF5 and parquet.

v3      point (N, 8), cluster (K, 6), cluster_extra (K, 6): for pimm
v2      cluster_extra (K, 5), without is_primary: for Panda and older versions of pimm
v1      point and cluster (K, 5), without pid: for PoLAr-MAE
The rows are those of `pilarnet`. x, y, z are 0 to 191 (PILArNet: 0 to 767). The energies are
in both columns; time, electrons and dx are 0. With predictions, `prediction` (N, classes): scores.
OUT_points.npy, in the same folder as OUT.h5, has the number of points per event for the readers.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lartpc_challenge.files import new_h5, replacing
from organizer.convert.deposits import NOT_KNOWN
from organizer.convert.export import Exported
from organizer.convert.h5 import get_dataset
from organizer.convert.pilarnet import import_parquet

_POINT_COLUMNS = 8
_BLOCK_EVENTS = 256
# The defaults of these readers.
MIN_POINTS, ENERGY_THRESHOLD_MEV = 1024, 0.13
DEFAULTS_THAT_DROP = (
    f"by default pimm, Panda and PoLAr-MAE drop events below min_points={MIN_POINTS} and voxels "
    f"below energy_threshold={ENERGY_THRESHOLD_MEV} MeV"
)


def rows(item: Exported, version: int) -> dict[str, np.ndarray]:
    """Return the flat rows of one event: point, cluster and, from version 2 on, cluster_extra."""
    event, n = item.event, len(item.event)
    order, clusters = np.arange(n), item.clusters
    if clusters is not None:
        order = clusters.order
        table = np.column_stack(
            (
                clusters.size,
                np.arange(len(clusters.size)),
                clusters.group,
                clusters.interaction,
                clusters.semantic,
                clusters.pid,
            )
        )
        extra = clusters.extra
    else:
        table = np.array([[0, *[NOT_KNOWN] * 3, 4, NOT_KNOWN], [n, *[NOT_KNOWN] * 5]])
        extra = np.full((2, 6), NOT_KNOWN, np.float32)
    point = np.zeros((n, _POINT_COLUMNS), np.float32)
    point[:, :3] = event.coords[order]
    point[:, 3] = point[:, 4] = event.energy[order]
    found = {"point": point.ravel(), "cluster": table[:, : 5 if version == 1 else 6].ravel()}
    if version > 1:
        found["cluster_extra"] = extra[:, : 5 if version == 2 else 6].ravel()
    if item.scores is not None:
        found["prediction"] = item.scores[order].ravel()
    return found


def write_hdf5(
    out: Path, items: Iterable[Exported], n_events: int, class_names: tuple[str, ...], version: int
) -> None:
    """Write `n_events` events as PILArNet-M's HDF5, version 1, 2 or 3."""
    n_points = np.zeros(n_events, np.int64)
    with new_h5(out) as file:
        file.attrs["prediction_class_names"] = list(class_names)
        for i, item in enumerate(items):
            for name, row in rows(item, version).items():
                if name not in file:
                    kind = np.int64 if name == "cluster" else np.float32
                    file.create_dataset(name, (n_events,), h5py.vlen_dtype(np.dtype(kind)))
                get_dataset(file, name)[i] = row
            n_points[i] = len(item.event)
    with (
        replacing(out.with_name(f"{out.stem}_points.npy")) as temporary,
        open(temporary, "wb") as stream,
    ):
        np.save(stream, n_points)


def write_parquet(out: Path, items: Iterable[Exported]) -> None:
    """Write events as PILArNet-M's parquet, version 3, with n_points and event_id."""
    parquet = import_parquet()
    writer, block = None, []
    with replacing(out) as temporary:
        try:
            for item in items:
                n, number = len(item.event), str(item.event.event_id)
                block.append({**rows(item, 3), "n_points": n, "event_id": number})
                if len(block) == _BLOCK_EVENTS:
                    writer = _flush(parquet, temporary, writer, block)
                    block = []
            writer = _flush(parquet, temporary, writer, block)
        finally:
            if writer is not None:
                writer.close()


def _flush(parquet: Any, path: Path, writer: Any, block: list[dict]) -> Any:
    """Write the rows in `block`; return the writer, which is made for the first block."""
    if block:
        import pyarrow

        table = pyarrow.table({name: [row[name] for row in block] for name in block[0]})
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    return writer
