"""Read and write reference files: the truth of one phase (FORMAT.md, "Reference").

Only the scorer reads them. `Manifest` is the public part: the events and voxels of the test file.
Every submission is checked against the whole manifest, in all phases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np

from lartpc_challenge.cycles import CYCLES, Cycle
from lartpc_challenge.events import (
    COMPRESSION,
    Event,
    EventFile,
    check_format,
    check_offsets,
    has_repeats,
    offset_of,
    write_format,
)
from lartpc_challenge.files import StrPath, new_h5, open_h5, reading
from lartpc_challenge.format import METRICS, REFERENCE_KINDS, ChallengeError, ReferenceDataError

T = TypeVar("T")


@dataclass(frozen=True)
class Manifest:
    """The events and voxels of a cycle's test file in its order, which a submission must cover.

    event_id (N,) uint32; offset (N+1,) int64. `coords` reads the coordinates from the file.
    kind: the kind of the file; not "test" if participants predict their own events.
    """

    cycle: Cycle
    event_id: np.ndarray
    offset: np.ndarray
    path: Path
    _group: str
    kind: str = "test"

    @classmethod
    def from_events(cls, path: StrPath) -> Manifest:
        """Return the manifest of an event file. Raises ChallengeError for other files."""
        with EventFile(path) as events:
            return cls(
                events.cycle, events.event_id, events.offset, Path(path), "/", kind=events.kind
            )

    @property
    def n_events(self) -> int:
        """N, the number of events of the whole test file."""
        return len(self.event_id)

    @property
    def n_voxels(self) -> int:
        """M, the number of voxels of the whole test file."""
        return int(self.offset[-1])

    @cached_property
    def _by_id(self) -> tuple[np.ndarray, np.ndarray]:
        """The event ids in ascending order, and their indices in the file: both (N,) int64."""
        event_id = self.event_id.astype(np.int64)
        order = np.argsort(event_id)
        return event_id[order], order

    def rows(self, event_id: np.ndarray) -> np.ndarray:
        """Return the index in the test file of each event id: (n,) int64, -1 for unknown ids.

        event_id: (n,) integers.
        """
        known, order = self._by_id
        if not len(known):
            return np.full(len(event_id), -1)
        # uint64 values above int64 become negative numbers, which are unknown too.
        event_id = event_id.astype(np.int64)
        place = np.minimum(np.searchsorted(known, event_id), len(known) - 1)
        return np.where(known[place] == event_id, order[place], -1)

    def coords(self) -> np.ndarray:
        """Read the coordinates of all voxels from the file: (M, 3) uint8."""
        error = ReferenceDataError if self._group == "test" else ChallengeError
        with open_h5(self.path, error=error) as file, reading(f"{self.path}: coords", error=error):
            return file[self._group]["coords"][:]


@dataclass(frozen=True)
class Reference:
    """The truth of a phase: event_id (n,), offset (n+1,) and label (m,) uint8 of its own events.

    phase: its number in competition.yaml; None for a participant's own labelled events.
    hidden: participants see only the scores.
    energy (N,) float32: total energy of every test event in MeV, in the manifest's order.
    trivial: name of a trivial baseline -> its metrics on this phase's events.
    """

    phase: int | None
    hidden: bool
    scale: str
    event_id: np.ndarray
    offset: np.ndarray
    label: np.ndarray
    energy: np.ndarray
    trivial: dict[str, dict[str, float]]
    manifest: Manifest

    @property
    def cycle(self) -> Cycle:
        """The cycle of the test events."""
        return self.manifest.cycle

    @property
    def rows(self) -> np.ndarray:
        """The indices in the test file of the phase's own events: (n,) int64."""
        return self.manifest.rows(self.event_id)

    def own(self, column: np.ndarray) -> np.ndarray:
        """Return the part (m,) of a column (M,) of all test voxels: that of the phase's events."""
        offset, rows = self.manifest.offset, self.rows
        starts, stops = offset[rows].tolist(), offset[rows + 1].tolist()
        return np.concatenate([column[:0], *(column[a:b] for a, b in zip(starts, stops))])


def read_manifest(path: StrPath) -> Manifest | None:
    """Read the manifest from a reference file; None for a placeholder (phase not open yet).

    The truth is not read, so that a submission can be parsed before the truth is in memory.
    Raises ReferenceDataError if the file is missing, damaged or inconsistent.
    """
    return _read(path, _manifest)


def read_reference(path: StrPath) -> Reference | None:
    """Read a reference file; None for a placeholder (phase not open yet).

    Raises ReferenceDataError if the file is missing, damaged or inconsistent.
    """
    return _read(path, _reference)


def read_truth(path: StrPath) -> Reference:
    """Do the same as `read_reference`, but raise ReferenceDataError for a placeholder too."""
    reference = read_reference(path)
    if reference is None:
        raise ReferenceDataError(f"{path}: is a placeholder, expected the truth")
    return reference


def read_labelled_events(path: StrPath) -> Reference:
    """Read a file of labelled events (a train file or a hold-out) as a reference.

    Raises ChallengeError if `path` is not an event file or has no labels.
    """
    manifest = Manifest.from_events(path)
    with EventFile(path, labelled=True) as events:
        return Reference(
            phase=None,
            hidden=False,
            scale=events.scale,
            event_id=events.event_id,
            offset=events.offset,
            label=events.column("label"),
            energy=np.array([e.energy.sum(dtype=np.float64) for e in events], np.float32),
            trivial={},
            manifest=manifest,
        )


def _read(path: StrPath, part: Callable[[h5py.File, Path], T]) -> T | None:
    """Return part(file, path) for an open reference file; None for a placeholder."""
    with open_h5(path, error=ReferenceDataError) as file:
        check_format(file, path, REFERENCE_KINDS, error=ReferenceDataError)
        if file.attrs["kind"] == "placeholder":
            return None
        return part(file, Path(path))


def _manifest(file: h5py.File, path: Path) -> Manifest:
    test, cycle = file["test"], CYCLES[int(file.attrs["cycle"])]
    manifest = Manifest(cycle, test["event_id"][:], test["offset"][:], path, "test")
    n_voxels = len(test["coords"])
    check_offsets(manifest.offset, manifest.n_events, n_voxels, f"{path}: test", ReferenceDataError)
    if has_repeats(manifest.event_id):
        raise ReferenceDataError(f"{path}: test/event_id holds an event twice")
    return manifest


def _reference(file: h5py.File, path: Path) -> Reference:
    reference = Reference(
        phase=int(file.attrs["phase"]),
        hidden=bool(file.attrs["hidden"]),
        scale=str(file.attrs["scale"]),
        event_id=file["event_id"][:],
        offset=file["offset"][:],
        label=file["label"][:],
        energy=file["test/energy"][:],
        trivial={
            name: {metric: float(group.attrs[metric]) for metric in METRICS}
            for name, group in file["trivial"].items()
        },
        manifest=_manifest(file, path),
    )
    n_events, n_voxels = len(reference.event_id), len(reference.label)
    check_offsets(reference.offset, n_events, n_voxels, str(path), ReferenceDataError)
    for contradiction in _contradictions(reference):
        raise ReferenceDataError(f"{path}: {contradiction}")
    return reference


def _contradictions(reference: Reference) -> Iterator[str]:
    """Yield the inconsistencies of a reference, as clauses."""
    manifest = reference.manifest
    if reference.phase is None or reference.phase < 1:
        yield f"phase is {reference.phase}, expected 1 or larger"
    if reference.label.dtype != np.uint8:
        yield f"label is {reference.label.dtype}, expected uint8"
    if reference.label.size and reference.label.max() >= reference.cycle.n_labels:
        yield "label holds a class that the cycle does not have"
    if reference.energy.shape != (manifest.n_events,):
        yield "test/energy needs one value per event"
    if not all(0 <= v <= 1 for scores in reference.trivial.values() for v in scores.values()):
        yield "trivial holds a score outside 0..1"
    if has_repeats(reference.event_id):
        yield "event_id holds an event twice"
    rows = reference.rows
    if (rows < 0).any():
        yield "event_id names an event that test/ does not hold"
    if (np.diff(reference.offset) != np.diff(manifest.offset)[rows]).any():
        yield "an event has another number of labels than of voxels in test/"


def write_reference(
    path: StrPath,
    *,
    cycle: Cycle,
    phase: int,
    hidden: bool,
    scale: str,
    truth: Iterable[Event],
    test: Iterable[Event],
    trivial: dict[str, dict[str, float]],
) -> None:
    """Write the reference file of a phase.

    truth: the phase's own events with labels. test: all events of the test file, in its order.
    trivial: name of a trivial baseline -> its metrics on the phase's own events.
    Raises ChallengeError if the file can't be written.
    """
    truth, test = list(truth), list(test)
    with new_h5(path, private=True) as file:
        _write_header(file, "reference", cycle, phase, hidden, scale)
        _write_ragged(file, truth, label=np.concatenate([np.asarray(e.label) for e in truth]))
        group = file.create_group("test")
        _write_ragged(group, test, coords=np.concatenate([e.coords for e in test]))
        group["energy"] = np.array([e.energy.sum(dtype=np.float64) for e in test], np.float32)
        group = file.create_group("trivial")
        for name, scores in trivial.items():
            group.create_group(name).attrs.update(
                {metric: float(scores[metric]) for metric in METRICS}
            )


def write_placeholder(path: StrPath, *, cycle: Cycle, phase: int, hidden: bool, scale: str) -> None:
    """Write a placeholder: with it score.py says that the phase is not open yet."""
    with new_h5(path) as file:
        _write_header(file, "placeholder", cycle, phase, hidden, scale)


def _write_header(
    file: h5py.File, kind: str, cycle: Cycle, phase: int, hidden: bool, scale: str
) -> None:
    write_format(file, kind=kind, cycle=cycle.number, scale=scale)
    file.attrs["phase"] = phase
    file.attrs["hidden"] = hidden


def _write_ragged(group: h5py.Group, events: Sequence[Event], **columns: np.ndarray) -> None:
    group["event_id"] = np.array([event.event_id for event in events], np.uint32)
    group["offset"] = offset_of([len(event) for event in events])
    for name, values in columns.items():
        group.create_dataset(name, data=values, **COMPRESSION)
