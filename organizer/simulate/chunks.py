"""Simulate many events in chunks, in child processes on all cores or on a Dask cluster.

A chunk is a file of CHUNK_EVENTS events in the folder OUT.parts/. A simulation that was stopped
continues with the chunks in that folder. The output does not depend on the number of processes.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lartpc_challenge.command import alone_in
from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.events import EventFile
from lartpc_challenge.files import open_h5, replacing, write_text
from lartpc_challenge.format import ChallengeError
from organizer.cycles import production_of
from organizer.jobs import ProcessDied, Task, dask_client, run_jobs, run_on_dask
from organizer.scratch import scratch_folder
from organizer.simulate.event import simulate_event
from organizer.simulate.geant4 import LiquidArgon, Settings
from organizer.simulate.store import SimulationWriter

CHUNK_EVENTS = 100  # some seconds of work, the most that a kill loses; starting a process takes 1 s
MAX_CHUNKS_PER_TASK = 5  # on a Dask cluster; every task starts a process
MOST_EVENTS = 10**8  # per file: event_id has 32 bits, and the list of chunks must stay small
CRASHES_FORGIVEN = 2  # per chunk: Geant4 can crash, but an event that always crashes must end

_ENOUGH_EVENTS = 10  # of these, some should have each class
_REQUEST = "request.json"
Progress = Callable[[int], object]  # called with the number of events that are newly ready


@dataclass(frozen=True)
class SimulationRequest:
    """A request for the first `events` events that the secret `seed` defines for `cycle`."""

    cycle: int
    events: int
    seed: int
    scale: str

    def chunks(self) -> list[range]:
        """Return the chunks of the request, in order. A chunk is a range of event ids."""
        events = range(self.events)
        return [events[first : first + CHUNK_EVENTS] for first in events[::CHUNK_EVENTS]]


def chunk_file(directory: Path, chunk: range) -> Path:
    """Return the path of a chunk's file in `directory`."""
    return directory / f"{chunk.start:08d}-{chunk.stop:08d}.h5"


def is_finished(directory: Path, chunk: range) -> bool:
    """Return whether the directory contains the chunk, complete and readable."""
    path = chunk_file(directory, chunk)
    try:
        with EventFile(path, kind="simulation") as events:
            return events.event_id.tolist() == list(chunk)
    except ChallengeError:
        return False


def simulate(
    out: Path, request: SimulationRequest, *, jobs: int, dask: str | None = None, progress: Progress
) -> None:
    """Simulate `request` into the file `out`, or continue a simulation that was stopped.

    jobs: number of processes. dask: address of a scheduler to use instead. Raises ChallengeError
    for errors that the user can fix; finished chunks are kept for the next run.
    """
    parts = parts_directory(out)
    if out.exists():
        _check_same(out, request)
        progress(request.events)
    else:
        try:
            with _locked(parts, request):
                chunks = request.chunks()
                missing = [chunk for chunk in chunks if not is_finished(parts, chunk)]
                progress(sum(map(len, chunks)) - sum(map(len, missing)))
                if dask is None:
                    simulate_here(request, missing, parts, jobs, progress)
                else:
                    simulate_on_dask(dask, request, missing, parts, progress)
                with SimulationWriter(out, request.cycle, request.scale, request.seed) as writer:
                    for chunk in chunks:
                        writer.append_file(chunk_file(parts, chunk))
        except OSError as reason:
            raise ChallengeError(f"{parts}: can't be written: {reason}") from reason
        _warn_of_missing_classes(out)
    shutil.rmtree(parts, ignore_errors=True)


def _warn_of_missing_classes(out: Path) -> None:
    with EventFile(out) as events:
        there = np.unique(events.column("label"))
        missing = [events.cycle.label_names[c] for c in events.cycle.labels if c not in there]
        if missing and len(events) >= _ENOUGH_EVENTS:
            print(
                f"{out}: no voxel of {len(events)} events belongs to {', '.join(missing)}; in the "
                "rule in organizer/cycles.py the first true condition decides",
                file=sys.stderr,
            )


def parts_directory(out: Path) -> Path:
    """Return the folder that holds the chunks of `out` until it is complete."""
    return out.with_name(f"{out.name}.parts")


def kept_seed(out: Path) -> int | None:
    """Return the seed of `out`, or of its unfinished simulation; None if there is neither."""
    if out.exists():
        with open_h5(out) as file:
            return _seed_of(file, out)
    try:
        return int(json.loads((parts_directory(out) / _REQUEST).read_text())["seed"], 16)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as reason:
        raise _unusable(parts_directory(out)) from reason


def _check_same(out: Path, request: SimulationRequest) -> None:
    with EventFile(out, kind="simulation") as events:
        found = (events.cycle.number, len(events), events.scale, _seed_of(events.file, out))
    if found != (request.cycle, request.events, request.scale, request.seed):
        raise ChallengeError(
            f"{out}: exists, with {found[1]} events of cycle {found[0]} of another request; remove "
            "it or give another name"
        )


def _seed_of(file: h5py.File, path: Path) -> int:
    try:
        return int(file.attrs["seed"], 16)
    except (KeyError, TypeError, ValueError) as reason:
        raise ChallengeError(f"{path}: exists and is not a file of this simulation") from reason


@contextlib.contextmanager
def _locked(parts: Path, request: SimulationRequest) -> Iterator[None]:
    """Lock the folder `parts`, and write the request there or compare it with the one there."""
    wanted = {
        **asdict(request),
        "seed": f"{request.seed:x}",
        "configuration": production_of(CYCLES[request.cycle]).hash,
    }
    del wanted["events"]  # a later run may ask for more
    parts.mkdir(mode=0o700, parents=True, exist_ok=True)  # its contents are secret
    with alone_in(parts):
        kept = parts / _REQUEST
        if not kept.exists():
            write_text(kept, json.dumps(wanted), private=True)
        elif kept.read_text() != json.dumps(wanted):
            raise _unusable(parts)
        yield


def _unusable(parts: Path) -> ChallengeError:
    return ChallengeError(
        f"{parts}: was made with another cycle, seed or version; remove it or give another name"
    )


def simulate_here(
    request: SimulationRequest,
    missing: Sequence[range],
    directory: Path,
    jobs: int,
    progress: Progress,
) -> None:
    """Simulate chunks into `directory`, in `jobs` child processes."""
    if importlib.util.find_spec("geant4_pybind") is None:
        raise ChallengeError(
            "Geant4 is not installed: pip install '.[simulation]' (Python 3.11 to 3.13)"
        )
    try:
        run_jobs(
            simulate_chunk,
            [(request, chunk, directory) for chunk in missing],
            processes=jobs,
            done=lambda task, _: progress(len(task[1])),
            retries=CRASHES_FORGIVEN,
            logs=directory,
        )
    except ProcessDied as death:
        chunk = death.task[1]
        raise ChallengeError(
            f"the simulation of events {chunk.start} to {chunk.stop - 1} {death.how}"
        ) from death


def simulate_chunk(request: SimulationRequest, chunk: range, directory: Path) -> None:
    """Simulate a chunk and write its file. Its process can simulate only one Geant4 world."""
    argon = _argon(production_of(CYCLES[request.cycle]).world, directory / "geant4_data")
    path = chunk_file(directory, chunk)
    with SimulationWriter(path, request.cycle, request.scale, request.seed) as out:
        for event_id in chunk:
            out.append_simulated(simulate_event(argon, request.cycle, request.seed, event_id))


@functools.cache
def _argon(world: Settings, data_directory: Path) -> LiquidArgon:
    return LiquidArgon(world, data_directory)


# ---- on a Dask cluster


def simulate_on_dask(
    address: str,
    request: SimulationRequest,
    missing: Sequence[range],
    directory: Path,
    progress: Progress,
) -> None:
    """Simulate chunks on the cluster of the scheduler at `address`, into the local `directory`.

    The workers need this package and geant4_pybind, but no shared folder.
    """

    def keep(task: Task, contents: list[bytes]) -> None:
        for chunk, content in zip(task[1], contents):
            with replacing(chunk_file(directory, chunk), private=True) as temporary:
                temporary.write_bytes(content)
            progress(len(chunk))

    with dask_client(address) as client:
        threads: Any = client.nthreads()
        lanes = max(1, sum(threads.values()))
        size = max(1, min(MAX_CHUNKS_PER_TASK, len(missing) // lanes))
        groups = [missing[i : i + size] for i in range(0, len(missing), size)]
        run_on_dask(client, simulate_task, [(request, group) for group in groups], keep)


def simulate_task(request: SimulationRequest, chunks: Sequence[range]) -> list[bytes]:
    """Simulate chunks in a child process of a Dask worker; return the contents of their files."""
    with scratch_folder("simulation") as folder:
        simulate_here(request, chunks, folder, jobs=1, progress=lambda events: None)
        return [chunk_file(folder, chunk).read_bytes() for chunk in chunks]
