"""Run the scorer: from a reference file and a submission to `Scores`.

The reference and the submission are read in child processes with limits, because a damaged file can
hang or crash its reader or fill the memory. Only the child that computes the scores has the truth
in memory, never a process that reads a submission.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.files import note_whole, open_h5
from lartpc_challenge.format import EVENT_KINDS
from lartpc_challenge.guarded import read_in_child
from lartpc_challenge.reference import Manifest, read_labelled_events, read_manifest, read_truth
from lartpc_challenge.scoring import Scores, score
from lartpc_challenge.submission.sandbox import read_guarded


def score_files(
    reference: Path,
    submission: Path,
    *,
    holdout: bool = False,
    look: Callable[[np.ndarray, Cycle], None] = lambda pred, cycle: None,
) -> Scores | None:
    """Score a submission (see `read_submission`) against a reference file.

    Returns None if the reference is a placeholder: the phase is not open yet. holdout: accept also
    a file of labelled events as the reference. look: is called with the predicted labels (M,) of
    all events and the cycle. Raises SubmissionError for a wrong submission, ReferenceDataError for
    a wrong reference, ChallengeError for a wrong event file.
    """
    is_events = holdout and read_in_child(reference, lambda: _holds_events(reference))
    read_whole = read_labelled_events if is_events else read_truth
    read_public = Manifest.from_events if is_events else read_manifest
    manifest = read_in_child(reference, lambda: read_public(reference))
    if manifest is None:
        return None
    note_whole(reference)
    pred = read_guarded(submission, manifest)
    look(pred, manifest.cycle)

    return read_in_child(reference, lambda: score(read_whole(reference), pred))


def _holds_events(path: Path) -> bool:
    with open_h5(path) as file:
        return str(file.attrs.get("kind")) in EVENT_KINDS
