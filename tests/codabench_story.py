"""A season of the toy competition, episode by episode: what happens, and what the organiser runs.

`happens` names what people and time do before the organiser's command; who records the story does
it (`Stage`), a replay has it in the recording. `says` are parts of what the command must print,
`status` is its exit status.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from codabench_toy import answers, members


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
    """What can happen. Phases have numbers from 1 on, people names; n_right words are right."""

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


def files() -> dict[str, bytes]:
    """All files that may go over the wire, by name."""
    made = {f"answers {n}": answers(n) for n in range(8)}
    return {**made, **members()}


OPEN = ("--patience", "1")
SEASON = (
    Episode("upload", ("upload", "BUNDLE"), says=("The server shows what the bundle holds",)),
    Episode("upload again", ("upload", "BUNDLE"), says=("The server shows what the bundle holds",)),
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
            "phase 1, description: the bundle says 'Phase 1.', the server 'All can be told.'",
        ),
    ),
)
