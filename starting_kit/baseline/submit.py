"""The last steps of every method: predict a file, write the submission, print its content."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lartpc_challenge.command import new_parser, run
from lartpc_challenge.events import EventFile
from lartpc_challenge.files import check_writable
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.metrics import evaluate
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.forms import (
    check_zip_name,
    class_table,
    read_submission,
    write_submission,
)


def submit(out, events, pred: np.ndarray) -> str:
    """Write pred (M,) uint8, the labels of the file `events` in its order, to `out`.

    Returns a description of what was written, with scores if the file has labels. Raises
    ChallengeError if it can't be written, or if reading it gives other labels.
    """
    manifest = Manifest.from_events(events)
    write_submission(out, manifest.event_id, manifest.offset, pred)
    if not np.array_equal(read_submission(out, manifest), pred):
        raise ChallengeError(f"{out}: holds something else than was written; is the disk sound?")
    text = (
        f"{out}: written and checked, {manifest.n_events:,} events, {len(pred):,} voxels, "
        f"{Path(out).stat().st_size / 1e6:.2f} MB\n{class_table(pred, manifest.cycle)}"
    )
    with EventFile(events) as file:
        if file.has_labels and len(pred):
            scores = evaluate(file.column("label"), pred, file.offset)
            values = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
            text += f"\non the labels of {events}: {values}"
    return text


def peer_parser(program: str, manual: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of a method without a network."""
    parser = new_parser(f"python -m baseline.{program}", manual)
    parser.add_argument("--train", required=True, help="labelled events to train on")
    parser.add_argument("--events", required=True, help="events to predict, of the same cycle")
    parser.add_argument("--out", required=True, help="the submission to write, a .zip")
    return parser


def fit_and_submit(
    program: str,
    options: argparse.Namespace,
    *,
    fit: Callable,
    predict: Callable,
    progress: Callable = iter,
) -> int:
    """Fit on options.train, predict options.events, submit to options.out; return the exit status.

    fit: EventFile -> model. predict: (model, Event) -> (n,) uint8. progress: wraps the events while
    they are predicted.
    """

    def command() -> None:
        check_zip_name(options.out)
        check_writable(options.out)
        with (
            EventFile(options.train, labelled=True) as labelled,
            EventFile(options.events) as asked,
        ):
            if labelled.cycle != asked.cycle:
                raise ChallengeError(
                    f"{options.train} is of cycle {labelled.cycle.number}, {options.events} of "
                    f"cycle {asked.cycle.number}: classes and detector differ; give files of one "
                    "cycle"
                )
            model = fit(labelled)
            pred = [predict(model, event) for event in progress(asked)]
        print(submit(options.out, options.events, np.concatenate([[], *pred]).astype(np.uint8)))

    return run(program, command, stopped="stopped, nothing was written")
