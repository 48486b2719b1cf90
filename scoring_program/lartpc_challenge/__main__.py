"""Check and score submissions locally: python -m lartpc_challenge check|score|verify."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lartpc_challenge.command import new_parser, run
from lartpc_challenge.cycles import Cycle
from lartpc_challenge.files import note_whole, write_text
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.guarded import read_in_child
from lartpc_challenge.page.report import page
from lartpc_challenge.reference import Manifest
from lartpc_challenge.run import score_files
from lartpc_challenge.submission.forms import class_table
from lartpc_challenge.submission.h5_guard import open_guarded
from lartpc_challenge.submission.labels import empty_advice
from lartpc_challenge.submission.sandbox import read_guarded
from lartpc_challenge.submission.upload import open_upload
from lartpc_challenge.verify import WHOLE, verify

DESCRIPTION = """\
Checks and scores submissions to the LArTPC challenge locally, with the code that the platform runs.

A submission is a zip with one of these files, or the file itself:
  an HDF5 file with event_id, offset and pred, as lartpc_challenge.submission writes it (preferred)
  an HDF5 file with a dense pred (N, 192, 192, 192) of any integer type, in the test file's order
  a CSV file with the columns event, x, y, z and label (or pred)
FORMAT.md in this package describes them.
"""
CHECK = """\
Reads SUBMISSION as the platform will, and prints its contents or its problems: each kind of problem
with its first ten cases. The truth is not needed: labels are counted, not scored.

  python -m lartpc_challenge check submission.zip --events cycle1_test.h5
"""
SCORE = """\
Scores SUBMISSION as the platform does. Prints the contents of scores.txt, then the means of F1 and
IoU over the classes, which the platform shows only on the page of detailed results.

Only the organisers have the truth of the test file. To score locally, keep some events of the train
file as a hold-out, predict them, and give the hold-out file with its labels as the reference.
SUBMISSION must then cover all events and voxels of that file. A whole train file works too.

  python -m lartpc_challenge score submission.zip --reference my_holdout.h5 --html page.html

Organisers give a phase's reference.h5. Errors in that file are then shown in detail, which a
platform never does.
"""
VERIFY = """\
Checks whether each FILE is unchanged since it was written: events, references, submissions, models,
and zips of them. Files of format version 2 and models end with a seal, a digest of all bytes before
it; zips have checksums. The exit status is 0 if all files are whole, else 1.

  python -m lartpc_challenge verify cycle1_train.h5 model.pt dist/codabench.zip
"""


def check(options: argparse.Namespace) -> None:
    manifest = read_in_child(
        options.events, lambda: Manifest.from_events(options.events), error=ChallengeError
    )
    note_whole(options.events)
    pred = read_guarded(options.submission, manifest)
    print(
        f"{options.submission}: {form(options.submission)}, complete: "
        f"{manifest.n_events:,} events and {manifest.n_voxels:,} voxels of {options.events}"
    )
    print(class_table(pred, manifest.cycle))
    if options.submission.suffix in (".h5", ".csv"):
        print("Zip it before you upload it: platforms accept only zip files.")


def form(path: Path) -> str:
    """Return the form of a valid submission: "CSV", "sparse HDF5" or "dense HDF5"."""
    with open_upload(path) as upload:
        if not upload.is_hdf5:
            return "CSV"
        with open_guarded(upload.name, upload.stream) as file:
            (pred,) = file.datasets("pred")
            return "sparse HDF5" if len(pred.shape) == 1 else "dense HDF5"


def score_submission(options: argparse.Namespace) -> None:
    notes: list[str] = []

    def advise(pred: np.ndarray, cycle: Cycle) -> None:
        advice = empty_advice(pred, cycle)
        if advice:
            n_empty = np.count_nonzero(pred == 0)
            notes.append(f"{n_empty:,} voxels are predicted to be empty. {advice}")

    scores = score_files(options.reference, options.submission, holdout=True, look=advise)
    if scores is None:
        raise ChallengeError(f"{options.reference}: a placeholder, this phase is not open yet")
    if options.html:
        write_text(options.html, page(scores))
    print(scores.text, end="")
    if scores.details:
        for name in ("macro_f1", "mean_iou"):
            value = getattr(scores.details, name)
            print(f"{name}: {'too few voxels' if math.isnan(value) else f'{value:.3f}'}")
    for note in notes:
        print(f"score: {note}", file=sys.stderr)
    if options.html:
        print(f"{options.html}: written, the page of detailed results")


def verify_files(options: argparse.Namespace) -> None:
    found = {path: verify(path) for path in options.files}
    for path, state in found.items():
        print(f"{path}: {state}")
    n_others = sum(state != WHOLE for state in found.values())
    if n_others:
        raise ChallengeError(f"{n_others} of {len(found)} files are not proven to be whole")


def parser() -> argparse.ArgumentParser:
    top = new_parser("python -m lartpc_challenge", DESCRIPTION)
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def command(
        name: str, action: Callable[..., None], summary: str, manual: str
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=summary, description=manual, formatter_class=top.formatter_class
        )
        added.set_defaults(command=name, action=action)
        return added

    checking = command("check", check, "check that a submission is complete and readable", CHECK)
    scoring = command("score", score_submission, "score a submission", SCORE)
    for added in (checking, scoring):
        added.add_argument("submission", type=Path, metavar="SUBMISSION", help="zip, .h5 or .csv")
    checking.add_argument(
        "--events",
        type=Path,
        required=True,
        metavar="TEST.h5",
        help="the file that it predicts: the cycle's test file, or your own events",
    )
    scoring.add_argument(
        "--reference",
        type=Path,
        required=True,
        metavar="REF.h5",
        help="labelled events, or a phase's reference.h5",
    )
    scoring.add_argument(
        "--html", type=Path, metavar="PAGE", help="also write the page of detailed results"
    )
    verifying = command("verify", verify_files, "check that files are unchanged", VERIFY)
    verifying.add_argument("files", type=Path, nargs="+", metavar="FILE")
    return top


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    return run(options.command, lambda: options.action(options))


if __name__ == "__main__":
    sys.exit(main())
