"""Rank several participants in every phase as Codabench would, with statistical uncertainties.

  python -m organizer.leaderboard FOLDER                FOLDER/PARTICIPANT/cycleN/*.zip
  python -m organizer.leaderboard baseline_submission   one participant: FOLDER/cycleN/*.zip

In a public phase the best submission of each participant is on the board. It moves to the hidden
phase, where it is scored on the hidden events, as on a platform. The modification time of a file
counts as its upload time. A participant's name is the name of the folder (or of a link to it);
characters that are not printable are escaped.

Writes leaderboard.txt (also printed), leaderboard.csv and leaderboard.html. Intervals contain 95 %
of a score's values over resampled events. Neighbours are compared by a paired bootstrap of
acc_at_80: both are scored on the same resampled events, and p is twice the share of resamples with
the opposite order. A small p means that the order is not chance; it is not corrected for the number
of pairs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path

from lartpc_challenge.command import new_parser, run
from lartpc_challenge.cycles import Cycle
from lartpc_challenge.files import check_writable, replacing
from lartpc_challenge.format import ChallengeError, SubmissionError
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.sandbox import read_guarded
from organizer.competition import read_competition
from organizer.leaderboard.boards import Submission, boards, readable
from organizer.leaderboard.page import page
from organizer.leaderboard.tables import as_csv, as_text
from organizer.source import Source, add_source


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python -m organizer.leaderboard", __doc__)
    parser.add_argument("submissions", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--out", type=Path, default=Path("build/leaderboard"), help="folder for the three files"
    )
    add_source(parser)
    options = parser.parse_args(arguments)
    return run("leaderboard", lambda: _run(options), alone=[options.out])


def _run(options: argparse.Namespace) -> None:
    check_writable(options.out / "leaderboard.txt")
    source = Source.of(read_competition(options.competition), options.data)
    made, refused = [], []
    for cycle in source.competition.cycles:
        found = find_submissions(options.submissions, cycle)
        if found:
            manifest = Manifest.from_events(source.test(cycle))
            submissions = read_submissions(found, manifest, refused)
            made += boards(submissions, cycle, source) if submissions else []
    if not made:
        advice = "" if refused else "; give a folder with PARTICIPANT/cycleN/*.zip"
        nothing = f"{options.submissions}: holds no submission that can be scored{advice}"
        raise ChallengeError("\n".join([nothing, *refused]))
    text = as_text(made, refused)
    contents = {
        "leaderboard.txt": text,
        "leaderboard.csv": as_csv(made),
        "leaderboard.html": page(made, refused),
    }
    with contextlib.ExitStack() as stack:  # all three files appear together at the end
        for name, content in contents.items():
            path = stack.enter_context(replacing(options.out / name))
            path.write_text(content, encoding="utf-8")
    print(text)
    print(f"{options.out}/leaderboard.html, .csv, .txt")


def find_submissions(folder: Path, cycle: Cycle) -> dict[str, list[Path]]:
    """Find the submissions of a cycle in the layouts above: participant -> paths of zips.

    A participant has the name of the entry in `folder`, also if it is a link, made safe by
    `readable`. Raises ChallengeError if the folder is missing.
    """
    if not folder.is_dir():
        raise ChallengeError(f"{folder}: no such folder; give one with PARTICIPANT/cycleN/*.zip")
    own = _zips(folder, cycle)
    if own:
        return {readable(Path(os.path.abspath(folder)).name): own}
    found = {readable(home.name): _zips(home, cycle) for home in sorted(folder.iterdir())}
    return {participant: paths for participant, paths in found.items() if paths}


def _zips(home: Path, cycle: Cycle) -> list[Path]:
    folder = home / f"cycle{cycle.number}"
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.name.lower().endswith(".zip"))


def read_submissions(
    found: dict[str, list[Path]], manifest: Manifest, refused: list[str]
) -> list[Submission]:
    """Read the submissions; for each one that can't be scored append a sentence to `refused`."""
    submissions = []
    for participant, paths in found.items():
        for path in paths:
            try:
                pred = read_guarded(path, manifest)
            except SubmissionError as problem:
                refused.append(f"{readable(path)}: {problem}")
            else:
                submissions.append(Submission(participant, path, path.stat().st_mtime, pred))
    return submissions


if __name__ == "__main__":
    sys.exit(main())
