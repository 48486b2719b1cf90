"""Read events from their files when they are needed, for more events than fit into memory.

    dataset = EventDataset(["cycle1_train.h5", "more.h5"])
    loader = torch.utils.data.DataLoader(dataset, 16, shuffle=True, collate_fn=join, num_workers=2)
    for events in loader: ...        # Ragged: coords, energy, label of all voxels, length per event

To read an event takes about 1 ms of a core, for a few compressed chunks; `num_workers` processes
read while the training computes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from baseline.dataset import Ragged, check_cycle, join, read_block
from lartpc_challenge.events import EventFile

__all__ = ["BatchReader", "EventDataset", "join"]


class EventDataset(Dataset[Ragged]):
    """The events of one or several files of one cycle; dataset[i] is a Ragged of one event.

    length (N,) int64: voxels per event. Only this is in memory, 8 bytes per event. A copy in
    another process opens the files itself. Raises ChallengeError for a file that is damaged, is of
    another cycle than the first one, or has no labels if they are needed.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]], labelled: bool = True):
        self.paths, self.labelled = [Path(path) for path in paths], labelled
        digest, lengths = hashlib.sha256(), []
        for path in self.paths:
            with EventFile(path, labelled=labelled) as events:
                if not lengths:
                    self.cycle = events.cycle
                check_cycle(path, events.cycle, self.paths[0], self.cycle)
                lengths.append(np.diff(events.offset))
                digest.update(events.event_id.tobytes())
                digest.update(events.offset.tobytes())
        self._first = np.cumsum([0, *map(len, lengths)])  # number of each file's first event
        self.length = torch.from_numpy(np.concatenate(lengths))
        self._number = torch.arange(len(self.length))  # of each event, among those of all files
        self._fingerprint = digest.hexdigest()
        self._open: dict[Path, EventFile] = {}

    def charged(self) -> EventDataset:
        """Return the events that have voxels: others can't be used for training."""
        chosen = object.__new__(EventDataset)
        chosen.__dict__.update(self.__getstate__())
        kept = torch.nonzero(self.length)[:, 0]
        chosen.length, chosen._number = self.length[kept], self._number[kept]
        return chosen

    def __len__(self) -> int:
        return len(self.length)

    def __getitem__(self, index: int) -> Ragged:
        number = int(self._number[index])
        place = int(np.searchsorted(self._first, number, side="right")) - 1
        path, inside = self.paths[place], number - int(self._first[place])
        if path not in self._open:
            self._open[path] = EventFile(path, labelled=self.labelled)
        return read_block(self._open[path], self.labelled, inside, inside + 1)

    def select(self, index: torch.Tensor) -> Ragged:
        """Return the events `index` (n,) int64, in that order, on the CPU."""
        return join([self[int(i)] for i in index])

    def fingerprint(self) -> str:
        """Return a digest of the events' ids and lengths."""
        return self._fingerprint

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_open": {}}  # an open file serves one process


class BatchReader:
    """Reads the batches of a training in other processes before they are needed.

    index_of: a function that returns the events (n,) int64 of step 0..n_steps-1.
    """

    def __init__(
        self,
        dataset: EventDataset,
        index_of: Callable[[int], torch.Tensor],
        n_steps: int,
        workers: int,
        pinned: bool,
    ):
        self._dataset, self._index_of, self._n_steps = dataset, index_of, n_steps
        self._options = {"num_workers": workers, "collate_fn": join, "pin_memory": pinned}
        self._next, self._batches = -1, iter(())

    def batch(self, step: int) -> Ragged:
        """Return the events of a step, on the CPU. The next steps' events are read meanwhile."""
        if step != self._next:
            indices = (self._index_of(later).tolist() for later in range(step, self._n_steps))
            loader = DataLoader(self._dataset, batch_sampler=indices, **self._options)
            self._batches: Iterator[Ragged] = iter(loader)
        self._next = step + 1
        events = next(self._batches)
        if self._next == self._n_steps:
            next(self._batches, None)  # at its end the loader ends its processes
        return events
