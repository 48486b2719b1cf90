"""The paths of a competition's files: in the repository, or in a folder of `make data`."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.format import ChallengeError
from organizer.competition import ROOT, Competition, Phase, add_competition


def train_file(folder: Path, cycle: Cycle) -> Path:
    """Return the path of a cycle's train file in `folder`."""
    return Path(folder) / f"cycle{cycle.number}_train.h5"


def test_file(folder: Path, cycle: Cycle) -> Path:
    """Return the path of a cycle's test file in `folder`."""
    return Path(folder) / f"cycle{cycle.number}_test.h5"


def reference_file(folder: Path, phase: int) -> Path:
    """Return the path of a phase's reference in `folder`."""
    return Path(folder) / f"phase{phase}" / "reference.h5"


def public_files(folder: Path, cycle: Cycle) -> list[Path]:
    """Return the paths of a cycle's files for participants in `folder`."""
    return [train_file(folder, cycle), test_file(folder, cycle)]


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as reason:
        raise ChallengeError(f"{path}: can't be read: {reason.strerror}") from reason
    return digest.hexdigest()


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add the options --data and --competition to a parser, the arguments of `Source.of`."""
    parser.add_argument(
        "--data", type=Path, help="folder of make data (default: the demonstration data)"
    )
    add_competition(parser)


@dataclass(frozen=True)
class Source:
    """The folders of a competition's files.

    events: cycleN_train.h5 and cycleN_test.h5. references: phaseN/reference.h5. baseline:
    cycleN/submission.zip. simulated: the simulator's files, which need not exist.
    """

    competition: Competition
    events: Path
    references: Path
    baseline: Path
    simulated: Path

    @classmethod
    def of(cls, competition: Competition, data: Path | None = None, root: Path = ROOT) -> Source:
        """Return the folders of `make data` in `data`, or those of the demonstration in `root`."""
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
        """Return the path of the cycle's train file."""
        return train_file(self.events, cycle)

    def test(self, cycle: Cycle) -> Path:
        """Return the path of the cycle's test file."""
        return test_file(self.events, cycle)

    def reference(self, phase: Phase) -> Path:
        """Return the path of the phase's reference."""
        return reference_file(self.references, phase.number)

    def references_of(self, cycle: Cycle) -> list[Path]:
        """Return the paths of a cycle's references: public phase, hidden phase."""
        return [self.reference(phase) for phase in self.competition.phases_of(cycle)]

    def submission(self, cycle: Cycle) -> Path:
        """Return the path of the baseline's submission, which need not exist."""
        return self.baseline / f"cycle{cycle.number}" / "submission.zip"
