"""Run a scoring program in the same way as a platform's worker, without the platform.

Goal
    The folders, the command and the reading of scores are those of the platforms, so that a run
    gives the same messages and scores as on the platform.

Source
    Codabench c7dbc756, compute_worker/compute_worker.py and apps/api/views/submissions.py.
    CodaLab v1.5: competitions-v1-compute-worker 04534012, worker.py, and codalab-competitions
    c7ef5e28, apps/web/tasks.py. There is no container: `python3` is the interpreter that runs this
    module.
"""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from lartpc_challenge.format import ChallengeError
from lartpc_challenge.submission.upload import READ_ERRORS
from organizer.scratch import scratch_folder


@dataclass(frozen=True)
class Platform:
    """The layout of a run on one platform. Paths are relative to `folder`.

    extra_folders, extra_files: those of the platform in addition to program, input and output.
    split: splits a command into words. read_scores: parses scores.txt into names and values, and
    raises ValueError if that fails.
    """

    name: str
    folder: str
    working_folder: str
    metadata_names: tuple[str, ...]
    extra_folders: tuple[str, ...]
    extra_files: Mapping[str, str]
    split: Callable[[str], list[str]]
    read_scores: Callable[[str], dict]


@dataclass(frozen=True)
class Task:
    """The files and settings of a phase: two zips, a time limit in seconds, leaderboard columns."""

    scoring_program: Path
    reference_data: Path
    time_limit: int
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """The result of running a scoring program on a submission.

    reason: why it failed, else empty. scores: column -> value. seconds, peak_bytes: time and peak
    memory of the scoring program with its children.
    """

    reason: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0
    peak_bytes: int = 0

    @property
    def finished(self) -> bool:
        """Whether its scores reach the leaderboard."""
        return not self.reason

    @property
    def status(self) -> str:
        """The platform's word for `finished`."""
        return "Finished" if self.finished else "Failed"


def _yaml_scores(text: str) -> dict:
    try:
        scores = yaml.safe_load(text)
    except yaml.YAMLError as reason:
        raise ValueError("scores.txt is not YAML") from reason
    if not isinstance(scores, dict):
        raise ValueError("scores.txt holds no names and values")
    return scores


def _line_scores(text: str) -> dict:
    lines = [line.split(":") for line in text.split("\n") if line]
    return {name.strip(): float(value) for name, value in lines}


CODABENCH = Platform(
    name="Codabench",
    folder="app",
    working_folder="program",
    metadata_names=("metadata.yaml", "metadata"),
    extra_folders=("shared",),
    # The file of the ingestion step, in which no program ran.
    extra_files={
        "input/res/metadata": "elapsedTime: null\nexitCode: null\n"
        "ingestionElapsedTime: null\ningestionExitCode: null\n"
    },
    split=shlex.split,
    read_scores=_yaml_scores,
)
CODALAB = Platform(
    name="CodaLab v1.5",
    folder="run",
    working_folder=".",
    metadata_names=("metadata",),
    extra_folders=("temp",),
    extra_files={"output/detailed_results.html": ""},
    split=lambda command: command.split(" "),
    read_scores=_line_scores,
)
PLATFORMS = (CODABENCH, CODALAB)


def run_submission(platform: Platform, task: Task, submission: Path) -> Run:
    """Score the zip `submission` as `platform` would. Raises ChallengeError for a wrong task."""
    with scratch_folder("worker") as folder:
        root = folder / platform.folder
        unpack(task.scoring_program, root / "program")
        unpack(task.reference_data, root / "input" / "ref")
        try:
            unpack(submission, root / "input" / "res")
        except ChallengeError as problem:
            return Run(f"Bad or empty zip file: {problem}")
        for name in ("output", *platform.extra_folders):
            (root / name).mkdir()
        for name, content in platform.extra_files.items():
            (root / name).write_text(content)
        command = platform.split(_command(platform, root))
        with _untouched(root / "program", root / "input" / "ref"):
            run = _execute(command, root / platform.working_folder, task.time_limit)
        if not run.finished:
            return run
        try:
            return replace(run, scores=_read_scores(root / "output/scores.txt", platform, task))
        except ValueError as reason:
            return replace(run, reason=str(reason))


def unpack(path: Path, target: Path) -> None:
    """Unpack a zip into the folder `target`. Raises ChallengeError if that fails."""
    try:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(target)
    except READ_ERRORS as reason:
        raise ChallengeError(f"{path}: can't be unpacked: {reason}") from reason
    target.mkdir(exist_ok=True)  # an empty zip creates no folder


def _command(platform: Platform, root: Path) -> str:
    """Return the command in the scoring program's metadata, with the paths of the run."""
    program = root / "program"
    found = (program / name for name in platform.metadata_names if (program / name).is_file())
    path = next(found, None)
    if path is None:
        raise ChallengeError("the scoring program holds no metadata")
    metadata = yaml.safe_load(path.read_text())
    if not isinstance(metadata, dict) or not isinstance(metadata.get("command"), str):
        raise ChallengeError(f"the scoring program's {path.name} names no command")
    command = metadata["command"]
    for name in ("program", "input", "output"):
        command = command.replace(f"${name}", str(root / name))
    return command


@contextlib.contextmanager
def _untouched(*folders: Path) -> Iterator[None]:
    """Make the folders read-only in the block. Raises ChallengeError if a file has changed.

    Root can write to read-only folders, but on a platform they may be mounted read-only.
    """

    def entries() -> list[Path]:
        return [path for folder in folders for path in (folder, *folder.rglob("*"))]

    before = {path: path.stat() for path in entries()}
    for path, was in before.items():
        path.chmod(was.st_mode & ~0o222)
    try:
        yield
        after = {path: path.stat().st_mtime_ns for path in entries()}
        if after != {path: was.st_mtime_ns for path, was in before.items()}:
            changed = sorted({p.name for p in before.keys() ^ after.keys()})
            raise ChallengeError(
                "the scoring program wrote into its own folder or the reference, which may be "
                f"read-only on a platform: {', '.join(changed) or 'a file has changed'}"
            )
    finally:
        for path, was in before.items():
            path.chmod(was.st_mode)


def _execute(command: list[str], working_folder: Path, time_limit: int) -> Run:
    """Run a command with a time limit, and return its status, output, time and memory."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch_folder("program"))
        # The interpreter of a virtual environment finds its packages by its own path.
        python = folder / "python3"
        python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        python.chmod(0o755)
        logs = [stack.enter_context(open(folder / name, "w+b")) for name in ("stdout", "stderr")]
        start = time.monotonic()
        try:
            process = subprocess.Popen(
                command,
                cwd=working_folder,
                env={"PATH": f"{folder}:{os.defpath}", "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=logs[0],
                stderr=logs[1],
                start_new_session=True,
            )
        except OSError as reason:
            return Run(f"the command can't be run: {reason}")
        exit_code, peak_bytes = _wait(process, time_limit)
        seconds = time.monotonic() - start
        for log in logs:
            log.seek(0)
        stdout, stderr = (log.read().decode(errors="replace") for log in logs)
    reason = f"exit status {exit_code}" if exit_code else ""
    if seconds >= time_limit:
        reason = f"Execution Time Limit exceeded. Limit was {time_limit} seconds"
    return Run(reason, {}, stdout, stderr, seconds, peak_bytes)


def _wait(process: subprocess.Popen, time_limit: int) -> tuple[int, int]:
    """Wait for a process, at most `time_limit`; return its exit status and peak memory in bytes."""
    timer = threading.Timer(time_limit, _kill, (process,))
    timer.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        _kill(process)
        process.wait()
        raise
    finally:
        timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    return process.returncode, usage.ru_maxrss * unit


def _kill(process: subprocess.Popen) -> None:
    """Kill the process and its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _read_scores(path: Path, platform: Platform, task: Task) -> dict[str, float]:
    """Return the leaderboard's scores in scores.txt. Raises ValueError if they can't be read."""
    if not path.is_file():
        raise ValueError("it wrote no scores.txt")
    try:
        found = platform.read_scores(path.read_text())
        scores = {key: float(found[key]) for key in task.columns}
    except KeyError as reason:
        raise ValueError(f"scores.txt lacks the column {reason}") from reason
    except (ValueError, TypeError) as reason:
        raise ValueError(f"scores.txt can't be read: {reason}") from reason
    if not all(map(math.isfinite, scores.values())):
        raise ValueError("a score is not a finite number")
    return scores
