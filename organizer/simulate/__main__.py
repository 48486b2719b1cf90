"""Simulate events with Geant4 on all cores:

    python -m organizer.simulate --cycle 1 --events 1000 --out build/cycle1.h5

It can be stopped or killed at any time: run the same command again to continue. The same seed gives
the same file, for any number of processes. Without --seed a secret seed of 128 bits comes from the
operating system and is kept in the file. Keep the file secret: its labels are the hidden truth of a
competition. With --seed the file is marked as demonstration data.

With --dask a Dask cluster does the work. Its workers need this package with the extra `simulation`.
The seed is sent to them: use a scheduler at tls:// if others can read the network.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path

from lartpc_challenge.command import at_least, cycle_option, new_parser, run
from organizer.jobs import add_jobs
from organizer.progress import progress
from organizer.simulate.chunks import MOST_EVENTS, SimulationRequest, kept_seed, simulate


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python -m organizer.simulate", __doc__)
    parser.add_argument(
        "--cycle", type=cycle_option, metavar="N|NAME", required=True, help="its number or name"
    )
    parser.add_argument(
        "--events", type=at_least(1, MOST_EVENTS), required=True, help="number of events"
    )
    parser.add_argument("--out", type=Path, required=True, help="the HDF5 file to write")
    parser.add_argument("--seed", type=at_least(0), help="any whole number, for demonstration data")
    add_jobs(parser)
    parser.add_argument("--dask", metavar="tcp://HOST:PORT", help="address of a Dask scheduler")
    options = parser.parse_args(arguments)
    again = "stopped; run the same command to continue"
    return run("simulate", lambda: _run(options), stopped=again)


def _run(options: argparse.Namespace) -> None:
    seed, scale = options.seed, "demonstration"
    if seed is None:
        kept = kept_seed(options.out)
        seed, scale = secrets.randbits(128) if kept is None else kept, "full"
    cycle = options.cycle
    request = SimulationRequest(cycle.number, options.events, seed, scale)
    with progress(options.events, options.out.name, "events") as advance:
        simulate(options.out, request, jobs=options.jobs, dask=options.dask, progress=advance)
    print(f"{options.out}: {options.events} events of cycle {cycle.number} {cycle.name}")


if __name__ == "__main__":
    sys.exit(main())
