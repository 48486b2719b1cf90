"""Shoot beams: every world in processes of its own (Geant4 allows one world a process)."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lartpc_challenge.format import ChallengeError
from organizer.physics.beams import BEAMS, Beam
from organizer.simulate import process

# Beam's name -> quantity (see observe) -> array (particles, ...)
Samples = dict[str, dict[str, np.ndarray]]
Shots = list[tuple[str, int, int]]  # beam's name, first particle, last (excluded)

POLL_SECONDS = 0.1


def shoot(
    size: str,
    *,
    seed: int,
    jobs: int,
    only: Sequence[Beam] = BEAMS,
    progress: Callable[[], object] = lambda: None,
    changes: dict | None = None,
) -> Samples:
    """Samples of the beams at `size`, "quick" or "full"; the same for any number of `jobs`.

    progress: called whenever a process of the `plan` has ended. changes: fields of Settings that
    replace the beams' own, to see which checks notice.
    Raises ChallengeError where a process ends without its result.
    """
    waiting = plan(size, jobs, only)
    running: dict[subprocess.Popen, tuple[Shots, Path]] = {}
    results: dict[tuple[str, int], dict[str, np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as name:
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    shots, out = waiting.pop(0), Path(name) / f"{len(waiting)}.npz"
                    orders = {
                        "shots": shots, "seed": seed, "changes": changes or {}, "out": str(out),
                        "data_directory": f"{name}/geant4_data",
                    }  # fmt: skip
                    child = process.start(
                        "organizer.physics.child", orders, out.with_suffix(".log")
                    )
                    running[child] = shots, out
                for child in [child for child in running if child.poll() is not None]:
                    shots, out = running.pop(child)
                    child.stdin.close()
                    results |= _collect(shots, out)
                    progress()
                time.sleep(POLL_SECONDS)
        finally:
            for child in running:
                process.end(child)
    return _join(results)


def plan(size: str, jobs: int, only: Sequence[Beam] = BEAMS) -> list[Shots]:
    """What each process shoots: a share, one of `jobs`, of all beams of a world."""
    worlds = {beam.settings: [] for beam in only}
    for beam in only:
        worlds[beam.settings].append((beam.name, getattr(beam, size)))
    tasks = [
        [(name, n * share // jobs, n * (share + 1) // jobs) for name, n in beams]
        for beams in worlds.values()
        for share in range(jobs)
    ]
    # With more processes than particles some shares are empty.
    tasks = [[shot for shot in shots if shot[1] < shot[2]] for shots in tasks]
    return [shots for shots in tasks if shots]


def _collect(shots: Shots, out: Path) -> dict[tuple[str, int], dict[str, np.ndarray]]:
    """Quantities by beam and first particle. The file counts, not how the process ended."""
    first_of = {name: first for name, first, _ in shots}
    parts: dict[tuple[str, int], dict[str, np.ndarray]] = {}
    try:
        with np.load(out) as file:
            for key in file.files:
                name, quantity = key.split("/")
                parts.setdefault((name, first_of[name]), {})[quantity] = file[key]
    except (OSError, ValueError) as reason:
        raise ChallengeError(
            f"the simulation of {', '.join(first_of)} ended without a result; "
            f"its last line: {process.last_words(out.with_suffix('.log'))}"
        ) from reason
    return parts


def _join(results: dict[tuple[str, int], dict[str, np.ndarray]]) -> Samples:
    samples: Samples = {}
    for beam_name in dict.fromkeys(name for name, _ in results):
        parts = [results[key] for key in sorted(results) if key[0] == beam_name]
        samples[beam_name] = {
            quantity: np.concatenate([part[quantity] for part in parts]) for quantity in parts[0]
        }
    return samples
