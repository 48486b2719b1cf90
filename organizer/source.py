"""Where a competition's files lie: the repository's own, or what `make data` wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lartpc_challenge.cycles import Cycle
from organizer.competition import ROOT, Competition, Phase


def train_file(folder: Path, cycle: Cycle) -> Path:
    """Where a folder holds a cycle's train events."""
    return Path(folder) / f"cycle{cycle.number}_train.h5"


def test_file(folder: Path, cycle: Cycle) -> Path:
    """Where a folder holds a cycle's test events."""
    return Path(folder) / f"cycle{cycle.number}_test.h5"


def reference_file(folder: Path, phase: int) -> Path:
    """Where a folder holds a phase's reference."""
    return Path(folder) / f"phase{phase}" / "reference.h5"


def public_files(folder: Path, cycle: Cycle) -> list[Path]:
    """What `prepare` writes for participants."""
    return [train_file(folder, cycle), test_file(folder, cycle)]


@dataclass(frozen=True)
class Source:
    """Folders: cycleN_train.h5 and cycleN_test.h5; phaseN/reference.h5; cycleN/submission.zip.

    simulated: the simulator's own files, which need not be there.
    """

    competition: Competition
    events: Path
    references: Path
    baseline: Path
    simulated: Path

    @classmethod
    def of(cls, competition: Competition, data: Path | None = None, root: Path = ROOT) -> Source:
        """What `make data` wrote into `data`; without, the demonstration that `root` tracks."""
        if data is None:
            return cls(
                competition,
                root / "starting_kit/data",
                root / "reference_data",
                root / "baseline_submission",
                root / "build/demonstration",
            )
        return cls(
            competition,
            data,
            data / "reference_data",
            data / "baseline_submission",
            data / "secret",
        )

    def train(self, cycle: Cycle) -> Path:
        """The cycle's train events."""
        return train_file(self.events, cycle)

    def test(self, cycle: Cycle) -> Path:
        """The cycle's test events."""
        return test_file(self.events, cycle)

    def reference(self, phase: Phase) -> Path:
        """The phase's truth."""
        return reference_file(self.references, phase.number)

    def references_of(self, cycle: Cycle) -> list[Path]:
        """The truth of all test events of a cycle: its public phase's, then its hidden one's."""
        return [self.reference(phase) for phase in self.competition.phases_of(cycle)]

    def submission(self, cycle: Cycle) -> Path:
        """The baseline's submission, which need not exist."""
        return self.baseline / f"cycle{cycle.number}" / "submission.zip"
