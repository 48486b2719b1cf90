"""The platform's parser and scorer at home: python -m lartpc_challenge check|score|verify."""

from __future__ import annotations

import argparse
import math
import sys
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
Checks and scores submissions to the LArTPC challenge at home, with the code that the platform runs.

A submission is a zip (or the bare file) that holds one of
  an HDF5 file with event_id, offset and pred, as lartpc_challenge.submission writes it (preferred)
  an HDF5 file with a dense pred (N, 192, 192, 192) of any integer type, events in the file's order
  a CSV file with event,x,y,z and label (or pred)
FORMAT.md, beside this package, describes them.
"""
CHECK = """\
Reads SUBMISSION as the platform will and says what it found, or what is wrong: each kind of problem
with its first ten cases. Nothing of the truth is needed or known: labels are counted, not scored.

  python -m lartpc_challenge check submission.zip --events cycle1_test.h5
"""
SCORE = """\
Scores SUBMISSION as the platform does and prints what scores.txt would hold, then the means over
classes of F1 and IoU, which the platform shows on its page alone.

The test file's truth is with the organisers. To score at home, hold events of the train file back,
predict them, and give the file that holds them, with labels, as the reference: SUBMISSION must then
cover that file's events and voxels, as it would cover a test file's. A whole train file serves too.

  python -m lartpc_challenge score submission.zip --reference my_holdout.h5 --html page.html

Organisers give a phase's reference.h5 and see the details of what is wrong with it, which a
platform never shows.
"""
VERIFY = """\
Says of each FILE whether it is as it was written, bit by bit: events, references, submissions,
models, and zips of them. Files of format version 2 and models end with a seal, a digest of all
bytes before it; zips have sums of their own. Exit status 0 where all files are whole, else 1.

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
    is_dense = form(options.submission) == "dense HDF5"
    print(class_table(pred, manifest.cycle, is_dense=is_dense))
    if options.submission.suffix in (".h5", ".csv"):
        print("Zip it before you upload it: platforms take nothing else.")


def form(path: Path) -> str:
    """Which of the three forms a submission that has been read is of."""
    with open_upload(path) as upload:
        if not upload.is_hdf5:
            return "CSV"
        with open_guarded(upload.name, upload.stream) as file:
            (pred,) = file.datasets("pred")
            return "sparse HDF5" if len(pred.shape) == 1 else "dense HDF5"


def score_submission(options: argparse.Namespace) -> None:
    notes: list[str] = []

    def advise(pred: np.ndarray, cycle: Cycle) -> None:
        is_dense = form(options.submission) == "dense HDF5"
        advice = empty_advice(pred, cycle, is_dense=is_dense)
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

    def command(name, action, summary, manual):
        added = commands.add_parser(
            name, help=summary, description=manual, formatter_class=top.formatter_class
        )
        added.set_defaults(command=name, action=action)
        return added

    checking = command("check", check, "is this submission complete and readable?", CHECK)
    scoring = command("score", score_submission, "what does it score?", SCORE)
    for added in (checking, scoring):
        added.add_argument("submission", type=Path, metavar="SUBMISSION", help="zip, .h5 or .csv")
    checking.add_argument(
        "--events",
        type=Path,
        required=True,
        metavar="TEST.h5",
        help="the file that it predicts: the cycle's test file, or events of your own",
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
    verifying = command("verify", verify_files, "are these files as they were written?", VERIFY)
    verifying.add_argument("files", type=Path, nargs="+", metavar="FILE")
    return top


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    return run(options.command, lambda: options.action(options))


if __name__ == "__main__":
    sys.exit(main())
