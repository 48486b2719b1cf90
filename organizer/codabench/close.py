"""The command close: write the final boards of all cycles, with intervals and irregularities.

All submissions are read from the backup, scored again here, and compared with the server's boards.
The report is written as close.md and close.html, the boards as boards.csv.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from lartpc_challenge.format import METRICS, SubmissionError
from lartpc_challenge.page.html_parts import STYLE, document
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission.sandbox import read_guarded
from organizer.codabench.backup import Backup
from organizer.codabench.local import stored
from organizer.codabench.state import write_private
from organizer.codabench.submissions import Submission
from organizer.competition import Phase
from organizer.leaderboard.boards import Board, boards
from organizer.leaderboard.boards import Submission as Ranked
from organizer.leaderboard.tables import as_csv, board_table
from organizer.pages.render import to_html
from organizer.source import Source

_STYLE = "td, th { padding: .2rem .7rem; text-align: left; border-bottom: 1px solid var(--line); }"


@dataclass
class Findings:
    """The irregularities that `close` reports; each attribute is a list of sentences."""

    differences: list[str] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)
    identical: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def final_report(
    kept: Backup,
    phases: Sequence[Phase],
    source: Source,
    shown: dict[int, list[Submission]],
    ends: dict[int, datetime],
) -> tuple[list[Board], Findings]:
    """Compute all boards from a backup with our scorer, and find irregularities.

    shown: number of a phase -> the submissions on its board on the server. ends: number of a phase
    -> the time of its end.
    """
    found, made = Findings(), []
    for public, hidden in zip(phases[::2], phases[1::2]):
        best = _best_of_each(kept, public, source, found)
        if best:
            ours = boards(best, public.cycle, source)
            made += ours
            for phase, board in zip((public, hidden), ours):
                found.differences += _differences(phase, board, shown.get(phase.number, []))
        found.uploads += _uploads(kept, public, hidden, ends)
    for submission, entry in kept.read():
        if entry.get("deleted"):
            scores = ", ".join(str(value.normalize()) for value in submission.scores.values())
            who = f"submission {submission.id} of {submission.owner}, {entry['phase_name']}"
            found.deleted.append(f"{who}, {scores or 'no scores'}: {entry['deleted']}")
    return made, found


def _finished(kept: Backup, phase: Phase) -> Iterator[Submission]:
    for submission, entry in kept.read():
        is_there = not entry.get("deleted") and kept.path(submission.id)
        if entry["phase_number"] == phase.number and submission.finished and is_there:
            yield submission


def _best_of_each(kept: Backup, public: Phase, source: Source, found: Findings) -> list[Ranked]:
    """Read the submissions of the public board, and report identical predictions."""
    manifest = Manifest.from_events(source.test(public.cycle))
    submissions = sorted(_finished(kept, public), key=_place)
    best: dict[str, Ranked] = {}
    owners: dict[bytes, dict[str, int]] = defaultdict(dict)
    for submission in submissions:
        path = kept.path(submission.id)
        assert path is not None
        try:
            pred = read_guarded(path, manifest)
        except SubmissionError as problem:
            found.refused.append(f"submission {submission.id} of {submission.owner}: {problem}")
            continue
        owners[hashlib.sha256(pred.tobytes()).digest()].setdefault(submission.owner, submission.id)
        if submission.owner not in best:
            uploaded = submission.created.timestamp()
            best[submission.owner] = Ranked(submission.owner, path, uploaded, pred)
    for same in owners.values():
        if len(same) > 1:
            who = ", ".join(f"{owner} (submission {number})" for owner, number in same.items())
            found.identical.append(f"{public.name}: {who}")
    return list(best.values())


def _place(submission: Submission) -> tuple:
    """Return the key that sorts like the server's rule Force_Best: by columns, then by time."""
    scores = (submission.scores.get(name, Decimal(-1)) for name in METRICS)
    return (*(-score for score in scores), submission.created)


def _differences(phase: Phase, board: Board, shown: Iterable[Submission]) -> Iterator[str]:
    theirs = {submission.owner: submission.scores for submission in shown}
    for row in board.rows:
        scores = theirs.pop(row.participant, None)
        if scores is None:
            yield f"{phase.name}: {row.participant} is missing on the server's board"
        elif scores != stored(row.scores):
            yield f"{phase.name}: {row.participant} has other scores on the server's board"
    for owner in theirs:
        yield f"{phase.name}: {owner} is only on the server's board"


def _uploads(
    kept: Backup, public: Phase, hidden: Phase, ends: dict[int, datetime]
) -> Iterator[str]:
    """Yield submissions that were uploaded into a hidden phase, or after their phase's end."""
    first: dict[tuple, datetime] = {}  # (owner, sha256) -> first upload to the public phase
    for submission, entry in kept.read():
        if entry["phase_number"] == public.number:
            key = (submission.owner, entry.get("sha256"))
            first[key] = min(first.get(key, submission.created), submission.created)
    for submission, entry in kept.read():
        key = (submission.owner, entry.get("sha256"))
        who = f"submission {submission.id} of {submission.owner}, {submission.created:%d %b %H:%M}"
        if entry["phase_number"] == hidden.number and key not in first:
            yield f"{hidden.name}: {who}, uploaded there"
        if entry["phase_number"] == public.number and first[key] > ends[public.number]:
            yield f"{public.name}: {who}, after the phase's end"


def as_markdown(
    title: str, made: Sequence[Board], found: Findings, sheets: dict[str, dict[str, Any]]
) -> str:
    """Return the report as Markdown. sheets: participant -> answers to the fact sheet."""
    parts = [f"# {_text(title)}: final results\n"]
    for board in made:
        parts.append(_board(board))
    sections = (
        ("Differences between the server's boards and our scorer", found.differences),
        ("Uploads into hidden phases, and after a phase's end", found.uploads),
        ("Identical predictions of different participants", found.identical),
        ("Deleted submissions", found.deleted),
        ("Submissions that our scorer refuses", found.refused),
    )
    for heading, sentences in sections:
        lines = "\n".join(f"- {_text(sentence)}" for sentence in sentences) or "None."
        parts.append(f"## {heading}\n\n{lines}\n")
    parts.append("## Fact sheets\n")
    for owner, answers in sorted(sheets.items()):
        lines = "\n".join(f"- {_text(key)}: {_text(value)}" for key, value in answers.items())
        parts.append(f"### {_text(owner)}\n\n{lines}\n")
    if not sheets:
        parts.append("There are none.\n")
    return "\n".join(parts)


def _board(board: Board) -> str:
    table = board_table(board)
    table["participant"] = table["participant"].map(_text)
    rows = [table.columns, ["---"] * len(table.columns), *table.to_numpy()]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"## {_text(board.phase.name)}\n\n{board.n_events:,} events\n\n{lines}\n"


def _text(value: Any) -> str:
    """Return a text of a participant on one line, safe in Markdown and HTML."""
    line = "".join(c if c.isprintable() else " " for c in str(value))
    return re.sub(r"([\\`*_{}\[\]()#+!|~-])", r"\\\1", html.escape(" ".join(line.split()), False))


def write_report(folder: Path, title: str, markdown: str, made: Sequence[Board]) -> None:
    """Write close.md, close.html and boards.csv, readable by their owner only."""
    page = document(title, STYLE + _STYLE, to_html(markdown))
    for name, text in (("close.md", markdown), ("close.html", page), ("boards.csv", as_csv(made))):
        write_private(folder / name, text)


def fact_sheets(kept: Backup) -> dict[str, dict[str, Any]]:
    """Return the fact sheet of each participant, from the latest submission that has one."""
    return {one.owner: one.fact_sheet for one, _ in kept.read() if one.fact_sheet}
