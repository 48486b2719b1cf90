"""Labels in whatever form a submission comes: what they may be, and what to do where they are not.

Advice is found by looking at shapes and counts alone. The commonest mistake: a network's classes
count from 0, labels from 1.
"""

from __future__ import annotations

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.format import GRID_SIZE
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.problems import shown

FROM_ONE = "Labels begin at 1: class i of a network's output is label i + 1, so write argmax + 1."
# Of all voxels: where the highest label doesn't occur, and anyway.
_SOME_EMPTY, _MANY_EMPTY = 0.005, 0.1
_MOST_CLASSES = 32


def find_not_labels(values: np.ndarray, cycle: Cycle) -> np.ndarray:
    """(k,) indices of the values (n,), integers of any type, that are no label of the cycle."""
    # Compared as stored: a cast could hide 257.
    return np.flatnonzero((values < 0) | (values >= cycle.n_labels))


def not_labels(cycle: Cycle) -> tuple[str, str]:
    """What is wrong with values that `find_not_labels` found, and what to do."""
    allowed = ", ".join(str(int(label)) for label in cycle.predictable)
    return (
        f"holds values that are no label of cycle {cycle.number}, expected {allowed}",
        FROM_ONE,
    )


def file_title(manifest: Manifest) -> str:
    """What to call the file that a submission must cover, in messages."""
    if manifest.kind == "test":
        return "the test file"
    return f"the {manifest.kind} file {shown(manifest.path.name)}"


def shape_advice(shape: tuple[int, ...], is_float: bool) -> str:
    """What to do with a `pred` of another shape than a label for each voxel, or of floats."""
    if len(shape) == 2 and 1 in shape:
        return "Write pred.ravel(): one label after another."
    axis = _class_axis(shape)
    if axis is not None:
        return (
            f"These look like values of {shape[axis]} classes for each voxel: write "
            f"pred.argmax(axis={axis}) + 1."
        )
    if is_float:
        return (
            "Write labels as integers: pred.astype('uint8') where they are labels; where they are "
            "probabilities, the number of the most probable class, argmax + 1."
        )
    return "Write one label for each voxel, event after event."


def _class_axis(shape: tuple[int, ...]) -> int | None:
    """The axis along which a network's output has its classes, if it looks like one."""
    if len(shape) == 2 and 1 < min(shape) <= _MOST_CLASSES < max(shape):
        return int(np.argmin(shape))
    if len(shape) == 5:
        return next((axis for axis in (1, 4) if shape[axis] != GRID_SIZE), None)
    return None


def empty_advice(pred: np.ndarray, cycle: Cycle, *, is_dense: bool = False) -> str:
    """What to do about voxels (M,) that are predicted to be empty; no text where they are few.

    is_dense: whether `pred` was looked up in dense arrays, where a wrong order finds empty voxels.
    """
    count = np.bincount(pred, minlength=cycle.n_labels)
    n_empty = count[0]
    lacks_highest = count[1] and not count[cycle.labels[-1]]
    if lacks_highest and n_empty > _SOME_EMPTY * len(pred):
        highest = f"{cycle.labels[-1]} {cycle.class_names[-1]}"
        return f"No voxel has the highest label, {highest}. {FROM_ONE}"
    if n_empty <= _MANY_EMPTY * len(pred):
        return ""
    if is_dense:
        return "So many empty ones: are events and axes in the test file's order?"
    return "So many empty ones: 0 is no class, and always wrong."
