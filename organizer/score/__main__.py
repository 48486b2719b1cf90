"""Score submissions as both platforms would: build the bundles and run their scoring programs.

  python -m organizer.score                          the shipped baseline, in all phases
  python -m organizer.score --submissions build/run --phase 1 --phase 2

The scoring program, its command and the references are taken from the built zips. Each submission
is scored in the folder layouts of a Codabench worker and of a CodaLab v1.5 worker. The exit status
is 0 if all runs finished and both platforms gave equal scores.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import textwrap
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import yaml

from lartpc_challenge.command import new_parser, run
from lartpc_challenge.format import METRICS, ChallengeError
from lartpc_challenge.reference import read_truth
from organizer.bundle.build import BundleRequest, build
from organizer.bundle.dates import default_start
from organizer.competition import ROOT, Phase, read_competition
from organizer.score.worker import CODABENCH, CODALAB, PLATFORMS, Run, Task, run_submission, unpack
from organizer.scratch import scratch_folder
from organizer.source import Source, add_source

Tasks = dict[str, dict[int, Task]]  # platform's name -> number of a phase -> task


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python -m organizer.score", __doc__)
    parser.add_argument(
        "--submissions",
        type=Path,
        metavar="DIR",
        help="score DIR/cycleN/submission.zip (default: the baseline's)",
    )
    parser.add_argument(
        "--phase", type=int, action="append", metavar="N", help="only this phase; repeatable"
    )
    add_source(parser)
    options = parser.parse_args(arguments)
    return run("score", lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    competition = read_competition(options.competition)
    request = BundleRequest(
        competition=competition,
        start=default_start(date.today()),
        data=options.data,
        demonstration=options.data is None,
        root=Path(os.path.relpath(ROOT)),
    )
    source = request.source
    if options.submissions:
        source = replace(source, baseline=options.submissions)
    results = []
    with scratch_folder("score") as folder:
        tasks = _read_tasks(request, folder)
        scores = "".join(f"{name:>11}" for name in METRICS)
        print(f"{'phase':<11}{'status':<15}{scores}{'events':>8}{'seconds':>14}{'peak memory':>18}")
        for phase in map(competition.phase, options.phase) if options.phase else competition.phases:
            results.append(_score_phase(tasks, phase, source))
            print(results[-1].row(), flush=True)
    problems = [complaint for result in results for complaint in result.complaints()]
    if problems:
        raise ChallengeError("runs failed or their scores differ\n" + "\n".join(problems))
    print(f"Scores agree: {' and '.join(platform.name for platform in PLATFORMS)}.")


def _read_tasks(request: BundleRequest, folder: Path) -> Tasks:
    """Build the bundles in `folder`, unpack them, and read them as the platforms do."""
    built = build(request, folder / "dist")
    codabench, codalab = folder / "codabench", folder / "codalab"
    unpack(built.codabench, codabench)
    unpack(built.codalab, codalab)
    return {CODABENCH.name: _codabench_tasks(codabench), CODALAB.name: _codalab_tasks(codalab)}


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


def _read_yaml(folder: Path) -> dict:
    return yaml.safe_load((folder / "competition.yaml").read_text(encoding="utf-8"))


def _task(folder: Path, files: dict, phase: dict, columns: tuple) -> Task:
    program, reference = folder / files["scoring_program"], folder / files["reference_data"]
    return Task(program, reference, phase["execution_time_limit"], columns)


@dataclass(frozen=True)
class Result:
    """The runs of a submission to a phase, by platform. n_events: events of the phase."""

    phase: Phase
    n_events: int
    runs: dict[str, Run]

    @property
    def problem(self) -> str:
        """The problem in one or two words; empty if there is none."""
        if not all(run.finished for run in self.runs.values()):
            return "Failed"
        codabench, *others = (run.scores for run in self.runs.values())
        return "" if all(scores == codabench for scores in others) else "Scores differ"

    def row(self) -> str:
        """Return a line of the leaderboard, with seconds and memory on Codabench / v1.5."""
        runs = list(self.runs.values())
        scores = "".join(f"{runs[0].scores.get(name, math.nan):>11.4f}" for name in METRICS)
        seconds = " / ".join(f"{run.seconds:.1f}" for run in runs)
        memory = " / ".join(f"{run.peak_bytes / 2**20:.0f}" for run in runs) + " MiB"
        status = self.problem or "Finished"
        return (
            f"{self.phase.name:<11}{status:<15}{scores}{self.n_events:>8}{seconds:>14}{memory:>18}"
        )

    def complaints(self) -> list[str]:
        """Return the messages of failed runs, or the scores if they differ between platforms."""
        failed = {name: run for name, run in self.runs.items() if not run.finished}
        if self.problem and not failed:
            return [
                f"{self.phase.name}: {name} gives {run.scores}" for name, run in self.runs.items()
            ]
        return [
            f"{self.phase.name}, {name}: Failed, {run.reason}; the participant reads\n"
            + textwrap.indent(run.stderr.strip() or "(nothing)", "  ")
            for name, run in failed.items()
        ]


def _score_phase(tasks: Tasks, phase: Phase, source: Source) -> Result:
    """Score the submission of a phase's cycle on both platforms."""
    submission = source.submission(phase.cycle)
    if not submission.is_file():
        raise ChallengeError(
            f"{submission}: no such file; predict the events of cycle "
            f"{phase.cycle.number} into it, or choose other phases with --phase"
        )
    runs = {
        platform.name: run_submission(platform, tasks[platform.name][phase.number], submission)
        for platform in PLATFORMS
    }
    return Result(phase, len(read_truth(source.reference(phase)).event_id), runs)


if __name__ == "__main__":
    sys.exit(main())
