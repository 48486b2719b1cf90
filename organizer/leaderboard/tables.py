"""The boards as plain text and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from lartpc_challenge.format import METRICS
from organizer.leaderboard.boards import Board, Row


def as_text(boards: Sequence[Board], refused: Sequence[str]) -> str:
    """All boards as plain tables."""
    parts = [_board_text(board) for board in boards]
    if any(row.tied for board in boards for row in board.rows):
        parts.append("= all scores equal those above; the earlier upload stands first")
    if refused:
        sentences = (sentence.replace("\n", "\n    ") for sentence in refused)
        parts.append("\n  ".join(("Refused:", *sentences)))
    return "\n\n".join(parts) + "\n"


def _board_text(board: Board) -> str:
    wide = max(len(row.participant) for row in board.rows)
    heads = "".join(f"{name:>10}  {'95 %':<14}" for name in METRICS)
    lines = [
        f"{board.name}, {board.n_events:,} events",
        f"{'':>4} {'':<{wide}}{heads}lead on the next".rstrip(),
    ]
    for row in board.rows:
        scores = "".join(
            f"{row.scores[name]:>10.4f}  {low:.4f}-{high:.4f} "
            for name, (low, high) in row.intervals.items()
        )
        line = f"{rank_text(row):>4} {row.participant:<{wide}}{scores}{_lead_text(row)}"
        lines.append(line.rstrip())
    return "\n".join(lines)


def rank_text(row: Row) -> str:
    """`2`, or `=2` where its scores equal those of the line above."""
    return f"{'=' if row.tied else ''}{row.rank}"


def _lead_text(row: Row) -> str:
    """`+0.0123 (+0.0011 to +0.0240) p = 0.03`; empty for the last one."""
    if row.p is None:
        return ""
    low, high = row.lead_interval
    return f"{row.lead:+.4f} ({low:+.4f} to {high:+.4f}) p = {row.p:.2g}"


def as_csv(boards: Sequence[Board]) -> str:
    """One line for each row of each board."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    bounds = [f"{name}_{end}" for name in METRICS for end in ("low", "high")]
    leads = ("tied", "lead", "lead_low", "lead_high", "lead_p")
    writer.writerow(["phase", "rank", "participant", "submission", *METRICS, *bounds, *leads])
    for board in boards:
        for row in board.rows:
            writer.writerow(
                [
                    board.name,
                    row.rank,
                    row.participant,
                    row.submission,
                    *(row.scores[name] for name in METRICS),
                    *(bound for name in METRICS for bound in row.intervals[name]),
                    int(row.tied),
                    row.lead,
                    *(row.lead_interval or ("", "")),
                    row.p,
                ]
            )
    return text.getvalue()
