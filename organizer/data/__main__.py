"""Make the competition's data: simulate each cycle's events and split them.

    python -m organizer.data                       the full data, below build/data
    python -m organizer.data --events 1000         less of them
    python -m organizer.data --demonstration       the tracked demonstration data, the same bytes

Full data: OUT/cycleN_train.h5 and cycleN_test.h5 are for the participants,
OUT/reference_data/ is for the scorer; OUT/secret/ (the seeds, and the simulator's files, which hold
all truth) is for nobody. It can be stopped: running it again continues. The seeds come from the
operating system, 128 bits for each cycle and split. --competition says which cycles there are,
organizer/cycles.py how many events each has.

Demonstration: a few hundred events per cycle, from fixed seeds, into starting_kit/data/ and
reference_data/. It begins anew each time.

Of the test events, half are the public phase's and half the hidden one's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from lartpc_challenge.command import alone_in, at_least, new_parser, run
from organizer.competition import ROOT, add_competition, read_competition
from organizer.data.make import (
    check_all,
    demonstration_plan,
    full_plan,
    is_complete,
    make_cycle,
    outputs,
)
from organizer.jobs import MOST_PROCESSES
from organizer.scratch import make_private


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    return run("data", lambda: _alone(options), stopped="stopped; run it again to continue")


def _alone(options) -> None:
    with alone_in(options.out or ROOT / "build"):
        _run(options)


def _run(options) -> None:
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
            print(f"cycle {cycle.number} is there already")
            continue
        make_cycle(plan, cycle, jobs=options.jobs, dask=options.dask)
        for path in outputs(plan, cycle):
            print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    check_all(plan)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = new_parser("python -m organizer.data", __doc__)
    parser.add_argument("--demonstration", action="store_true", help="the tracked data instead")
    parser.add_argument(
        "--out", type=Path, help="where to write (build/data; with --demonstration, the repository)"
    )
    parser.add_argument("--cycle", metavar="N|NAME", help="this one only")
    add_competition(parser)
    parser.add_argument(
        "--events",
        type=at_least(2),
        metavar="N",
        help="at most N train and N test events per cycle (all)",
    )
    parser.add_argument(
        "--jobs",
        type=at_least(1, MOST_PROCESSES),
        default=os.cpu_count(),
        metavar="J",
        help="processes (all cores)",
    )
    parser.add_argument("--dask", metavar="tcp://HOST:PORT", help="a Dask scheduler to simulate on")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
