"""Make the HTML page of the boards, without scripts or other files."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from lartpc_challenge.format import METRICS
from lartpc_challenge.page.html_parts import STYLE, class_style, document, table
from organizer.leaderboard.boards import N_RESAMPLES, Board, Row
from organizer.leaderboard.tables import rank_text

_CERTAIN = 0.05
_WIDTH, _HEIGHT = 260, 22


def page(boards: Sequence[Board], refused: Sequence[str]) -> str:
    """Return the page as HTML text, which is well-formed XML."""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in refused)
    links = " ".join(f"<a href='#phase{b.phase.number}'>{escape(b.phase.name)}</a>" for b in boards)
    content = (
        "<header><p class='over'>LArTPC challenge</p><h1>Leaderboard</h1>"
        f"<nav class='c1'>{links}</nav></header>\n"
        + "\n".join(map(_board, boards))
        + (f"<section class='card'><h2>Refused</h2><ul>{items}</ul></section>" if items else "")
        + _NOTES
    )
    return document(
        "LArTPC challenge: leaderboard",
        STYLE + class_style(boards[0].phase.cycle) + _STYLE,
        content,
    )


def _board(board: Board) -> str:
    ranked_by, *others = METRICS
    lows, highs = zip(*(row.intervals[ranked_by] for row in board.rows))
    trivial = {name: scores[ranked_by] for name, scores in board.trivial.items()}
    scale = _Scale(min(*lows, *trivial.values(), 1), max(*highs, *trivial.values(), 0))
    heads = ("#", "Participant", ranked_by, scale.labels(), *others, "Lead on the next", "p")
    legend = ", ".join(f"{escape(name)} {value:.4f}" for name, value in trivial.items())
    return (
        f"<section id='phase{board.phase.number}' class='card c1'>"
        f"<h2>{escape(board.phase.name)}</h2>"
        f"<p class='lead'>{board.n_events:,} events"
        + (f"; dotted: trivial baselines, {legend}" if legend else "")
        + "</p>"
        + table("board", heads, (_row(row, scale, trivial) for row in board.rows))
        + "</section>"
    )


def _row(row: Row, scale: _Scale, trivial: dict[str, float]) -> str:
    ranked_by, *others = METRICS
    return (
        f"<tr><td class='rank'>{rank_text(row)}</td>"
        f"<th scope='row' title='{escape(row.submission)}'>{escape(row.participant)}</th>"
        f"<td class='strong'>{row.scores[ranked_by]:.4f}</td>"
        f"<td>{scale.interval(row.scores[ranked_by], row.intervals[ranked_by], trivial)}</td>"
        + "".join(f"<td>{_score(row, name)}</td>" for name in others)
        + _lead(row)
        + "</tr>"
    )


def _score(row: Row, name: str) -> str:
    low, high = row.intervals[name]
    return f"{row.scores[name]:.4f}<small>{low:.4f} to {high:.4f}</small>"


def _lead(row: Row) -> str:
    if row.p is None or row.lead_interval is None:
        return "<td></td><td></td>"
    low, high = row.lead_interval
    weight = " class='strong'" if row.p < _CERTAIN else ""
    return (
        f"<td>{row.lead:+.4f}<small>{low:+.4f} to {high:+.4f}</small></td>"
        f"<td{weight}>{row.p:.2g}</td>"
    )


class _Scale:
    """A linear scale from scores to pixels, the same in all rows of a board."""

    def __init__(self, low: float, high: float):
        margin = 0.04 * (high - low) or 0.01
        self._low, self._high = max(0, low - margin), min(1, high + margin)

    def __call__(self, value: float) -> float:
        return _WIDTH * (value - self._low) / (self._high - self._low)

    def labels(self) -> str:
        return (
            f"<span class='ends'><span>{self._low:.3f}</span><span>{self._high:.3f}</span></span>"
        )

    def interval(self, value: float, interval: tuple, trivial: dict[str, float]) -> str:
        low, high = interval
        middle = _HEIGHT / 2
        dotted = "".join(
            f"<path class='trivial' d='M{self(v):.1f},0V{_HEIGHT}'/>" for v in trivial.values()
        )
        return (
            f"<svg role='img' viewBox='0 0 {_WIDTH} {_HEIGHT}'>"
            f"<title>95 % interval {low:.4f} to {high:.4f}</title>{dotted}"
            f"<path class='interval' d='M{self(low):.1f},{middle}H{self(high):.1f}'/>"
            f"<circle class='dot' cx='{self(value):.1f}' cy='{middle}' r='4.5'/></svg>"
        )


_NOTES = (
    "<footer><h2>How to read it</h2><p>In a public phase the best submission of "
    "each participant is on the board; it moves to the hidden phase and is scored there on the "
    "hidden events. Ranked by "
    + ", then ".join(METRICS)
    + ", then the earlier upload, as on Codabench, which has no shared ranks; <b>=</b> marks a "
    "line with the same scores as the line above.</p><p>Intervals contain 95 % of a score's values "
    "over resampled events. The lead on the next line has an interval and a p-value from a paired "
    f"bootstrap of {METRICS[0]}: both are scored on the same {N_RESAMPLES:,} resamples of the "
    "events, and p is twice the share of resamples with the opposite order. A p below "
    f"{_CERTAIN}, in bold, means that the order is probably not chance; it is not corrected for "
    "the number of pairs.</p></footer>"
)

# The accent is the blue of the first class.
_STYLE = """
.c1 { --mark: var(--class); }
header { display: block; }
nav { margin-top: 10px; display: flex; flex-wrap: wrap; gap: 6px 14px; }
a { color: rgb(var(--mark)); }
.card + .card { margin-top: 22px; }
th, td { padding: 8px 10px; border-top: 1px solid var(--line); }
td, thead th { white-space: nowrap; }
thead th { border-top: 0; font-size: 13px; text-align: right; }
th:nth-child(2) { text-align: left; }
tbody th, .strong { font-weight: 650; }
.rank, small { color: var(--soft); }
small { display: block; font-size: 12px; }
svg, .ends { width: 260px; }
svg { height: 22px; overflow: visible; }
.ends { display: flex; justify-content: space-between; }
.interval { stroke-width: 6; stroke-linecap: round; }
.trivial { stroke-width: 1.2; stroke-dasharray: 2 3; }
footer p + p { margin-top: 8px; }
"""
