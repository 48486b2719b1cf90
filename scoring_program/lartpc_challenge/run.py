"""A whole run of the scorer: from a phase's reference and a submission to `Scores`.

The reference is read in child processes with limits, as a submission is: a damaged one can hang,
crash or fill the memory of whoever reads it. The truth stays in the child that scores: no process
that parses a submission ever holds it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.files import note_whole, open_h5
from lartpc_challenge.format import EVENT_KINDS
from lartpc_challenge.guarded import read_in_child
from lartpc_challenge.reference import (
    Manifest,
    read_labelled_events,
    read_manifest,
    read_reference,
)
from lartpc_challenge.scoring import Scores, score
from lartpc_challenge.submission.sandbox import read_guarded


def score_files(
    reference: Path,
    submission: Path,
    *,
    holdout: bool = False,
    look: Callable[[np.ndarray, Cycle], None] = lambda pred, cycle: None,
) -> Scores | None:
    """Score what `submission` holds (see `read_submission`) in the phase of a reference file.

    None where that is a placeholder: the phase is not open yet. `holdout`: a file of labelled
    events serves as the reference, too. `look` is called with the predicted labels (M,) of all
    events. Raises SubmissionError for a participant to mend, ReferenceDataError for the organiser,
    ChallengeError for a file of events.
    """
    is_events = holdout and read_in_child(reference, lambda: _holds_events(reference))
    read_whole = read_labelled_events if is_events else read_reference
    manifest = read_in_child(
        reference, lambda: (Manifest.from_events if is_events else read_manifest)(reference)
    )
    if manifest is None:
        return None
    note_whole(reference)
    pred = read_guarded(submission, manifest)
    look(pred, manifest.cycle)

    def scores() -> Scores:
        truth = read_whole(reference)
        assert truth is not None  # its manifest says so
        return score(truth, pred)

    return read_in_child(reference, scores)


def _holds_events(path: Path) -> bool:
    with open_h5(path) as file:
        return str(file.attrs.get("kind")) in EVENT_KINDS
