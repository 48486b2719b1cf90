"""Read predictions for our events: labels of a submission, or scores of every class."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from lartpc_challenge.files import check_file, open_h5, reading
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.forms import read_submission


def read_scores(prediction: Path, events: Path) -> np.ndarray:
    """Read scores from 0 to 1 of every class and voxel of an event file: (M, classes) float32.

    prediction: a submission for `events` in any form (its labels get the score 1), or an HDF5 file
    with the data set `score` (M, classes), voxels in the order of `events`. Column i is the class
    of label i + 1; voxels that are predicted to be empty have zeros. Raises ChallengeError if the
    two files do not match.
    """
    check_file(prediction)
    manifest = Manifest.from_events(events)
    n_classes = manifest.cycle.n_labels - 1
    if h5py.is_hdf5(prediction):
        with open_h5(prediction) as file:
            found = file.get("score")
            if isinstance(found, h5py.Dataset):
                expected = (int(manifest.offset[-1]), n_classes)
                if found.shape != expected or found.dtype.kind != "f":
                    raise ChallengeError(
                        f"{prediction}: score is {found.dtype} {found.shape}, expected floats "
                        f"{expected} for {events}"
                    )
                with reading(f"{prediction}: score"):
                    return found[:].astype(np.float32)
    label = read_submission(prediction, manifest)
    scores = np.zeros((len(label), n_classes + 1), np.float32)
    scores[np.arange(len(label)), label] = 1
    return scores[:, 1:]


def labels_of(scores: np.ndarray) -> np.ndarray:
    """Return the label with the highest score: (M,) uint8; 0 if all scores are 0."""
    best = scores.argmax(axis=1).astype(np.uint8) + np.uint8(1)
    return np.where(scores.max(axis=1, initial=0) > 0, best, 0).astype(np.uint8)
