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
from pathlib import Path

from lartpc_challenge.command import at_least, new_parser, run
from organizer.competition import ROOT, add_competition, read_competition
from organizer.data.make import (
    check_all,
    demonstration_plan,
    full_plan,
    is_complete,
    make_cycle,
    outputs,
)
from organizer.jobs import add_jobs
from organizer.scratch import make_private


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
        plan = demonstration_plan(competition, options.out or ROOT, options.events)
        shutil.rmtree(plan.raw, ignore_errors=True)
    else:
        plan = full_plan(competition, options.out or ROOT / "build" / "data", options.events)
    if plan.scale == "full":
        make_private(plan.raw)
        make_private(plan.private)
    for cycle in cycles:
        if plan.scale == "full" and is_complete(plan, cycle):
            print(f"cycle {cycle.number} already exists")
            continue
        make_cycle(plan, cycle, jobs=options.jobs, dask=options.dask)
        for path in outputs(plan, cycle):
            print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    check_all(plan)


if __name__ == "__main__":
    sys.exit(main())
