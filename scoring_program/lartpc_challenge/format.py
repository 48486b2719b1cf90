"""Constants, labels, phases and errors that every other module builds on.

The file formats themselves are described in FORMAT.md, beside this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

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


class SemanticLabel(IntEnum):
    """What left most of the energy in a voxel."""

    EMPTY = 0
    ELECTROMAGNETIC = 1
    OTHER = 2
    PROTON = 3


CLASS_NAMES = {
    SemanticLabel.EMPTY: "empty",
    SemanticLabel.ELECTROMAGNETIC: "electron/positron",
    SemanticLabel.OTHER: "other",
    SemanticLabel.PROTON: "proton",
}


@dataclass(frozen=True)
class Cycle:
    """One task with its data: a public and a hidden phase score it.

    `labels` are those that a voxel with charge can have, in ascending order. `has_dead_planes`:
    some planes of the detector are not read out, other ones in each event.
    """

    number: int
    labels: tuple[SemanticLabel, ...]
    has_dead_planes: bool = False

    @property
    def public_phase(self) -> int:
        """The phase whose results are shown at once."""
        return 2 * self.number - 1

    @property
    def hidden_phase(self) -> int:
        """The phase that decides, on the other half of the test events."""
        return 2 * self.number

    @property
    def predictable(self) -> tuple[SemanticLabel, ...]:
        """What a prediction may hold: `labels`, and `EMPTY` before them."""
        return (SemanticLabel.EMPTY, *self.labels)

    @property
    def n_labels(self) -> int:
        """How many `predictable` ones there are; they are 0 to n_labels - 1."""
        return len(self.predictable)

    @property
    def phases(self) -> tuple[int, int]:
        """The public one, and the hidden one."""
        return self.public_phase, self.hidden_phase

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of `labels`, without `empty`."""
        return tuple(CLASS_NAMES[label] for label in self.labels)


_EM, _OTHER, _PROTON = SemanticLabel.ELECTROMAGNETIC, SemanticLabel.OTHER, SemanticLabel.PROTON
CYCLES = {
    1: Cycle(1, (_EM, _OTHER)),
    2: Cycle(2, (_EM, _OTHER, _PROTON)),
    3: Cycle(3, (_EM, _OTHER, _PROTON), has_dead_planes=True),
}
PHASES = tuple(range(1, 2 * len(CYCLES) + 1))


def cycle_of_phase(phase: int) -> Cycle:
    """The cycle that platform phase 1..6 scores."""
    return CYCLES[(phase + 1) // 2]


def phase_name(phase: int) -> str:
    """What competition.yaml calls phase 1..6."""
    return f"{'Private' if is_hidden(phase) else 'Public'} {cycle_of_phase(phase).number}"


def is_hidden(phase: int) -> bool:
    """Whether phase 1..6 scores the hidden events of its cycle."""
    return phase % 2 == 0
