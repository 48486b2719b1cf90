"""Boosted trees on features of a voxel's neighbours (features.py): minutes on a CPU, no PyTorch.

    python -m baseline.boosting --train cycle1_train.h5 --events cycle1_test.h5 --out s.zip

A network should score better than this: scikit-learn's histogram gradient boosting, in which every
event has the same weight, as in the score.
"""

from __future__ import annotations

from lartpc_challenge.command import begin

if __name__ == "__main__":
    begin()

import sys
from collections.abc import Collection
from functools import partial

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from tqdm import tqdm

from baseline.features import voxel_features
from baseline.submit import fit_and_submit, peer_parser
from lartpc_challenge.command import at_least
from lartpc_challenge.events import Event
from lartpc_challenge.format import ChallengeError

# Bounds the memory: scikit-learn takes 8 bytes per voxel and feature, 1.5 GB for 3 million.
MAX_VOXELS = 3_000_000


def fit(
    events: Collection[Event],
    *,
    trees: int = 200,
    max_voxels: int = MAX_VOXELS,
    seed: int = 1,
    progress: bool = False,
) -> HistGradientBoostingClassifier:
    """Return boosted trees trained on labelled events, which are read once, one by one.

    trees: number of boosting steps; each adds one tree per class. max_voxels: see training_table.
    Raises ChallengeError if the events can't be used for training.
    """
    features, label, weight = training_table(events, max_voxels, seed, progress)
    model = HistGradientBoostingClassifier(
        max_iter=trees,
        # Early stopping would hold out voxels whose neighbours it trains on. A bool is allowed,
        # but the default, from which the type checker takes the type, is a string.
        early_stopping=False,  # type: ignore[arg-type]
        random_state=seed,
    )
    return model.fit(features, label, sample_weight=weight)


def training_table(
    events: Collection[Event], max_voxels: int, seed: int, progress: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features (n, n_features), label (n,) and weight (n,) of about `max_voxels` voxels.

    Of each event at most max_voxels / len(events) voxels are taken, drawn at random. The weights
    of an event's voxels have the same sum in every event; their mean is 1.
    """
    rng = np.random.default_rng(seed)
    most = max(1, max_voxels // max(1, len(events)))
    tables = []
    for event in tqdm(events, unit="event", desc="features", disable=not progress):
        if event.label is None:
            raise ChallengeError(f"event {event.event_id} has no labels to learn from")
        rows = np.arange(len(event))
        if len(rows) > most:
            rows = np.sort(rng.choice(rows, size=most, replace=False))
        if len(rows):
            features = voxel_features(event.coords, event.energy, rows)
            tables.append((features, event.label[rows], np.full(len(rows), 1 / len(rows))))
    if not tables:
        raise ChallengeError("no event to train on: all of them are empty")
    features, label, weight = (np.concatenate(column) for column in zip(*tables))
    return features, label, weight / weight.mean()


def predict(model: HistGradientBoostingClassifier, event: Event) -> np.ndarray:
    """Return the predicted labels (n,) uint8 of the event's voxels."""
    if not len(event):
        return np.zeros(0, np.uint8)
    return model.predict(voxel_features(event.coords, event.energy)).astype(np.uint8)


def main(arguments: list[str] | None = None) -> int:
    parser = peer_parser("boosting", __doc__)
    parser.add_argument("--trees", type=at_least(1), default=200, help="per class (%(default)s)")
    voxels = "to train on (%(default)s); fewer need less memory"
    parser.add_argument("--max-voxels", type=at_least(1), default=MAX_VOXELS, help=voxels)
    seed = "of the choice of voxels (%(default)s)"
    parser.add_argument("--seed", type=at_least(0), default=1, help=seed)
    options = parser.parse_args(arguments)
    choices = {name: getattr(options, name) for name in ("trees", "max_voxels", "seed")}
    return fit_and_submit(
        "boosting",
        options,
        fit=partial(fit, progress=True, **choices),
        predict=predict,
        progress=partial(tqdm, unit="event", desc="predict"),
    )


if __name__ == "__main__":
    sys.exit(main())
