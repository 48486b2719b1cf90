"""Read data of the 2018 competition (MLHEP school).

Dense HDF5 (/data and /label, each (N, 192, 192, 192)) or CSV (event,x,y,z,val,label). The grids are
the same as ours: no crop, and no threshold by default. In data of two classes protons are `other`.
--to mlhep writes our events in these formats.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.format import VOXEL_SIZE_MM
from organizer.convert.deposits import NOT_KNOWN, Grid, ReadOptions, SourceEvent, Voxels
from organizer.convert.formats_2018 import read_events_2018
from organizer.convert.taxonomy import Kind, Taxonomy, class_of_kind

_KINDS = np.array([Kind.NO_CLASS, Kind.ELECTRON, Kind.MIP, Kind.PROTON], np.uint8)  # of its labels
TAXONOMY = Taxonomy(
    "the competition of 2018: labels",
    (("1 electron/positron", Kind.ELECTRON), ("2 other", Kind.MIP), ("3 proton", Kind.PROTON)),
)


def read(path: Path, options: ReadOptions) -> Iterator[SourceEvent]:
    """Yield the events of a dense HDF5 or CSV file with their own numbers."""
    grid = Grid(np.full(3, VOXEL_SIZE_MM), np.zeros(3))
    for entry, event in enumerate(read_events_2018(path)):
        yield SourceEvent(
            entry,
            event.event_id,
            (NOT_KNOWN, NOT_KNOWN, event.event_id),
            Voxels(event.coords.astype(np.int64), grid),
            event.energy,
            None if event.label is None else _KINDS[event.label],
        )


def remarks(kinds: Collection[Kind], cycle: Cycle) -> Iterator[str]:
    """Yield remarks on a file with labels of these kinds that was written as events of `cycle`."""
    has_class = "proton" in cycle.class_names
    if Kind.PROTON not in kinds:
        yield f"data of two classes, written as cycle {cycle.number}"
        if has_class:
            yield "no voxel is a proton: if there are only two classes, their protons are `other`"
        return
    yield f"data of three classes, written as cycle {cycle.number}"
    if not has_class:
        yield f"protons became `{class_of_kind(Kind.PROTON, cycle)}`"
    elif not cycle.has_dead_planes:
        yield "phases 5 and 6 of 2018 had dead planes: if these are their data, use --cycle 3"
