"""Reference files: the hidden truth of one phase (FORMAT.md, "Reference").

Only the scorer reads them. `Manifest` is the part that is public anyway: which events and voxels
the test file holds. A submission is validated against it whole, in every phase alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from .events import (
    COMPRESSION,
    Event,
    EventFile,
    check_format,
    check_offsets,
    open_h5,
    replacing,
    write_format,
)
from .format import (
    CYCLES,
    METRICS,
    REFERENCE_KINDS,
    Cycle,
    ReferenceDataError,
    cycle_of_phase,
    is_hidden,
)


@dataclass(frozen=True)
class Manifest:
    """What a submission must cover: the events and voxels of a cycle's test file, in its order.

    event_id (N,) uint32; offset (N+1,) int64. Coordinates stay in the file until asked for.
    """

    cycle: Cycle
    event_id: np.ndarray
    offset: np.ndarray
    path: Path
    _group: str

    @classmethod
    def from_events(cls, path) -> Manifest:
        """The manifest of a test file. ChallengeError where it is not one."""
        with EventFile(path, kind="test") as events:
            return cls(events.cycle, events.event_id, events.offset, Path(path), "/")

    @property
    def n_events(self) -> int:
        return len(self.event_id)

    @property
    def n_voxels(self) -> int:
        return int(self.offset[-1])

    def coords(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """(n, 3) uint8: the voxels of the events start..stop in test-file order."""
        stop = self.n_events if stop is None else stop
        with open_h5(self.path) as file:
            return file[self._group]["coords"][self.offset[start] : self.offset[stop]]


@dataclass(frozen=True)
class Reference:
    """A phase's truth. event_id (n,), offset (n+1,), label (m,) uint8 of its own events.

    energy (N,) float32: total MeV of every test event, in the manifest's order.
    trivial: name of a trivial baseline -> its metrics on this phase's events.
    """

    phase: int
    scale: str
    event_id: np.ndarray
    offset: np.ndarray
    label: np.ndarray
    energy: np.ndarray
    trivial: dict[str, dict[str, float]]
    manifest: Manifest

    @property
    def cycle(self) -> Cycle:
        return cycle_of_phase(self.phase)

    @property
    def hidden(self) -> bool:
        return is_hidden(self.phase)


def read_reference(path) -> Reference | None:
    """The reference in `path`; None for a placeholder: the phase is not open yet.

    Raises ReferenceDataError where the file is missing, damaged or contradicts itself.
    """
    with open_h5(path, error=ReferenceDataError) as file:
        check_format(file, path, REFERENCE_KINDS, error=ReferenceDataError)
        if file.attrs["kind"] == "placeholder":
            return None
        try:
            return _read(file, Path(path))
        except (KeyError, OSError, ValueError, AttributeError) as reason:
            raise ReferenceDataError(
                f"{path}: the reference data are damaged: {reason}"
            ) from reason


def _read(file: h5py.File, path: Path) -> Reference:
    phase, cycle = int(file.attrs["phase"]), CYCLES[int(file.attrs["cycle"])]
    if cycle_of_phase(phase) != cycle or bool(file.attrs["hidden"]) != is_hidden(phase):
        raise ValueError(f"phase {phase} does not belong to cycle {cycle.number} or its visibility")
    test = file["test"]
    manifest = Manifest(cycle, test["event_id"][:], test["offset"][:], path, "test")
    reference = Reference(
        phase=phase,
        scale=str(file.attrs["scale"]),
        event_id=file["event_id"][:],
        offset=file["offset"][:],
        label=file["label"][:],
        energy=test["energy"][:],
        trivial={
            name: {metric: float(group.attrs[metric]) for metric in METRICS}
            for name, group in file["trivial"].items()
        },
        manifest=manifest,
    )
    _check(reference, n_coords=len(test["coords"]))
    return reference


def _check(reference: Reference, n_coords: int) -> None:
    """Raise ValueError unless truth and manifest agree: a wrong reference must score nobody."""
    manifest = reference.manifest
    check_offsets(manifest.offset, manifest.n_events, n_coords, "test", ValueError)
    check_offsets(
        reference.offset, len(reference.event_id), len(reference.label), "root", ValueError
    )
    if len(reference.energy) != manifest.n_events:
        raise ValueError("test/energy needs one value an event")
    if len(np.unique(manifest.event_id)) != manifest.n_events:
        raise ValueError("test/event_id holds an event twice")
    order = np.argsort(manifest.event_id, kind="stable")
    place = np.searchsorted(manifest.event_id, reference.event_id, sorter=order)
    if (place >= manifest.n_events).any():
        raise ValueError("event_id names an event that test/ does not hold")
    rows = order[place]
    if (manifest.event_id[rows] != reference.event_id).any():
        raise ValueError("event_id names an event that test/ does not hold")
    if (np.diff(reference.offset) != np.diff(manifest.offset)[rows]).any():
        raise ValueError("an event's number of labels differs from its number of voxels in test/")
    if reference.label.size and reference.label.max() > max(reference.cycle.labels):
        raise ValueError("label holds a class that the cycle does not have")


def write_reference(
    path,
    *,
    phase: int,
    scale: str,
    truth: Iterator[Event],
    test: Iterator[Event],
    trivial: dict[str, dict[str, float]],
) -> None:
    """Write a phase's reference: `truth`, its own events with labels; `test`, all test events."""
    truth, test = list(truth), list(test)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        _write_header(file, "reference", phase, scale)
        _write_ragged(file, truth, label=np.concatenate([e.label for e in truth]))
        group = file.create_group("test")
        _write_ragged(group, test, coords=np.concatenate([e.coords for e in test]))
        group["energy"] = np.array([e.energy.sum(dtype=np.float64) for e in test], np.float32)
        for name, scores in trivial.items():
            file.create_group(f"trivial/{name}").attrs.update(
                {metric: float(scores[metric]) for metric in METRICS}
            )


def write_placeholder(path, *, phase: int, scale: str) -> None:
    """Write a reference that makes score.py say that the phase is not open yet."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        _write_header(file, "placeholder", phase, scale)


def _write_header(file: h5py.File, kind: str, phase: int, scale: str) -> None:
    write_format(file, kind=kind, cycle=cycle_of_phase(phase).number, scale=scale)
    file.attrs["phase"] = phase
    file.attrs["hidden"] = is_hidden(phase)


def _write_ragged(group, events, **columns: np.ndarray) -> None:
    offset = np.concatenate([[0], np.cumsum([len(event) for event in events])])
    group["event_id"] = np.array([event.event_id for event in events], np.uint32)
    group["offset"] = offset.astype(np.int64)
    for name, values in columns.items():
        group.create_dataset(name, data=values, **COMPRESSION)
