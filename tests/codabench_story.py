"""The toy competition as a story in episodes, each with a command of the organiser.

happens: what participants do and how time passes before the command. A recording does this on a
`Stage`; a replay contains it. says: texts that the command must print. status: its exit status.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from codabench_toy import HIDDEN_OF, answers, members, reference, write_bundle, zipped

from lartpc_challenge.command import run as run_in_words
from organizer.codabench.__main__ import main
from organizer.codabench.bundle import Phase
from organizer.codabench.client import Server
from organizer.codabench.rehearse import Try, rehearse
from organizer.codabench.session import Session
from organizer.codabench.state import State


@dataclass(frozen=True)
class Episode:
    name: str
    command: tuple[str, ...]
    happens: tuple[tuple, ...] = ()
    status: int = 0
    says: tuple[str, ...] = ()
    never_says: tuple[str, ...] = ()
    kill_at: int = 0


class Stage(Protocol):
    """What can happen on a server. phase: 1 or more. n_right: the number of right words."""

    def join(self, who: str) -> None: ...
    def begin(self, phase: int, ends_in_seconds: float) -> None: ...
    def submit(self, who: str, phase: int, n_right: int) -> None: ...
    def lose(self, who: str, phase: int, n_right: int) -> None: ...
    def score(self) -> None: ...
    def end(self, phase: int) -> None: ...
    def wait(self, seconds: float) -> None: ...
    def migrate(self) -> None: ...
    def edit(self, phase: int, description: str) -> None: ...
    def remove(self, who: str, phase: int) -> None: ...


def prepare(folder: Path) -> dict[str, bytes]:
    """Write the organiser's files; return {name: content} of all files that may be sent."""
    write_bundle(folder / "dist")
    broken = folder / "broken"
    broken.mkdir()
    (broken / "short.zip").write_bytes(zipped({"answer.txt": "a b"}))
    (broken / "empty.zip").write_bytes(zipped({}))
    for n in (2, 4, 6):
        (broken / f"answers{n}.zip").write_bytes(answers(n))
    made = {f"answers {n}": answers(n) for n in range(8)} | members()
    return made | {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.zip")}


def run(url: str, folder: Path, command: tuple[str, ...], **time) -> int:
    """Run an organiser's command on the server at `url`; return its exit status."""
    state = folder / "made" / "codabench.json"
    if command == ("rehearse",):
        return run_in_words("codabench", lambda: _rehearse(url, folder, state, **time))
    paths = {"BUNDLE": folder / "dist/codabench.zip", "CORRECTED": folder / "dist/corrected"}
    words = [str(paths.get(word, word)) for word in command]
    if command[0] == "upload":
        words += ["--competition", str(folder / "dist" / "toy.yaml")]
    if command[0] in ("open", "watch", "backup", "compare"):
        words += ["--backup", str(folder / "made" / "backup")]
    return main(["--server", url, "--state", os.fspath(state), *words], **time)


def _rehearse(url: str, folder: Path, state: Path, **time) -> None:
    """Run the command rehearse with the toy's own submissions and references."""
    broken = folder / "broken"
    tries = [
        Try(1, "six right", broken / "answers6.zip"),
        Try(1, "two words", broken / "short.zip"),
        Try(1, "an empty zip", broken / "empty.zip"),
        Try(3, "four right", broken / "answers4.zip"),
        Try(5, "two right", broken / "answers2.zip"),
    ]

    def stand_in(phase: Phase, where: Path) -> Path:
        path = where / f"stand_in_{phase.number}.zip"
        path.write_bytes(reference(HIDDEN_OF[phase.number]))
        return path

    wait = {"sleep": time["sleep"]} if "sleep" in time else {}
    with Server(url, os.environ["CODABENCH_TOKEN"], **wait) as server:
        session = Session(server, State.load(state), **time)
        rehearse(session, session.bundle(), tries, stand_in)


OPEN = ("--patience", "1")
SEASON = (
    Episode("upload", ("upload", "BUNDLE"), says=("The server agrees with the bundle",)),
    Episode("upload again", ("upload", "BUNDLE"), says=("The server agrees with the bundle",)),
    Episode("publish", ("publish",), says=("is published",)),
    Episode("publish again", ("publish",), says=("is published",)),
    Episode(
        "open before the end",
        ("open", "2"),
        happens=(
            *(("join", who) for who in ("ada", "bob", "eve", "joe")),
            ("begin", 1, 36000),
            ("submit", "ada", 1, 6),
            ("submit", "bob", 1, 3),
            ("submit", "bob", 1, 5),
            ("submit", "eve", 1, 2),
            ("submit", "joe", 1, 1),
            ("score",),
            ("submit", "eve", 2, 6),  # into the hidden phase, which has not begun
            ("score",),
        ),
        status=1,
        says=("Public 1 is open until",),
    ),
    # Late: the phase ended some time ago. One submission is stuck, another came after the end.
    Episode(
        "open late",
        ("open", "2", *OPEN),
        happens=(
            ("lose", "joe", 1, 4),
            ("end", 1),
            ("wait", 70),
            ("submit", "ada", 1, 7),
            ("score",),
        ),
        says=(
            "cancelled submission",
            "runs it once more",
            "of ada came after the end and counts",
            "Private 1: it was uploaded there",
            "ada          0.8571428571  0.7346938776  0.6297376093  right",
            "bob          0.7142857143  0.5102040816  0.3644314869  right",
            "eve          0.2857142857  0.0816326531  0.0233236152  right",
            "joe          0.5714285714  0.3265306122  0.1865889213  right",
            "Private 1 is open: 4 participants",
        ),
    ),
    Episode(
        "open again",
        ("open", "2", *OPEN),
        says=("Private 1 is open: 4 participants",),
        never_says=("; deleted", "once more", "moves", "uploaded"),
    ),
    # Seven words were right in the public phase, six are in the hidden one, as before.
    Episode(
        "drop what came late",
        ("open", "2", *OPEN, "--drop-late"),
        says=(
            "Public 1: it came after the end; deleted submission",
            "Private 1: it was uploaded there, or is not the one that counts",
            "Private 1: moves the submissions of Public 1",
            "ada          0.8571428571  0.7346938776  0.6297376093  right",
            "Private 1 is open: 4 participants",
        ),
    ),
    # In time: watch waits for the end. It is killed while it waits, and once more while it works.
    Episode(
        "watch until killed",
        ("watch", *OPEN),
        happens=(
            ("begin", 3, 150),
            ("submit", "ada", 3, 4),
            ("submit", "bob", 3, 5),
            ("score",),
        ),
        status=130,
        kill_at=1,
    ),
    Episode(
        "watch until killed again",
        ("watch", *OPEN),
        status=130,
        kill_at=2,
        says=("Public 2 has ended; opens Private 2", "moves the submissions of Public 2"),
    ),
    Episode(
        "open in time",
        ("open", "4", *OPEN),
        says=(
            "ada          0.5714285714",
            "bob          0.7142857143",
            "Private 2 is open: 2 participants",
        ),
    ),
    # The server has moved them by itself before the truth was there; eve had uploaded there before.
    Episode(
        "watch to the end",
        ("watch", *OPEN),
        happens=(
            ("begin", 5, 36000),
            ("submit", "ada", 5, 2),
            ("submit", "bob", 5, 3),
            ("submit", "eve", 5, 6),
            ("submit", "eve", 6, 5),
            ("score",),
            ("end", 5),
            ("migrate",),
            ("score",),
        ),
        says=(
            "Private 3: it was uploaded there",
            "(Failed) once more",
            "ada          0.2857142857",
            "bob          0.4285714286",
            "eve          0.8571428571",
            "Private 3 is open: 3 participants",
            "all hidden phases are open",
        ),
    ),
    Episode(
        "a submission is gone from the public board",
        ("open", "6", *OPEN),
        happens=(("remove", "bob", 5),),
        says=(
            "of bob left the board after it was moved",
            "bob          0.4285714286",
            "Private 3 is open: 3 participants",
        ),
        never_says=("; deleted", "once more", "moves"),
    ),
    # The sixth word was wrong in the truth: only eve had it.
    Episode(
        "the truth is corrected",
        ("open", "6", *OPEN, "--references", "CORRECTED"),
        says=(
            "of eve (Finished) once more",
            "Private 3: not our score; deleted submission",
            "ada          0.2857142857",
            "bob          0.4285714286",
            "eve          0.7142857143",
            "Private 3 is open: 3 participants",
        ),
    ),
    Episode(
        "compare",
        ("compare",),
        happens=(("edit", 1, "All can be told."),),
        status=1,
        says=(
            "of bob, Public 3: deleted",
            "phase 1, description: 'Phase 1.' in the bundle, 'All can be told.' on the server",
        ),
    ),
)
# Before the season: the competition is not published, its phases have not begun.
REHEARSAL = (
    Episode("upload", ("upload", "BUNDLE"), says=("The server agrees with the bundle",)),
    Episode(
        "leaks before publishing",
        ("leaks",),
        says=(
            "reference of Private 1, by its key  yes (302)     not asked     ATTENTION",
            "the competition's pages             no (404)      no (404)",
            "The competition is not published: repeat this when it is.",
            "build with HIDDEN=placeholder",
        ),
    ),
    Episode(
        "rehearse",
        ("rehearse",),
        says=(
            "Public 1    six right                   as here",
            "Public 1    two words                   as here",
            "Public 1    an empty zip                as here",
            "Private 3   moved                       as here",
            "The rehearsal is finished without differences; its copy is deleted.",
        ),
    ),
    Episode("compare after it", ("compare",), says=("The server agrees with the bundle",)),
    Episode("publish", ("publish",), says=("is published",)),
    Episode(
        "leaks",
        ("leaks",),
        happens=(
            ("join", "ada"),
            ("join", "bob"),
            ("begin", 1, 36000),
            ("submit", "ada", 1, 6),
            ("score",),
        ),
        says=(
            "a submission of Public 1: file and logs  yes (200)",
            "participants and addresses               no (403)",
            "Keys of files that a stranger finds on the competition's page: 12",
        ),
    ),
)
STORIES = {"v1.25-season": SEASON, "v1.25-rehearsal": REHEARSAL}
