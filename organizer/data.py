"""Make the competition's data: simulate each cycle's events and split them.

    python -m organizer.data                       the full data, below build/data
    python -m organizer.data --events 1000         less of them
    python -m organizer.data --demonstration       the tracked demonstration data, the same bytes

Full data, of the sizes of 2018: OUT/cycleN_train.h5 and cycleN_test.h5 are for the participants,
OUT/reference_data/ is for the scorer; OUT/secret/ (the seeds, and the simulator's files, which hold
all truth) is for nobody. It can be stopped: running it again continues. The seeds come from the
operating system, 128 bits for each cycle and split.

Demonstration: 300 train and 400 test events a cycle, from fixed seeds, into starting_kit/data/ and
reference_data/. It begins anew each time.

Of the test events, half are the public phase's and half the hidden one's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.events import EventFile
from lartpc_challenge.format import CYCLES, ChallengeError, Cycle

from .phases import (
    check_distinct,
    prepare,
    public_files,
    reference_files,
    test_file,
    train_file,
)
from .seeds import Seeds, fixed_seeds, kept_seeds
from .simulation.chunks import SimulationRequest, simulate
from .source import ROOT

SPLITS = {"train": train_file, "test": test_file}
FULL_EVENTS = {
    1: {"train": 6_000, "test": 4_000},
    2: {"train": 10_000, "test": 10_000},
    3: {"train": 10_000, "test": 10_000},
}
DEMONSTRATION_EVENTS = {number: {"train": 300, "test": 400} for number in CYCLES}


@dataclass(frozen=True)
class Plan:
    """What to make and where. `raw` gets the simulator's files, `private` the references."""

    scale: str
    events: dict[int, dict[str, int]]
    seeds: Seeds
    public: Path
    private: Path
    raw: Path


def full_plan(out: Path) -> Plan:
    """The sizes of 2018 with secret seeds."""
    raw = out / "secret"
    return Plan(
        "full", FULL_EVENTS, kept_seeds(raw / "seeds.json"), out, out / "reference_data", raw
    )


def demonstration_plan(out: Path) -> Plan:
    """The tracked data, from fixed seeds; the simulator's files stay in build/, untracked."""
    return Plan(
        "demonstration",
        DEMONSTRATION_EVENTS,
        fixed_seeds,
        out / "starting_kit" / "data",
        out / "reference_data",
        out / "build" / "demonstration",
    )


def make_cycle(plan: Plan, cycle: Cycle, *, jobs: int, dask: str | None) -> None:
    """Simulate and split one cycle's events. What is there already is kept."""
    for split, name_in in SPLITS.items():
        n_events = plan.events[cycle.number][split]
        seed = int.from_bytes(plan.seeds(f"cycle{cycle.number} {split}"), "big")
        request = SimulationRequest(cycle.number, n_events, seed, plan.scale)
        out = name_in(plan.raw, cycle)
        with tqdm(total=n_events, desc=out.stem, unit=" events", disable=None) as bar:
            simulate(out, request, jobs=jobs, dask=dask, progress=bar.update)
    secret = plan.seeds(f"cycle{cycle.number} phases")
    prepare(plan.raw, plan.public, plan.private, cycle=cycle, secret=secret)


def _check_length(path: Path, n_events: int) -> None:
    with EventFile(path) as file:
        if len(file) != n_events:
            raise ChallengeError(
                f"{path}: is there with {len(file)} events, {n_events} are asked for; ask for as "
                f"many as before, or remove {path.parent} to begin anew, with new seeds"
            )


def is_complete(plan: Plan, cycle: Cycle) -> bool:
    """Whether the cycle's public files and references are all there.

    Raises ChallengeError where a public one has another size than `plan` asks for.
    """
    for split, name_in in SPLITS.items():
        if name_in(plan.public, cycle).exists():
            _check_length(name_in(plan.public, cycle), plan.events[cycle.number][split])
    return all(path.exists() for path in outputs(plan, cycle))


def outputs(plan: Plan, cycle: Cycle) -> list[Path]:
    """The two public files and the two references of a cycle."""
    return [*public_files(plan.public, cycle), *reference_files(plan.private, cycle)]


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    return run("data", lambda: _run(options), stopped="stopped; run it again to continue")


def _run(options) -> None:
    if options.demonstration:
        plan = demonstration_plan(options.out or ROOT)
        shutil.rmtree(plan.raw, ignore_errors=True)
    else:
        plan = full_plan(options.out or ROOT / "build" / "data")
    plan = _at_most(plan, options.events)
    if plan.scale == "full":
        _make_private(plan.raw)
        _make_private(plan.private)
    cycles = [CYCLES[options.cycle]] if options.cycle else list(CYCLES.values())
    for cycle in cycles:
        if plan.scale == "full" and is_complete(plan, cycle):
            print(f"cycle {cycle.number} is there already")
            continue
        make_cycle(plan, cycle, jobs=options.jobs, dask=options.dask)
        for path in outputs(plan, cycle):
            print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    _check_all(plan)


def _make_private(folder: Path) -> None:
    """Make a folder that its owner alone can look into."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as reason:
        raise ChallengeError(f"{folder}: can't be written: {reason.strerror}") from reason


def _at_most(plan: Plan, limit: int | None) -> Plan:
    """The plan with at most `limit` train and as many test events a cycle."""
    if limit is None:
        return plan
    events = {
        number: {split: min(limit, n) for split, n in sizes.items()}
        for number, sizes in plan.events.items()
    }
    return replace(plan, events=events)


def _check_all(plan: Plan) -> None:
    """Raise ChallengeError if an event stands in two public files, of whatever cycle."""
    files = [path for c in CYCLES.values() for path in public_files(plan.public, c)]
    check_distinct(path for path in files if path.exists())


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = new_parser("python -m organizer.data", __doc__)
    parser.add_argument("--demonstration", action="store_true", help="the tracked data instead")
    parser.add_argument(
        "--out", type=Path, help="where to write (build/data; with --demonstration, the repository)"
    )
    parser.add_argument("--cycle", type=int, choices=list(CYCLES), help="this one only")
    parser.add_argument(
        "--events",
        type=at_least(2),
        metavar="N",
        help="at most N train and N test events a cycle (all)",
    )
    parser.add_argument(
        "--jobs",
        type=at_least(1),
        default=os.cpu_count(),
        metavar="J",
        help="processes (all cores)",
    )
    parser.add_argument("--dask", metavar="tcp://HOST:PORT", help="a Dask scheduler to simulate on")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
