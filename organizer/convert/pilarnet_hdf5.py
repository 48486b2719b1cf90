"""Read PILArNet-M in HDF5, versions 1 to 3: one row of variable length per event."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import h5py

from lartpc_challenge.files import open_h5, reading
from lartpc_challenge.format import ChallengeError
from organizer.convert.deposits import ReadOptions, SourceEvent
from organizer.convert.pilarnet_rows import event_of_rows

if TYPE_CHECKING:
    from typing_extensions import TypeGuard

_BLOCK_EVENTS = 64


def read(path: Path, options: ReadOptions) -> Iterator[SourceEvent]:
    """Yield the events of a PILArNet file; event_id is the row."""
    with open_h5(path) as file:
        points, clusters = file.get("point"), file.get("cluster")
        if not (has_rows(points) and has_rows(clusters)):
            raise ChallengeError(
                f"{path}: expected PILArNet's data sets `point` and `cluster`, "
                "each with one row of variable length per event"
            )
        if len(points) != len(clusters):
            raise ChallengeError(
                f"{path}: point has {len(points)} events, cluster has {len(clusters)}"
            )
        extra = file.get("cluster_extra")
        if not has_rows(extra) or len(extra) != len(points):
            extra = None
        for start in range(0, len(points), _BLOCK_EVENTS):
            rows = slice(start, start + _BLOCK_EVENTS)
            with reading(f"{path}: row {start} or one of the next"):
                point, cluster = points[rows], clusters[rows]
                vertex = [None] * len(point) if extra is None else extra[rows]
            for i, row in enumerate(zip(point, cluster, vertex), start=start):
                yield event_of_rows(f"{path} row {i}", i, len(points), *row, options)


def has_rows(dataset: object) -> TypeGuard[h5py.Dataset]:
    """Return whether it is a data set with rows of variable length."""
    return isinstance(dataset, h5py.Dataset) and h5py.check_vlen_dtype(dataset.dtype) is not None
