"""Simulate events with Geant4:  python -m organizer.simulate --cycle 1 --events 1000 --out file.h5

Runs on all cores and can be stopped: running it again continues. Without --seed it takes 128 bits from
the operating system; keep the file secret, its labels are the competition's hidden truth.
"""

import argparse
import json
import os
import secrets
import shutil
import sys
from pathlib import Path

from tqdm import tqdm

from lartpc_challenge.format import CYCLES, ChallengeError
from organizer.simulation.chunks import Order, parts_directory, simulate


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    try:
        _run(options)
    except ChallengeError as problem:
        print(f"simulate: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("simulate: stopped; run it again to continue", file=sys.stderr)
        return 130
    return 0


def _run(options) -> None:
    out = options.out
    order = _order(options, parts_directory(out))
    with tqdm(total=order.events, unit="event", smoothing=0.05) as bar:
        simulate(out, order, jobs=options.jobs, dask=options.dask, progress=bar.update)
    shutil.rmtree(parts_directory(out))
    print(f"{out}: {order.events} events of cycle {order.cycle}")


def _order(options, directory: Path) -> Order:
    """The order that `directory` was begun with, or a new one, kept there for the next start."""
    directory.mkdir(parents=True, exist_ok=True)
    kept = directory / "order.json"
    if kept.exists():
        begun = json.loads(kept.read_text())
        root = int(begun["root"], 16)
        if begun["cycle"] != options.cycle or options.seed not in (None, root):
            raise ChallengeError(
                f"{directory} was begun with another cycle or seed; remove it or choose another --out"
            )
        scale = begun["scale"]
    else:
        root = secrets.randbits(128) if options.seed is None else options.seed
        scale = "full" if options.seed is None else "demonstration"
        with open(os.open(kept, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            json.dump({"cycle": options.cycle, "root": f"{root:x}", "scale": scale}, file)
    return Order(options.cycle, options.events, root, scale)


def _parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m organizer.simulate", description=__doc__)
    parser.add_argument("--cycle", type=int, choices=list(CYCLES), required=True)
    parser.add_argument("--events", type=int, required=True, help="how many")
    parser.add_argument("--out", type=Path, required=True, help="HDF5 file to write")
    parser.add_argument("--seed", type=int, help="a fixed seed: for demonstration data only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (all cores)")
    parser.add_argument("--dask", help="address of a Dask scheduler, tcp://host:port")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
