"""Check labels of any submission form, and give advice for common mistakes.

The advice depends on shapes and counts alone, never on the truth. The most common mistake: the
classes of a network's output count from 0, labels from 1.
"""

from __future__ import annotations

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.format import GRID_SHAPE, GRID_SIZE
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.problems import Cases, Problems, shown

FROM_ONE = (
    "Labels begin at 1: if class 0 of your network is label 1, write argmax + 1; if it means "
    "empty, argmax."
)
NO_MARKS = "Particle codes and marks such as -1 or 255 are no labels."
# Shares of empty voxels that lead to advice: if the highest label is missing, and in any case.
_SOME_EMPTY, _MANY_EMPTY = 0.005, 0.1
_MOST_CLASSES = 10  # a longer axis holds events or voxels
_N_CELLS, _GRID = GRID_SIZE**3, ", ".join(map(str, GRID_SHAPE))


def find_not_labels(values: np.ndarray, cycle: Cycle) -> np.ndarray:
    """Return the indices (k,) of the values that are not labels of the cycle.

    values: (n,), any integer type.
    """
    # Compare before any cast: 257 as uint8 would be 1.
    return np.flatnonzero((values < 0) | (values >= cycle.n_labels))


def add_not_labels(problems: Problems, bad: Cases, cycle: Cycle) -> None:
    """Add the problem of the values `bad` that `find_not_labels` found, if there are any."""
    allowed = ", ".join(map(str, cycle.predictable))
    what = f"holds values that are not labels of cycle {cycle.number}, expected {allowed}"
    problems.add_cases(what, bad, f"{FROM_ONE} {NO_MARKS}")


def file_title(manifest: Manifest) -> str:
    """Return the name in messages of the file that a submission must cover."""
    if manifest.kind == "test":
        return "the test file"
    return f"the {manifest.kind} file {shown(manifest.path.name)}"


def pred_advice(shape: tuple[int, ...], kind: str) -> str:
    """Return the advice for a `pred` with a wrong shape or type.

    kind: of its type, as in numpy.dtype.kind; "O" for an array per event.
    """
    axis = _class_axis(shape)
    if kind == "O":
        return "Join the events: np.concatenate(list(pred))."
    if kind == "V":
        return "Write the field of the labels alone: pred['label']."
    if kind == "b" and axis is None:
        return "Labels are numbers from 1: of two classes write pred.astype('uint8') + 1."
    if kind not in ("b", "i", "u", "f"):
        return "Write labels as integers, one per voxel."
    if shape and shape[-1] and shape[-1] % _N_CELLS == 0:
        return f"These are volumes of one axis: write pred.reshape(-1, {_GRID})."
    if shape[1:] == GRID_SHAPE and kind != "f":
        return (
            "These are volumes: take the labels at each event's voxels, np.concatenate([volume["
            "tuple(event.coords.T)] for volume, event in zip(pred, events)])."
        )
    advice = []
    if axis is not None and shape[axis] == 1:
        return f"Write pred.squeeze({axis}), without the axis of length 1."
    if axis is not None:
        column = ", or the column of the labels alone" if kind in "iu" and len(shape) == 2 else ""
        advice.append(
            f"This looks like {shape[axis]} class scores per voxel: write pred.argmax(axis={axis}) "
            f"+ 1 (without + 1 if class 0 means empty){column}."
        )
        shape = shape[:axis] + shape[axis + 1 :]
    elif kind == "f":
        advice.append(
            "Write labels as integers: pred.astype('uint8') if the values are labels; if they are "
            "probabilities, the label of the most probable class, argmax + 1."
        )
    if len(shape) == 2 and 1 in shape:
        advice.append("Write pred.ravel(), a one-dimensional array.")
    elif len(shape) == 2:
        advice.append(
            "This looks like a row per event, filled up to one length: write the labels of each "
            "event's own voxels, one event after another, np.concatenate([row[:n] for row, n in "
            "zip(pred, np.diff(offset))])."
        )
    return " ".join(advice) or "Write one label per voxel, event after event."


def _class_axis(shape: tuple[int, ...]) -> int | None:
    """Return the axis with the class scores if the shape looks like a network's output."""
    if len(shape) == 2 and 1 < min(shape) <= _MOST_CLASSES < max(shape):
        return int(np.argmin(shape))
    if len(shape) == 3 and 1 < shape[2] <= _MOST_CLASSES:
        return 2
    if len(shape) == 5:
        return next((axis for axis in (1, 4) if shape[axis] != GRID_SIZE), None)
    return None


def empty_advice(pred: np.ndarray, cycle: Cycle) -> str:
    """Return the advice for a prediction with many empty voxels; no text if they are few.

    pred: (M,) labels. In dense arrays a wrong order of events or axes gives empty voxels.
    """
    count = np.bincount(pred, minlength=cycle.n_labels)
    n_empty = count[0]
    lacks_highest = count[1] and not count[cycle.labels[-1]]
    if lacks_highest and n_empty > _SOME_EMPTY * len(pred):
        highest = f"{cycle.labels[-1]} {cycle.class_names[-1]}"
        return f"No voxel has the highest label, {highest}. {FROM_ONE}"
    if n_empty <= _MANY_EMPTY * len(pred):
        return ""
    return (
        "Many voxels are empty: 0 is not a class and is always wrong. In dense arrays, are events "
        "and axes in the test file's order?"
    )
