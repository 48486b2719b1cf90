"""Write all forms of a submission without the package's own code."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import toy

from lartpc_challenge.events import Event
from lartpc_challenge.format import GRID_SHAPE
from lartpc_challenge.reference import Manifest, read_manifest


@dataclass
class Run:
    """The folders of a worker: input/ref with the truth, input/res with the submission."""

    root: Path
    events: list[Event]
    phase: int = 4

    def __post_init__(self):
        self.res.mkdir(parents=True)
        self.reference.parent.mkdir()
        toy.make_reference(self.reference, self.events, phase=self.phase)
        self.test = self.root / "test.h5"
        cycle = toy.COMPETITION.phase(self.phase).cycle.number
        toy.make_events_file(self.test, self.events, kind="test", cycle=cycle)

    @property
    def reference(self) -> Path:
        return self.root / "input/ref/reference.h5"

    @property
    def res(self) -> Path:
        return self.root / "input/res"

    @property
    def manifest(self) -> Manifest:
        return read_manifest(self.reference)

    @property
    def event_id(self) -> np.ndarray:
        return np.array([event.event_id for event in self.events], np.uint32)

    @property
    def offset(self) -> np.ndarray:
        return toy.offsets(self.events)

    @property
    def labels(self) -> np.ndarray:
        return toy.labels(self.events)

    def columns(self, **changes) -> dict:
        """Return the data sets of the sparse form, some of them changed; None removes one."""
        columns = {"event_id": self.event_id, "offset": self.offset, "pred": self.labels}
        columns.update(changes)
        return {name: values for name, values in columns.items() if values is not None}

    def sparse(self, name="predictions.h5", **changes) -> Path:
        path = self.res / name
        with h5py.File(path, "w") as file:
            for column, values in self.columns(**changes).items():
                file[column] = values
        return path

    def dense(self, name="predictions.h5", dtype=np.uint8, empty=0, change=None, **storage) -> Path:
        """empty: value of voxels without charge. change: (event, value) of its first voxel."""
        path = self.res / name
        with h5py.File(path, "w") as file:
            pred = file.create_dataset("pred", (len(self.events), *GRID_SHAPE), dtype, **storage)
            # As many events at once as a chunk holds: HDF5 would pack it anew for every event.
            step = min(pred.chunks[0], len(self.events)) if pred.chunks else 1
            for first in range(0, len(self.events), step):
                part = range(first, min(first + step, len(self.events)))
                grids = np.full((len(part), *GRID_SHAPE), empty, dtype)
                for grid, i in zip(grids, part):
                    coords = self.events[i].coords
                    grid[tuple(coords.T)] = self.events[i].label
                    if change and change[0] == i:
                        grid[tuple(coords[0])] = change[1]
                pred[first : part.stop] = grids
        return path

    def rows(self) -> list[list]:
        """(event, x, y, z, label) of every voxel."""
        return [
            [event.event_id, *place, label]
            for event in self.events
            for place, label in zip(event.coords.tolist(), event.label.tolist())
        ]

    def csv(self, rows=None, header="event,x,y,z,label", name="predictions.csv", end="\n") -> Path:
        path = self.res / name
        rows = self.rows() if rows is None else rows
        lines = [header, *(",".join(map(str, row)) for row in rows)]
        path.write_bytes("".join(line + end for line in lines).encode())
        return path

    def zip(self, *members, method=zipfile.ZIP_DEFLATED) -> Path:
        """submission.zip of members (name or ZipInfo, content)."""
        path = self.root / "submission.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, content in members:
                archive.writestr(name, content)
        return path
