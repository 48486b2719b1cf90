"""Build dist/codabench.zip and dist/codalab-v1.5.zip, and check both platforms' rules.

  python -m organizer.bundle --start 2027-01-04 --data build/data    a production competition
  python -m organizer.bundle --demo                                  one on the demonstration data

All dates of competition.yaml are moved by whole days, so that the first phase opens on the start
day. organizer/README.md explains what to do with the zips.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import date, datetime, timezone
from pathlib import Path

from lartpc_challenge.command import new_parser, run
from organizer.bundle.build import BundleRequest, build
from organizer.bundle.dates import LEAD_DAYS, default_start
from organizer.bundle.kit import commit_date
from organizer.competition import ROOT, read_competition
from organizer.source import add_source

_LAST_YEAR = 9990  # the last year in which a competition can begin


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python -m organizer.bundle", __doc__)
    parser.add_argument(
        "--start",
        type=_day,
        help=f"the day on which the first phase opens, YYYY-MM-DD (default: the first Monday at "
        f"least {LEAD_DAYS} days ahead)",
    )
    parser.add_argument(
        "--hidden",
        choices=("include", "placeholder"),
        default="include",
        help="placeholder: build without the hidden truth, which you upload later",
    )
    parser.add_argument(
        "--demo",
        action="store_true",
        help="build from demonstration data, whose hidden labels are public",
    )
    parser.add_argument(
        "--weights",
        action="store_true",
        help="put the shipped baseline's weights into the starting kit",
    )
    add_source(parser)
    parser.add_argument("--out", type=Path, default=Path("dist"), help="folder for the zips")
    options = parser.parse_args(arguments)
    return run("bundle", lambda: _run(options), alone=[options.out])


def _run(options: argparse.Namespace) -> None:
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    request = BundleRequest(
        competition=read_competition(options.competition),
        start=options.start or default_start(now.date()),
        data=options.data,
        demonstration=options.demo,
        placeholder=options.hidden == "placeholder",
        weights=options.weights,
        date=commit_date(ROOT),
        now=now,
        root=Path(os.path.relpath(ROOT)),
    )
    built = build(request, options.out)
    for path in (built.codabench, built.codalab):
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
    for note in built.notes:
        print(note)


def _day(text: str) -> date:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError as reason:
        raise argparse.ArgumentTypeError(f"{text} is not a day as YYYY-MM-DD") from reason
    if day.year > _LAST_YEAR:
        raise argparse.ArgumentTypeError(f"{text}: the last phase would end after the year 9999")
    return day


if __name__ == "__main__":
    sys.exit(main())
