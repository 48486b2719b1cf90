"""Score a zip with our own scorer, in the same way as the platform's worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from organizer.codabench.bundle import Bundle, Phase
from organizer.score.worker import CODABENCH, Run, Task, run_submission
from organizer.scratch import scratch_folder

_STORED = Decimal("1e-10")


@dataclass
class Scorer:
    """A scorer of one phase. Results are kept: no zip is scored twice."""

    task: Task
    _known: dict[Path, Run] = field(default_factory=dict)

    def run(self, path: Path) -> Run:
        """Return the run on a zip."""
        if path not in self._known:
            self._known[path] = run_submission(CODABENCH, self.task, path)
        return self._known[path]

    def scores(self, path: Path) -> dict[str, Decimal]:
        """Return column -> score with Codabench's 10 decimals; empty if the zip is refused."""
        return stored(self.run(path).scores)


def stored(scores: dict[str, float]) -> dict[str, Decimal]:
    """Return scores as Codabench stores them: with 10 decimals."""
    return {key: Decimal(value).quantize(_STORED) for key, value in scores.items()}


@contextmanager
def local_scorer(bundle: Bundle, phase: Phase, reference: Path | None = None) -> Iterator[Scorer]:
    """Yield a scorer of a phase with the bundle's program. reference: a zip to use instead."""
    with scratch_folder("scorer") as folder:
        yield Scorer(bundle.scoring_task(phase, folder, reference))
