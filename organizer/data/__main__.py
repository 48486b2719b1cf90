"""Make the competition's data: simulate each cycle's events and split them.

    python -m organizer.data                       the full data, below build/data
    python -m organizer.data --events 1000         fewer events
    python -m organizer.data --demonstration       the tracked demonstration data, the same bytes

Full data: OUT/cycleN_train.h5 and cycleN_test.h5 are for the participants, OUT/reference_data/ is
for the scorer. OUT/secret/ contains the seeds and the simulator's files with the whole truth: give
it to nobody. The program can be stopped; run it again to continue. The seeds come from the
operating system, 128 bits per cycle and split. --competition gives the cycles, organizer/cycles.py
the numbers of events.

Demonstration: a few hundred events per cycle, from fixed seeds, into starting_kit/data/ and
reference_data/. It starts from the beginning each time.

Half of the test events belong to the public phase, half to the hidden one.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import EventFile
from lartpc_challenge.format import ChallengeError
from organizer.competition import ROOT, add_competition, read_competition
from organizer.cycles import production_of
from organizer.data.seeds import Seeds, fixed_seeds, kept_seeds
from organizer.jobs import add_jobs
from organizer.phases.split import check_distinct, prepare
from organizer.progress import progress
from organizer.scratch import make_private
from organizer.simulate.chunks import SimulationRequest, simulate
from organizer.source import Source, public_files


@dataclass(frozen=True)
class Plan:
    """The data to make.

    source: the files to write. scale: one of SCALES. most: largest number of train and of test
    events per cycle; None for no limit.
    """

    source: Source
    scale: str
    seeds: Seeds
    most: int | None

    def splits(self, cycle: Cycle) -> list[tuple[str, Path, int]]:
        """Return the name, the public file and the number of events of both splits of a cycle."""
        production = production_of(cycle)
        sizes = production.full if self.scale == "full" else production.demonstration
        n_events = [size if self.most is None else min(self.most, size) for size in sizes]
        return list(zip(("train", "test"), public_files(self.source.events, cycle), n_events))

    def outputs(self, cycle: Cycle) -> list[Path]:
        """Return the paths of the two public files and the two references of a cycle."""
        return [*public_files(self.source.events, cycle), *self.source.references_of(cycle)]


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python -m organizer.data", __doc__)
    parser.add_argument(
        "--demonstration", action="store_true", help="make the tracked demonstration data"
    )
    parser.add_argument(
        "--out", type=Path, help="folder (build/data; with --demonstration the repository)"
    )
    parser.add_argument("--cycle", metavar="N|NAME", help="only this cycle (default: all)")
    add_competition(parser)
    parser.add_argument(
        "--events",
        type=at_least(2),
        metavar="N",
        help="at most N train and N test events per cycle (default: all)",
    )
    add_jobs(parser)
    parser.add_argument(
        "--dask", metavar="tcp://HOST:PORT", help="address of a Dask scheduler for the simulation"
    )
    options = parser.parse_args(arguments)
    folder = options.out or ROOT / "build"
    again = "stopped; run it again to continue"
    return run("data", lambda: _run(options), stopped=again, alone=[folder])


def _run(options: argparse.Namespace) -> None:
    competition = read_competition(options.competition)
    cycles = competition.find_cycles(options.cycle)
    if options.demonstration:
        source = Source.of(competition, root=options.out or ROOT)
        plan = Plan(source, "demonstration", fixed_seeds, options.events)
        shutil.rmtree(source.simulated, ignore_errors=True)
    else:
        source = Source.of(competition, options.out or ROOT / "build" / "data")
        seeds = kept_seeds(source.simulated / "seeds.json")
        plan = Plan(source, "full", seeds, options.events)
        make_private(source.simulated)
        make_private(source.references)
    for cycle in cycles:
        if plan.scale == "full" and is_complete(plan, cycle):
            print(f"cycle {cycle.number} already exists")
            continue
        make_cycle(plan, cycle, jobs=options.jobs, dask=options.dask)
        for path in plan.outputs(cycle):
            print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    files = [path for cycle in competition.cycles for path in public_files(source.events, cycle)]
    check_distinct(path for path in files if path.exists())


def is_complete(plan: Plan, cycle: Cycle) -> bool:
    """Return whether all public files and references of the cycle exist.

    Raises ChallengeError if a public file has another number of events than the plan.
    """
    for _, path, n_events in plan.splits(cycle):
        if path.exists():
            with EventFile(path) as file:
                found = len(file)
            if found != n_events:
                raise ChallengeError(
                    f"{path}: exists with {found} events, expected {n_events}; ask for as many "
                    f"as before, or remove {path.parent} to start again with new seeds"
                )
    return all(path.exists() for path in plan.outputs(cycle))


def make_cycle(plan: Plan, cycle: Cycle, *, jobs: int, dask: str | None) -> None:
    """Simulate and split one cycle's events. Existing simulator's files are kept.

    jobs: number of processes. dask: address of a scheduler to use instead.
    """
    source = plan.source
    for split, path, n_events in plan.splits(cycle):
        seed = int.from_bytes(plan.seeds(f"cycle{cycle.number} {split}"), "big")
        request = SimulationRequest(cycle.number, n_events, seed, plan.scale)
        with progress(n_events, path.stem, "events") as advance:
            simulate(source.simulated / path.name, request, jobs=jobs, dask=dask, progress=advance)
    prepare(
        source.simulated,
        source.events,
        source.references,
        phases=source.competition.phases_of(cycle),
        secret=plan.seeds(f"cycle{cycle.number} phases"),
    )


if __name__ == "__main__":
    sys.exit(main())
