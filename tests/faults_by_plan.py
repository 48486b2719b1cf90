"""Disturb the whole chain of commands by faults, and check that no result is lost or changed.

    python tests/faults_by_plan.py [--faults 50] [--seed 1]

Runs simulate, phases, train, predict, bundle, score and leaderboard on a few events of one cycle:
first without faults, then in rounds in which each command has one fault. A fault is a SIGKILL or
SIGTERM to the command or to one of its child processes, or a full disk (a limit on the size of
files). It comes after a random share of the CPU time that the process needs after it has opened its
first file, or of the bytes of the largest file. Then the same command runs again. It must leave the
same bytes as the run without faults, no temporary files, and all files of other users. Measured
times of training and scoring are not compared. Bundles contain the source code: do not change it
while this runs.

In all runs, SIGCHLD is ignored and umask is 0; in runs with a fault, the clock runs backwards.
Other users must never be able to read a file that holds truth or seeds.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import math
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import toy
from watched.sitecustomize import is_exposed

from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.format import ChallengeError

ROOT = Path(__file__).resolve().parents[1]
COMPETITION = ROOT / "examples/track_shower"  # cycle 4
WATCH = ROOT / "tests/watched"
TRAIN = "baseline.train --events data/cycle4_train.h5 --threads 1 --device cpu"
SMALL = "--filters 2 --depth 2 --blocks 1 --epochs 2 --views 1 --batch-events 4"
IN = "--data data --competition competition.yaml"
CHAIN = {
    "simulate": "organizer.simulate --cycle 4 --events 8 --jobs 2 --out raw/cycle4_train.h5",
    "phases": "organizer.phases raw data data/reference_data --cycle 4 "
    "--competition competition.yaml",
    "train": f"{TRAIN} --out run {SMALL}",
    "predict": "baseline.predict --checkpoint run/best.pt --events data/cycle4_test.h5 --threads 1 "
    "--device cpu --out data/baseline_submission/cycle4/submission.zip",
    "bundle": f"organizer.bundle {IN} --start 2099-01-05",
    "score": f"organizer.score {IN}",
    "leaderboard": f"organizer.leaderboard data/baseline_submission {IN} --out board",
}
TIMED = ("seconds", "events_per_second")  # of a training, in its record and its state
ITSELF = "itself"
FULL_DISK = "full disk"
FULL = "File too large|No space|no temporary folder has space"  # how it is told
_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Fault:
    """A disturbance of a command.

    kind: the name of a signal to the process `role`, or FULL_DISK. moment: the share of that
    process's CPU time, or of the bytes of the largest file, after which the fault comes.
    """

    kind: str
    role: str
    moment: float

    def __str__(self) -> str:
        what = self.kind if self.kind == FULL_DISK else f"{self.kind} of {self.role}"
        return f"{what} at {self.moment:.2f}"


@dataclass
class Life:
    """What was observed while a command ran.

    seconds, begun: the CPU time in seconds that each of its processes needed until its end, and
    until it opened its first file. exposed: files with secrets that other users could read.
    """

    words: list[str]
    status: int = 0
    output: str = ""
    error: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    begun: dict[str, float] = field(default_factory=dict)
    most_bytes: int = 0
    was_hit: bool = False
    exposed: set[str] = field(default_factory=set)


def live(
    words: list[str], folder: Path, fault: Fault | None = None, undisturbed: Life | None = None
) -> Life:
    """Run `python -m WORDS` in the folder, cause the fault, and return what was observed."""
    life, roles = Life(words), {}
    log = folder.with_name("log")
    log.write_text("")
    before = set(files(folder))
    limit = threshold = None
    if fault and undisturbed:
        if fault.kind == FULL_DISK:
            limit = int(undisturbed.most_bytes * fault.moment)
        else:
            end = undisturbed.seconds[fault.role]
            begun = undisturbed.begun.get(fault.role, 0.4 * end)
            threshold = begun + fault.moment * (end - begun) if end > begun else 0.0
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, [WATCH, *sys.path])),
        "WATCHED": str(folder),
        "WATCH_LOG": "" if fault and fault.kind == FULL_DISK else str(log),
        "TMPDIR": str(folder / "tmp"),
        "OMP_NUM_THREADS": "1",
        **({"WATCH_CLOCK": "1"} if fault else {}),
    }

    def prepare() -> None:
        os.umask(0)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", *words]
    with subprocess.Popen(
        command, cwd=folder, env=environment, preexec_fn=prepare, **pipes
    ) as process:
        while process.poll() is None:
            for pid, role, seconds in processes(process.pid):
                roles[pid] = role
                life.seconds[role] = max(seconds, life.seconds.get(role, 0.0))
                due = threshold is not None and role == fault.role and seconds >= threshold
                if due and (role.endswith("score.py") or f"begun {pid} " in log.read_text()):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.Signals[fault.kind])
                        life.was_hit, threshold = True, None
            for path, mode, _, n_bytes in set(files(folder)) - before:
                life.most_bytes = max(life.most_bytes, n_bytes)
                with contextlib.suppress(OSError):
                    if is_exposed(str(folder), path, mode):
                        life.exposed.add(path)
            time.sleep(_POLL_SECONDS)
        life.output, life.error = process.communicate()
    life.status = process.returncode
    life.was_hit |= limit is not None and life.status != 0
    for kind, *rest in map(str.split, log.read_text().splitlines()):
        if kind == "open":
            life.exposed.add(" ".join(rest))
        elif int(rest[0]) in roles:
            life.begun.setdefault(roles[int(rest[0])], float(rest[1]))
    return life


def processes(root: int) -> Iterator[tuple[int, str, float]]:
    """Yield id, role and CPU seconds of a process and of its descendants."""
    waiting = [(root, ITSELF, b"")]
    while waiting:
        pid, role, command = waiting.pop()
        with contextlib.suppress(OSError, IndexError):
            proc = Path(f"/proc/{pid}")
            mine = (proc / "cmdline").read_bytes()
            if not mine:  # it ends, or begins
                continue
            if pid != root:
                role = f"a fork of {role}" if mine == command else program(mine)
            used = (proc / "stat").read_text().rpartition(")")[2].split()
            if used[0] != "Z":
                yield pid, role, _TICK_SECONDS * (int(used[11]) + int(used[12]))
            for thread in (proc / "task").iterdir():
                children = (thread / "children").read_text().split()
                waiting += [(int(child), role, mine) for child in children]


def program(command: bytes) -> str:
    """Return the name of the module or script in a command line of Python."""
    words = command.decode(errors="replace").split("\0")
    if "-m" in words:
        return words[words.index("-m") + 1]
    return next((Path(word).name for word in words if word.endswith(".py")), words[0])


def files(folder: Path) -> Iterator[tuple[str, int, int, int]]:
    """Yield path, mode, time of change and bytes of all files in a folder that may change."""
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                found = os.stat(os.path.join(place, name))
                yield os.path.join(place, name), found.st_mode, found.st_mtime_ns, found.st_size


# ---- the chain


def lay_out(folder: Path) -> None:
    """Write the files that the chain needs, and files that belong to other programs."""
    shutil.copytree(COMPETITION, folder)
    test = toy.make_events(8, cycle=4, n_voxels=(40, 60))
    toy.make_events_file(folder / "raw/cycle4_test.h5", test, kind="train", cycle=4, scale="full")
    (folder / "raw/cycle4_test.h5").chmod(0o600)
    for name in (
        "raw/.cycle4_train.h5.tmp",
        "dist/notes.txt",
        "dist/.lartpc-challenge-other-1/x",
        "tmp/.lartpc-challenge-other-1/x",
        "tmp/tmpx/x",
        "board/notes.txt",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("not ours")
        path.chmod(0o600)


def words_of(name: str, folder: Path) -> list[str]:
    """Return the words of a command. As with `make`, an unfinished training is resumed."""
    if name == "train" and (folder / "run/last.pt").exists():
        return (f"{TRAIN} --resume run/last.pt").split()
    return CHAIN.get(name, name).split()


def state(folder: Path, life: Life) -> dict[str, bytes]:
    """Return all folders and files in the folder with their bytes, without measured times.

    It contains the command's output if that is its result. Empty temporary folders are left out,
    because another process may have made one and not locked it yet.
    """
    found = {}
    if life.words[0] == "organizer.score":
        found["output"] = re.sub(r"[\d.]+ / +[\d.]+ .*", "", life.output).encode()
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_dir():
            if not (path.name.startswith(".lartpc-challenge-") and not any(path.iterdir())):
                found[name] = b""
        elif path.name == "record.csv":
            rows = [line.split(",") for line in path.read_text().splitlines()]
            timed = [rows[0].index(column) for column in TIMED if column in rows[0]]
            found[name] = repr(
                [[v for i, v in enumerate(row) if i not in timed] for row in rows]
            ).encode()
        elif path.name == "last.pt":
            found[name] = without_seconds(path)
        else:
            found[name] = path.read_bytes()
    return found


def without_seconds(path: Path) -> bytes:
    """Return the state of a training as text, without measured times."""
    import torch

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items() if key not in TIMED}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return value.numpy().tobytes() if isinstance(value, torch.Tensor) else value

    return repr(plain(torch.load(path, weights_only=True))).encode()


# ---- the plan


@dataclass
class Tally:
    """The results of the faults of one command. missed: faults before which the command ended."""

    hit: collections.Counter[str] = field(default_factory=collections.Counter)
    missed: list[Fault] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def plan_and_run(
    folder: Path, n_faults: int, seed: int, tell: Callable[[str], object] = print
) -> dict[str, Tally]:
    """Run the chain in `folder` without faults, then in rounds with at least `n_faults` faults."""
    tallies = {name: Tally() for name in CHAIN}
    lives, states = undisturbed(folder / "undisturbed", tallies)
    rng = random.Random(seed)
    for number in range(math.ceil(n_faults / len(CHAIN))):
        home = folder / f"round{number}"
        lay_out(home)
        for place, name in enumerate(CHAIN):
            kinds = kinds_of(lives[name])
            kind, role = kinds[(seed + number + place) % len(kinds)]
            fault = Fault(kind, role, rng.uniform(0.02, 0.95))
            disturb(name, home, fault, lives[name], states[name], tallies[name])
            tell(f"round {number + 1}: {name}: {fault}")
        shutil.rmtree(home)
    return tallies


def undisturbed(
    home: Path, tallies: dict[str, Tally]
) -> tuple[dict[str, Life], dict[str, dict[str, bytes]]]:
    """Run the chain without faults. Return for each command its life and the state after it."""
    lay_out(home)
    lives, states = {}, {}
    for name, tally in tallies.items():
        lives[name] = life = live(words_of(name, home), home)
        if life.status:
            raise ChallengeError(f"{name} ends undisturbed with {life.status}:\n{life.error}")
        tally.wrong += [f"{path} can be read by others" for path in sorted(life.exposed)]
        states[name] = state(home, life)
    return lives, states


def kinds_of(life: Life) -> list[tuple[str, str]]:
    """Return kind and role of all faults that a command can have."""
    # Others are no Python of ours: uname, say. The environment of score.py is empty.
    ours = [role for role in life.seconds if role in life.begun or role.endswith("score.py")]
    roles = sorted(ours, key=lambda role: (role != ITSELF, role))
    signals = [(kind, role) for role in roles for kind in ("SIGKILL", "SIGTERM")]
    return [*signals[:2], (FULL_DISK, ITSELF), *signals[2:]]


def disturb(
    name: str, home: Path, fault: Fault, life: Life, good: dict[str, bytes], tally: Tally
) -> None:
    """Run a command with a fault, run it again, and compare with the run without faults."""
    before = home.with_name("before")
    shutil.copytree(home, before)
    for _ in range(4):
        found = live(words_of(name, home), home, fault, life)
        if found.was_hit:
            break
        fault = replace(fault, moment=fault.moment / 2)
        shutil.rmtree(home)
        shutil.copytree(before, home)
    shutil.rmtree(before)
    wrong = [f"{path} can be read by others" for path in sorted(found.exposed)]
    if not found.was_hit:
        tally.missed.append(fault)
    else:
        tally.hit[fault.kind if fault.role == ITSELF else f"{fault.kind} of a child"] += 1
        wrong += complaints(fault, found)
    last = found if found.was_hit and not found.status else live(words_of(name, home), home)
    now = state(home, last)
    for path in sorted(now.keys() | good.keys()):
        if now.get(path) != good.get(path):
            how = "is lost" if path not in now else "differs" if path in good else "is left over"
            wrong.append(f"{path} {how}; the command once more: {last.status} {last.error}")
    tally.wrong += [f"{fault}: {sentence}" for sentence in wrong]


def complaints(fault: Fault, found: Life) -> Iterator[str]:
    """Yield what is wrong with a command's exit status and messages."""
    statuses = {"SIGKILL": (-9,), "SIGTERM": (143, -15), FULL_DISK: (1,)}[fault.kind]
    # Another process does the work of a child that died, or the command says what happened.
    if found.status not in (statuses if fault.role == ITSELF else (0, 1)):
        yield f"it ended with {found.status}: {found.error}"
    if (found.status == 1 and not found.error) or "Traceback" in found.error:
        yield f"it ended without a sentence: {found.error}"
    if fault.kind == FULL_DISK and not re.search(
        "File too large|No space|no temporary folder has space", found.error
    ):
        yield f"it doesn't say that the disk is full: {found.error}"


def main(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tell = partial(print, flush=True)
        tallies = plan_and_run(Path(folder), options.faults, options.seed, tell)
    wrong = [f"{name}: {what}" for name, tally in tallies.items() for what in tally.wrong]
    for name, tally in tallies.items():
        print(
            f"{name}: {', '.join(f'{n} {kind}' for kind, n in sorted(tally.hit.items()))}"
            f"{'; too late: ' + ', '.join(map(str, tally.missed)) if tally.missed else ''}"
        )
    n_faults = sum(tally.hit.total() for tally in tallies.values())
    print(f"{n_faults} faults, {len(wrong)} things wrong")
    if wrong:
        raise ChallengeError("\n".join(wrong))


if __name__ == "__main__":
    parser = new_parser("python tests/faults_by_plan.py", __doc__)
    parser.add_argument("--faults", type=at_least(1), default=50, help="at least so many")
    parser.add_argument("--seed", type=at_least(0), default=1, help="of the moments")
    chosen = parser.parse_args()
    sys.exit(run("faults_by_plan", lambda: main(chosen)))
