"""Convert data of the 2018 competition (MLHEP school) to our events, and our events to these.

From    dense HDF5 (/data and /label, each (N, 192, 192, 192)) or CSV (event,x,y,z,val,label) to our
        events: of kind train if they have labels, else test.
To      our events to dense HDF5 if OUT ends in .hdf5 or .h5, to CSV if it ends in .csv.
There is no crop and no threshold, because the grids are the same. Labels are 1 electron/positron,
2 other, 3 proton; in data of two classes protons are `other`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import Event, EventFile, EventWriter
from lartpc_challenge.files import open_h5
from lartpc_challenge.format import FORMAT, ChallengeError
from organizer.convert.formats_2018 import is_hdf5, read_events_2018, write_csv, write_dense
from organizer.convert.taxonomy import Kind, label_of_kind

_WRITERS = {".csv": write_csv, ".hdf5": write_dense, ".h5": write_dense}
_KINDS = (Kind.NO_CLASS, Kind.ELECTRON, Kind.MIP, Kind.PROTON)  # of the labels of 2018

Progress = Callable[[Iterable[Event]], Iterable[Event]]


def is_ours(path: Path) -> bool:
    """Return whether `path` is an event file of this challenge."""
    if not is_hdf5(path):
        return False
    with open_h5(path) as file:
        return bool(file.attrs.get("format") == FORMAT)


def writer(path: Path) -> Callable[[Path, Iterable[Event]], None]:
    """Return the function that writes events to `path` in a format of 2018."""
    try:
        return _WRITERS[path.suffix.lower()]
    except KeyError:
        raise ChallengeError(f"{path}: name it .hdf5 for dense HDF5, or .csv") from None


def to_2018(source: Path, out: Path, progress: Progress, n_events: int | None) -> None:
    """Write the first `n_events` of our events in a format of 2018, and print a summary."""
    write = writer(out)
    with EventFile(source) as events:
        write(out, islice(progress(events), n_events))
        print(f"{out}: {min(len(events), n_events or len(events)):,} events")


def from_2018(
    source: Path, out: Path, cycle: Cycle, progress: Progress, n_events: int | None
) -> None:
    """Write the first `n_events` of a file of 2018 as our events, and print a summary."""
    events = read_events_2018(source)
    first = next(events, None)
    if first is None:
        raise ChallengeError(f"{source}: holds no events")
    kind = "test" if first.label is None else "train"
    found: set[int] = set()
    n_written = n_voxels = n_empty = 0
    with EventWriter(out, kind=kind, cycle=cycle.number, scale="full") as file:
        for event in islice(progress(chain([first], events)), n_events):
            if len(event):
                file.append(_in_cycle(event, cycle, found))
                n_written, n_voxels = n_written + 1, n_voxels + len(event)
            else:
                n_empty += 1
        if not n_written:
            raise ChallengeError(
                f"{source}: none of its {n_empty} events has a voxel to keep; nothing was written"
            )
    print(
        f"{out}: {n_written:,} events, {n_voxels:,} voxels ({kind}, cycle {cycle.number}); left "
        f"out: {n_empty:,} events without a voxel"
    )
    for remark in _remarks(found, cycle):
        print(f"{source}: {remark}")


def _in_cycle(event: Event, cycle: Cycle, found: set[int]) -> Event:
    if event.label is None:
        return event
    found.update(np.unique(event.label).tolist())
    label = label_of_kind(cycle)[np.array(_KINDS)][event.label]
    return Event(event.event_id, event.coords, event.energy, label)


def _remarks(found: set[int], cycle: Cycle) -> Iterator[str]:
    if not found:
        return
    classes = "three" if 3 in found else "two"
    yield f"data of {classes} classes, written as cycle {cycle.number}"
    if 3 not in found and "proton" in cycle.class_names:
        yield "no voxel is a proton: if these are data of two classes, their protons are `other`"
    if 3 in found and "proton" not in cycle.class_names:
        yield f"protons became `{cycle.class_names[label_of_kind(cycle)[Kind.PROTON] - 1]}`"
    if 3 in found and not cycle.has_dead_planes and "proton" in cycle.class_names:
        yield "phases 5 and 6 of 2018 had dead planes: if these are their data, use --cycle 3"
