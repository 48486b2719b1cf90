"""Score submissions as both platforms would: build the bundles and run their scoring programs.

  python -m organizer.score                          the shipped baseline, in all phases
  python -m organizer.score --submissions build/run --phase 1 --phase 2

The scoring program, its command and the references are taken from the built zips. Each submission
is scored in the folder layouts of a Codabench worker and of a CodaLab v1.5 worker. The exit status
is 0 if all runs finished and both platforms gave equal scores.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

from lartpc_challenge.command import new_parser, run
from lartpc_challenge.format import ChallengeError
from organizer.bundle.build import BundleRequest
from organizer.bundle.dates import default_start
from organizer.competition import ROOT, read_competition
from organizer.score.board import complaints, header, row, score_phase, unpack_competition
from organizer.score.worker import PLATFORMS
from organizer.scratch import scratch_folder
from organizer.source import add_source


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python -m organizer.score", __doc__)
    parser.add_argument(
        "--submissions",
        type=Path,
        metavar="DIR",
        help="score DIR/cycleN/submission.zip (default: the baseline's)",
    )
    parser.add_argument(
        "--phase", type=int, action="append", metavar="N", help="only this phase; repeatable"
    )
    add_source(parser)
    options = parser.parse_args(arguments)
    return run("score", lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    competition = read_competition(options.competition)
    request = BundleRequest(
        competition=competition,
        start=default_start(date.today()),
        data=options.data,
        demonstration=options.data is None,
        root=Path(os.path.relpath(ROOT)),
    )
    source = request.source
    if options.submissions:
        source = replace(source, baseline=options.submissions)
    results = []
    with scratch_folder("score") as folder:
        built = unpack_competition(request, folder)
        print(header())
        for phase in map(competition.phase, options.phase) if options.phase else competition.phases:
            submission = source.submission(phase.cycle)
            results.append(score_phase(built, phase, submission, source.reference(phase)))
            print(row(results[-1]), flush=True)
    problems = [complaint for result in results for complaint in complaints(result)]
    if problems:
        raise ChallengeError("runs failed or their scores differ\n" + "\n".join(problems))
    print(f"Scores agree: {' and '.join(platform.name for platform in PLATFORMS)}.")


if __name__ == "__main__":
    sys.exit(main())
