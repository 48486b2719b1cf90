"""Many events: chunks of them in child processes over all cores, or over a Dask cluster.

A chunk is a file of CHUNK_EVENTS events beside the output, in OUT.parts/. A run that was stopped
starts again with the chunks that are there; what comes out doesn't depend on who made which chunk.
"""

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py

from lartpc_challenge.events import EventFile
from lartpc_challenge.format import ChallengeError
from organizer.simulation.store import join_simulations

CHUNK_EVENTS = 100
CHUNKS_A_TASK = 4  # of a Dask cluster; each starts a process of its own, which takes a second
MAX_FRUITLESS_STARTS = 3
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Order:
    """What to simulate: `events` events of `cycle` from the secret `root`."""

    cycle: int
    events: int
    root: int
    scale: str


@dataclass(frozen=True)
class Chunk:
    """Events first..last (excluded)."""

    first: int
    last: int

    @property
    def name(self) -> str:
        return f"{self.first:08d}-{self.last:08d}.h5"


def chunks_of(events: int) -> list[Chunk]:
    """The chunks of a run, in order."""
    return [
        Chunk(first, min(first + CHUNK_EVENTS, events)) for first in range(0, events, CHUNK_EVENTS)
    ]


def is_complete(path: Path, cycle: int, chunk: Chunk) -> bool:
    """Whether `path` holds the chunk's events, readable."""
    if not path.is_file():
        return False
    try:
        with EventFile(path, kind="simulation") as events:
            return events.cycle.number == cycle and events.event_id.tolist() == list(
                range(chunk.first, chunk.last)
            )
    except ChallengeError:
        return False


def run_child(order: Order, chunks: Sequence[Chunk], directory: Path) -> subprocess.Popen:
    """Start a process that writes `chunks` to `directory`, one after the other."""
    log = open(directory / f"{chunks[0].name}.log", "w")  # noqa: SIM115 - the child's to close
    child = subprocess.Popen(
        [sys.executable, "-m", "organizer.simulation.child"],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    log.close()
    orders = {
        "cycle": order.cycle,
        "root": f"{order.root:x}",
        "scale": order.scale,
        "data_directory": str(directory / "geant4_data"),
        "chunks": [(str(directory / c.name), c.first, c.last) for c in chunks],
    }
    child.stdin.write(json.dumps(orders) + "\n")
    child.stdin.flush()
    return child


def simulate_here(
    order: Order, missing: Sequence[Chunk], directory: Path, jobs: int, done: Callable[[Chunk], None]
) -> None:
    """Simulate the missing chunks on this machine with `jobs` processes."""
    lanes = [list(missing[lane::jobs]) for lane in range(jobs)]
    children: dict[int, subprocess.Popen] = {}
    fruitless = [0] * jobs
    try:
        while any(lanes):
            for lane, waiting in enumerate(lanes):
                while waiting and is_complete(
                    directory / waiting[0].name, order.cycle, waiting[0]
                ):
                    done(waiting.pop(0))
                    fruitless[lane] = 0
                child = children.get(lane)
                if waiting and (child is None or child.poll() is not None):
                    fruitless[lane] += 1
                    if fruitless[lane] > MAX_FRUITLESS_STARTS:
                        raise ChallengeError(_why(directory, waiting[0]))
                    children[lane] = run_child(order, waiting, directory)
            time.sleep(POLL_SECONDS)
    finally:
        for child in children.values():
            child.kill()
            child.wait()


def _why(directory: Path, chunk: Chunk) -> str:
    logs = sorted(directory.glob("*.log"), key=lambda path: path.stat().st_mtime)
    lines = [line for log in logs for line in log.read_text(errors="replace").splitlines() if line.strip()]
    last = lines[-1] if lines else "it said nothing"
    return (
        f"events {chunk.first} to {chunk.last - 1}: the simulation stopped "
        f"{MAX_FRUITLESS_STARTS} times without finishing them; its last line: {last}"
    )


def simulate_task(order: Order, chunks: Sequence[Chunk]) -> list[bytes]:
    """What a Dask worker does: simulate `chunks` in a process of its own, return the files."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        simulate_here(order, chunks, directory, jobs=1, done=lambda chunk: None)
        return [(directory / chunk.name).read_bytes() for chunk in chunks]


def simulate_on_dask(
    address: str, order: Order, missing: Sequence[Chunk], directory: Path, done: Callable[[Chunk], None]
) -> None:
    """Simulate the missing chunks on the Dask cluster whose scheduler listens at `address`."""
    from distributed import Client, as_completed

    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as reason:
        raise ChallengeError(f"no Dask scheduler answers at {address}: {reason}") from reason
    with client:
        tasks = {
            client.submit(simulate_task, order, group, pure=False): group
            for group in (
                missing[i : i + CHUNKS_A_TASK] for i in range(0, len(missing), CHUNKS_A_TASK)
            )
        }
        for future in as_completed(list(tasks)):
            for chunk, content in zip(tasks[future], future.result(), strict=True):
                _write_bytes(directory / chunk.name, content)
                done(chunk)
            future.release()


def _write_bytes(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def simulate(
    out: Path, order: Order, *, jobs: int = 1, dask: str | None = None, progress: Callable
) -> None:
    """Simulate `order` into `out`, through chunk files in OUT.parts/, which go at the end.

    progress(done, total): called with the number of events that are there.
    """
    directory = parts_directory(out)
    chunks = chunks_of(order.events)
    finished = [c for c in chunks if is_complete(directory / c.name, order.cycle, c)]
    there = sum(c.last - c.first for c in finished)
    progress(there)

    def done(chunk: Chunk) -> None:
        progress(chunk.last - chunk.first)

    missing = [chunk for chunk in chunks if chunk not in finished]
    if missing and dask:
        simulate_on_dask(dask, order, missing, directory, done)
    elif missing:
        simulate_here(order, missing, directory, min(jobs, len(missing)), done)
    join_simulations(
        out,
        [directory / chunk.name for chunk in chunks],
        cycle=order.cycle,
        scale=order.scale,
        attributes={"seed": f"{order.root:x}"},
    )


def parts_directory(out: Path) -> Path:
    """Where the chunks of `out` are kept until it is whole."""
    return out.with_name(out.name + ".parts")
