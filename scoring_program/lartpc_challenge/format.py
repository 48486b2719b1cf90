"""Constants and errors that every other module builds on.

The file formats themselves are described in FORMAT.md, beside this file.
"""

from __future__ import annotations

FORMAT = "lartpc-challenge"
FORMAT_VERSION = 2
SEALED_SINCE = 2  # files of this version and newer end with a seal

GRID_SIZE = 192
GRID_SHAPE = (GRID_SIZE, GRID_SIZE, GRID_SIZE)
VOXEL_SIZE_MM = 3.0

SCALES = ("demonstration", "full")
EVENT_KINDS = ("train", "test", "simulation")
REFERENCE_KINDS = ("reference", "placeholder")

# In the order of the leaderboard: the first one ranks.
METRICS = ("acc_at_80", "acc_at_50", "acc_mean")


class ChallengeError(Exception):
    """Something the user can mend; its text is all that a command line shows."""


class SubmissionError(ChallengeError):
    """The submission can't be scored: for a participant to mend, in words free of truth."""


class ReferenceDataError(ChallengeError):
    """The reference data can't be used: for an organiser to mend, never shown to a participant."""
