"""Events in memory, as ragged tensors on one device: data sets and batches.

Data sets and batches have the same type. Reading refuses voxels for which a backend would compute
wrong values without an error (twice in an event, outside the grid). stream.py is for more events
than fit into memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import EventFile
from lartpc_challenge.format import GRID_SIZE, ChallengeError


@dataclass(frozen=True)
class Ragged:
    """N events of different lengths, one after another; M voxels in total.

    coords (M, 3) int32 x, y, z; energy (M,) float32 MeV; length (N,) int64 voxels per event;
    label (M,) int64 >= 1, None in a test file.
    """

    coords: torch.Tensor
    energy: torch.Tensor
    length: torch.Tensor
    label: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.length)

    @property
    def n_voxels(self) -> int:
        """The number of voxels M."""
        return len(self.energy)

    @property
    def truth(self) -> torch.Tensor:
        """The labels, (M,) int64. Raises ValueError if there are none."""
        if self.label is None:
            raise ValueError("these events have no labels")
        return self.label

    @property
    def event(self) -> torch.Tensor:
        """The event 0..N-1 of each voxel: (M,) int64."""
        return torch.repeat_interleave(self.length, output_size=self.n_voxels)

    @property
    def offset(self) -> torch.Tensor:
        """The first voxel of each event: (N,) int64."""
        return self.length.cumsum(0) - self.length

    def to(self, device) -> Ragged:
        """Return the same events on another device."""
        return self._changed(lambda column: column.to(device))

    def pin_memory(self) -> Ragged:
        """Return the same events in page-locked memory, which is copied fastest to a GPU."""
        return self._changed(torch.Tensor.pin_memory)

    def _changed(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Ragged:
        label = None if self.label is None else change(self.label)
        return Ragged(change(self.coords), change(self.energy), change(self.length), label)

    def fingerprint(self) -> str:
        """Return a digest of all values: equal only for equal events."""
        digest = hashlib.sha256()
        for column in (self.length, self.coords, self.energy, self.label):
            if column is not None:
                digest.update(column.cpu().numpy().data)
        return digest.hexdigest()

    def rows(self, index: torch.Tensor) -> torch.Tensor:
        """Return the rows (m,) int64 of the voxels of the events `index` (n,), in that order."""
        length = self.length[index]
        event = torch.repeat_interleave(length)
        skipped = self.offset[index] - (length.cumsum(0) - length)
        return torch.arange(len(event), device=event.device) + skipped[event]

    def select(self, index: torch.Tensor) -> Ragged:
        """Return the events `index` (n,) int64, in that order."""
        return self._take(self.rows(index), self.length[index])

    def charged(self) -> Ragged:
        """Return the events that have voxels: others can't be used for training."""
        return self.select(torch.nonzero(self.length)[:, 0])

    def keep(self, mask: torch.Tensor) -> Ragged:
        """Return the voxels where `mask` (M,) bool is true; events without voxels stay."""
        return self._take(mask, torch.bincount(self.event[mask], minlength=len(self)))

    def _take(self, rows: torch.Tensor, length: torch.Tensor) -> Ragged:
        label = None if self.label is None else self.label[rows]
        return Ragged(self.coords[rows], self.energy[rows], length, label)


def join(parts: Sequence[Ragged]) -> Ragged:
    """Return the events of all parts, one after another; at least one part, all on one device.

    It is also a collate function for torch.utils.data.DataLoader.
    """
    label = None if parts[0].label is None else torch.cat([p.truth for p in parts])
    coords, energy = torch.cat([p.coords for p in parts]), torch.cat([p.energy for p in parts])
    return Ragged(coords, energy, torch.cat([p.length for p in parts]), label)


def read_events(paths: Sequence, labelled: bool) -> tuple[Ragged, Cycle]:
    """Return all events of the files as one data set on the CPU, and their cycle.

    labelled: whether labels are needed (train and simulation files have them). Raises
    ChallengeError if a file is damaged, is of another kind or cycle than the first one, or has a
    voxel twice.
    """
    parts, cycles = [], []
    for path in paths:
        with EventFile(path, labelled=labelled) as events:
            cycles.append(events.cycle)
            check_cycle(path, events.cycle, paths[0], cycles[0])
            parts.append(read_block(events, labelled, 0, len(events)))
    return join(parts), cycles[0]


def check_cycle(path, cycle: Cycle, first_path, first: Cycle) -> None:
    """Raise ChallengeError if a file is of another cycle than the first one."""
    if cycle != first:
        raise ChallengeError(
            f"{path}: is of cycle {cycle.number}, but {first_path} is of cycle {first.number}; one "
            "network serves one cycle"
        )


def read_block(events: EventFile, labelled: bool, start: int, stop: int) -> Ragged:
    """Return the events start..stop of a file, on the CPU. Raises ChallengeError as read_events."""
    coords = events.column("coords", start, stop).astype(np.int32)
    energy = events.column("energy", start, stop)
    length = np.diff(events.offset[start : stop + 1])
    cell = np.ravel_multi_index(coords.T, (GRID_SIZE,) * 3)
    cell += np.repeat(np.arange(len(length), dtype=np.int64), length) * GRID_SIZE**3
    cell.sort()
    twice = cell[1:][cell[1:] == cell[:-1]]
    if len(twice):
        event_id = events.event_id[start + twice[0] // GRID_SIZE**3]
        raise ChallengeError(f"{events.path}: event {event_id} holds a voxel twice")
    columns = torch.from_numpy(coords), torch.from_numpy(energy), torch.from_numpy(length)
    if not labelled:
        return Ragged(*columns)
    label = events.column("label", start, stop).astype(np.int64)
    known = events.cycle.labels
    if len(label) and not (known[0] <= label.min() and label.max() <= known[-1]):
        raise ChallengeError(
            f"{events.path}: labels of cycle {events.cycle.number} are {list(map(int, known))}, "
            f"found {label.min()}..{label.max()}"
        )
    return Ragged(*columns, torch.from_numpy(label))


def split(n_events: int, holdout: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the indices of the training events and of the hold-out, both in ascending order.

    At least one event is held out if `holdout` > 0.
    """
    n_held = max(1, round(holdout * n_events)) if holdout > 0 else 0
    if n_events - n_held < 1:
        raise ChallengeError(f"{n_events} events are too few to train on and to hold some out")
    order = np.random.default_rng([seed, 0]).permutation(n_events)
    return torch.from_numpy(np.sort(order[n_held:])), torch.from_numpy(np.sort(order[:n_held]))


def n_batches(n_events: int, batch_events: int) -> int:
    """Return the number of batches per epoch, of about `batch_events` events each."""
    return max(1, round(n_events / batch_events))


def shuffled_batch(n_events: int, batch_events: int, step: int, seed: int) -> torch.Tensor:
    """Return the events (n,) int64 of step 0, 1, ...; they depend only on the arguments.

    Every event comes once per epoch. A training can resume exactly without a stored state.
    """
    epoch, place = divmod(step, n_batches(n_events, batch_events))
    return torch.from_numpy(_batches_of_epoch(n_events, batch_events, epoch, seed)[place])


@lru_cache(maxsize=1)
def _batches_of_epoch(n_events: int, batch_events: int, epoch: int, seed: int) -> list[np.ndarray]:
    order = np.random.default_rng([seed, 1, epoch]).permutation(n_events)
    return np.array_split(order, n_batches(n_events, batch_events))


def batches_by_size(
    length: torch.Tensor, most_voxels: int, most_events: int
) -> Iterator[torch.Tensor]:
    """Return batches of event indices, sorted by size, smallest first.

    A batch has at most most_voxels voxels and most_events events; a larger event is a batch of its
    own. Events without voxels are in no batch.
    """
    order = torch.argsort(length, stable=True)
    batch, n_voxels = [], 0
    for index in order[length[order] > 0].tolist():
        n = int(length[index])
        if batch and (n_voxels + n > most_voxels or len(batch) == most_events):
            yield torch.tensor(batch)
            batch, n_voxels = [], 0
        batch.append(index)
        n_voxels += n
    if batch:
        yield torch.tensor(batch)
