"""Score submissions as both platforms would, and print the leaderboard."""

from __future__ import annotations

import math
import textwrap
import zipfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from lartpc_challenge.format import METRICS, ChallengeError
from lartpc_challenge.reference import read_reference
from organizer.bundle.build import BundleRequest, build
from organizer.competition import Phase
from organizer.score.worker import CODABENCH, CODALAB, PLATFORMS, Run, Task, run_submission


@dataclass(frozen=True)
class Result:
    """The result of a submission to a phase on both platforms. n_events: events of the phase."""

    phase: Phase
    submission: Path
    n_events: int
    runs: dict[str, Run]

    @property
    def problem(self) -> str:
        """The problem in one or two words; empty if there is none."""
        if not all(run.finished for run in self.runs.values()):
            return "Failed"
        codabench, *others = (run.scores for run in self.runs.values())
        return "" if all(scores == codabench for scores in others) else "Scores differ"


@dataclass(frozen=True)
class BuiltCompetition:
    """An unpacked bundle. tasks: platform's name -> number of a phase -> task."""

    tasks: dict[str, dict[int, Task]]


def unpack_competition(request: BundleRequest, folder: Path) -> BuiltCompetition:
    """Build the bundles in `folder`, unpack them, and read them as the platforms do."""
    built = build(request, folder / "dist")
    for path, name in ((built.codabench, "codabench"), (built.codalab, "codalab")):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder / name)
    codabench, codalab = folder / "codabench", folder / "codalab"
    return BuiltCompetition(
        tasks={
            CODABENCH.name: _codabench_tasks(codabench),
            CODALAB.name: _codalab_tasks(codalab),
        },
    )


def _read_yaml(folder: Path) -> dict:
    return yaml.safe_load((folder / "competition.yaml").read_text(encoding="utf-8"))


def _codabench_tasks(folder: Path) -> dict[int, Task]:
    competition = _read_yaml(folder)
    tasks = {task["index"]: task for task in competition["tasks"]}
    columns = tuple(column["key"] for column in competition["leaderboards"][0]["columns"])
    return {
        number: _task(folder, tasks[phase["tasks"][0]], phase, columns)
        for number, phase in enumerate(competition["phases"], 1)
    }


def _codalab_tasks(folder: Path) -> dict[int, Task]:
    competition = _read_yaml(folder)
    columns = tuple(competition["leaderboard"]["columns"])
    return {
        phase["phasenumber"]: _task(folder, phase, phase, columns)
        for phase in competition["phases"].values()
    }


def _task(folder: Path, files: dict, phase: dict, columns: tuple) -> Task:
    return Task(
        folder / files["scoring_program"],
        folder / files["reference_data"],
        phase["execution_time_limit"],
        columns,
    )


def score_phase(
    competition: BuiltCompetition, phase: Phase, submission: Path, reference: Path
) -> Result:
    """Score `submission` in `phase` on both platforms.

    Raises ChallengeError if the submission is missing or the bundle is wrong.
    """
    if not submission.is_file():
        raise ChallengeError(
            f"{submission}: no such file; predict the events of cycle "
            f"{phase.cycle.number} into it, or choose other phases with --phase"
        )
    runs = {
        platform.name: run_submission(
            platform, competition.tasks[platform.name][phase.number], submission
        )
        for platform in PLATFORMS
    }
    truth = read_reference(reference)
    assert truth is not None
    return Result(phase, submission, len(truth.event_id), runs)


def header() -> str:
    """Return the header line of the leaderboard."""
    scores = "".join(f"{name:>11}" for name in METRICS)
    return f"{'phase':<11}{'status':<15}{scores}{'events':>8}{'seconds':>14}{'peak memory':>18}"


def row(result: Result) -> str:
    """Return a line of the leaderboard, with seconds and memory on Codabench / v1.5."""
    runs = list(result.runs.values())
    scores = "".join(f"{runs[0].scores.get(name, math.nan):>11.4f}" for name in METRICS)
    seconds = " / ".join(f"{run.seconds:.1f}" for run in runs)
    memory = " / ".join(f"{run.peak_bytes / 2**20:.0f}" for run in runs) + " MiB"
    status = result.problem or "Finished"
    return (
        f"{result.phase.name:<11}{status:<15}{scores}{result.n_events:>8}{seconds:>14}{memory:>18}"
    )


def complaints(result: Result) -> list[str]:
    """Return the messages of failed runs, or the scores if they differ between platforms."""
    failed = {name: run for name, run in result.runs.items() if not run.finished}
    if result.problem and not failed:
        return [
            f"{result.phase.name}: {name} gives {run.scores}" for name, run in result.runs.items()
        ]
    return [
        f"{result.phase.name}, {name}: Failed, {run.reason}; the participant reads\n"
        + textwrap.indent(run.stderr.strip() or "(nothing)", "  ")
        for name, run in failed.items()
    ]
