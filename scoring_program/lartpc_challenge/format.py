"""Constants and exceptions of all modules. FORMAT.md describes the file formats."""

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

# In the order of the leaderboard, which is ranked by the first one.
METRICS = ("acc_at_80", "acc_at_50", "acc_mean")


class ChallengeError(Exception):
    """An error that the user can fix. The command lines print only its text."""


class SubmissionError(ChallengeError):
    """An error in the submission, for the participant to fix. Its text must not reveal truth."""


class ReferenceDataError(ChallengeError):
    """An error in the reference data, for the organiser to fix. Never shown to participants."""
