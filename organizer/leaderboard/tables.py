"""Write the boards as plain text and as CSV."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from lartpc_challenge.format import METRICS
from organizer.leaderboard.boards import Board, Row


def as_text(boards: Sequence[Board], refused: Sequence[str]) -> str:
    """Return all boards as plain text tables, and the sentences of `refused`."""
    parts = [_board_text(board) for board in boards]
    if any(row.tied for board in boards for row in board.rows):
        parts.append("= all scores are equal to those above; the earlier upload is first")
    if refused:
        sentences = (sentence.replace("\n", "\n    ") for sentence in refused)
        parts.append("\n  ".join(("Refused:", *sentences)))
    return "\n\n".join(parts) + "\n"


def _board_text(board: Board) -> str:
    table, wide = board_table(board), max(len(row.participant) for row in board.rows)
    table["participant"] = table["participant"].str.ljust(wide)
    table.columns = ["", " " * wide, *table.columns[2:]]
    return f"{board.phase.name}, {board.n_events:,} events\n{table.to_string(index=False)}"


def board_table(board: Board) -> pd.DataFrame:
    """Return a board as texts: rank, participant, each score with its interval, lead."""
    columns = [
        ("#", [rank_text(row) for row in board.rows]),
        ("participant", [row.participant for row in board.rows]),
    ]
    for name in METRICS:
        columns.append((name, [f"{row.scores[name]:.4f}" for row in board.rows]))
        intervals = [row.intervals[name] for row in board.rows]
        columns.append(("95 %", [f"{low:.4f}-{high:.4f}" for low, high in intervals]))
    columns.append(("lead on the next", [_lead_text(row) for row in board.rows]))
    names, values = zip(*columns)
    return pd.DataFrame(zip(*values), columns=names)


def rank_text(row: Row) -> str:
    """Return the rank as text: `2`, or `=2` if the scores are equal to those of the line above."""
    return f"{'=' if row.tied else ''}{row.rank}"


def _lead_text(row: Row) -> str:
    """Return the lead as text: `+0.0123 (+0.0011 to +0.0240) p = 0.03`; empty in the last line."""
    if row.p is None or row.lead_interval is None:
        return ""
    low, high = row.lead_interval
    return f"{row.lead:+.4f} ({low:+.4f} to {high:+.4f}) p = {row.p:.2g}"


def as_frame(boards: Sequence[Board]) -> pd.DataFrame:
    """Return a data frame with one line per row of each board; NaN where there is no lead."""
    return pd.DataFrame(
        {
            "phase": board.phase.name,
            "rank": row.rank,
            "participant": row.participant,
            "submission": row.submission,
            **row.scores,
            **{
                f"{name}_{end}": bound
                for name, interval in row.intervals.items()
                for end, bound in zip(("low", "high"), interval)
            },
            "tied": row.tied,
            "lead": row.lead,
            **dict(zip(("lead_low", "lead_high"), row.lead_interval or (None, None))),
            "lead_p": row.p,
        }
        for board in boards
        for row in board.rows
    )


def as_csv(boards: Sequence[Board]) -> str:
    """Return `as_frame` as CSV, with names that are safe in spreadsheets."""
    frame = as_frame(boards)
    frame["tied"] = frame["tied"].astype(int)
    for column in ("participant", "submission"):
        frame[column] = frame[column].map(as_cell)
    return frame.to_csv(index=False)


def as_cell(name: str) -> str:
    """Return a `readable` name for a spreadsheet: one that looks like a formula gets a `'`."""
    return "'" + name if name.startswith(("=", "+", "-", "@", "'")) else name
