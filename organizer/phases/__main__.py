"""Split a cycle's events into public files and hidden references.

    python -m organizer.phases RAW PUBLIC PRIVATE --cycle 1

RAW      contains cycle1_train.h5 and cycle1_test.h5, both with labels (simulated or converted)
PUBLIC   gets cycle1_train.h5 with labels and cycle1_test.h5 without labels, for participants
PRIVATE  gets phase1/reference.h5 and phase2/reference.h5, only for the scorer; phases are numbered
         as in the competition.yaml of --competition

The test events are shuffled. Half of them, chosen at random, belong to the public phase, the others
to the hidden one. A secret of 128 bits from the operating system, independent of the simulation's
seeds, defines the event ids, the order and the phases. It can't be found from the public files. It
is kept in PRIVATE until all files exist: after a kill the same command finishes the same split.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lartpc_challenge.command import new_parser, run
from lartpc_challenge.format import ChallengeError
from organizer.competition import add_competition, read_competition
from organizer.data.seeds import kept_seeds
from organizer.phases.split import prepare
from organizer.scratch import make_private
from organizer.source import public_files, reference_file


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python -m organizer.phases", __doc__)
    for name in ("raw", "public", "private"):
        parser.add_argument(name, metavar=name.upper(), type=Path)
    parser.add_argument("--cycle", metavar="N|NAME", required=True, help="number or name")
    add_competition(parser)
    options = parser.parse_args(arguments)
    # Two runs at the same time could mix the public files of one with the references of the other.
    folders = [options.public, options.private]
    return run("phases", lambda: _run(options), alone=folders)


def _run(options: argparse.Namespace) -> None:
    competition = read_competition(options.competition)
    (cycle,) = competition.find_cycles(options.cycle)
    phases = competition.phases_of(cycle)
    public = public_files(options.public, cycle)
    private = [reference_file(options.private, phase.number) for phase in phases]
    files, kept = [*public, *private], options.private / "unfinished.json"
    for path in [] if kept.exists() else filter(Path.exists, files):
        raise ChallengeError(
            f"{path}: already exists. A new split has other event ids and other phases, so that "
            "submissions to the old split could not be scored. Use other folders"
        )
    make_private(options.private)
    try:
        secret = kept_seeds(kept)("split")
        prepare(options.raw, options.public, options.private, phases=phases, secret=secret)
    finally:
        if len({path.exists() for path in files}) == 1:  # all or none are there
            kept.unlink(missing_ok=True)
    for path in public:
        print(f"{path}: public")
    for path in private:
        print(f"{path}: secret")


if __name__ == "__main__":
    sys.exit(main())
