"""The boards as one HTML page: no script, nothing from outside, readable by day and by night."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from lartpc_challenge.format import METRICS
from lartpc_challenge.html_parts import document

from .boards import N_RESAMPLES, Board, Row
from .tables import rank_text

_CERTAIN = 0.05
_WIDTH, _HEIGHT = 260, 22


def page(boards: Sequence[Board], refused: Sequence[str]) -> str:
    """The whole page as text, well-formed XML."""
    links = " ".join(f"<a href='#phase{b.phase}'>{escape(b.name)}</a>" for b in boards)
    content = (
        "<header><p class='over'>LArTPC challenge</p><h1>Leaderboard</h1>"
        f"<nav>{links}</nav></header>\n"
        + "\n".join(map(_board, boards))
        + _refused(refused)
        + _NOTES
    )
    return document("LArTPC challenge: leaderboard", _STYLE, content)


def _board(board: Board) -> str:
    ranked_by, *others = METRICS
    lows, highs = zip(*(row.intervals[ranked_by] for row in board.rows))
    trivial = {name: scores[ranked_by] for name, scores in board.trivial.items()}
    scale = _Scale(min(*lows, *trivial.values(), 1), max(*highs, *trivial.values(), 0))
    heads = "".join(f"<th class='number'>{name}</th>" for name in others)
    legend = ", ".join(f"{escape(name)} {value:.4f}" for name, value in trivial.items())
    return (
        f"<section id='phase{board.phase}'><h2>{escape(board.name)}</h2>"
        f"<p class='soft'>{board.n_events:,} events"
        + (f"; dotted: trivial baselines, {legend}" if legend else "")
        + "</p><div class='scroll'><table><thead><tr><th class='number'>#</th><th>Participant</th>"
        f"<th class='number'>{ranked_by}</th><th>{scale.labels()}</th>{heads}"
        "<th class='number'>Lead on the next</th><th class='number'>p</th></tr></thead><tbody>"
        + "".join(_row(row, scale, trivial) for row in board.rows)
        + "</tbody></table></div></section>"
    )


def _row(row: Row, scale: _Scale, trivial: dict[str, float]) -> str:
    ranked_by, *others = METRICS
    return (
        f"<tr><td class='number rank'>{rank_text(row)}</td>"
        f"<th scope='row' title='{escape(row.submission)}'>{escape(row.participant)}</th>"
        f"<td class='number strong'>{row.scores[ranked_by]:.4f}</td>"
        f"<td>{scale.interval(row.scores[ranked_by], row.intervals[ranked_by], trivial)}</td>"
        + "".join(f"<td class='number'>{_score(row, name)}</td>" for name in others)
        + _lead(row)
        + "</tr>"
    )


def _score(row: Row, name: str) -> str:
    low, high = row.intervals[name]
    return f"{row.scores[name]:.4f}<small>{low:.4f} to {high:.4f}</small>"


def _lead(row: Row) -> str:
    if row.p is None:
        return "<td></td><td></td>"
    low, high = row.lead_interval
    certain = " certain" if row.p < _CERTAIN else ""
    return (
        f"<td class='number'>{row.lead:+.4f}<small>{low:+.4f} to {high:+.4f}</small></td>"
        f"<td class='number{certain}'>{row.p:.2g}</td>"
    )


class _Scale:
    """From a score to a place in a row's drawing, the same in all rows of a board."""

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
            f"<circle class='mark' cx='{self(value):.1f}' cy='{middle}' r='4.5'/></svg>"
        )


def _refused(sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<section><h2>Refused</h2><ul>{items}</ul></section>"


_NOTES = (
    "<section class='notes'><h2>How to read it</h2><p>In a public phase the best submission of "
    "each participant stands on the board; that one moves on to the hidden phase and is scored "
    "there on the hidden events. Ranked by "
    + ", then ".join(METRICS)
    + ", then the earlier upload, as Codabench does, which numbers the lines and shares no rank; "
    "<b>=</b> marks a line whose scores equal those above it.</p><p>Intervals hold 95 % of a score "
    "over resampled events. The lead on the next line comes with its interval and p from a paired "
    f"bootstrap of {METRICS[0]}: both are scored on the same {N_RESAMPLES:,} resamples of the "
    "events, p is twice the share of them in which the two change places. A p below "
    f"{_CERTAIN}, in bold, says that their order is hardly chance; it is not corrected for the "
    "number of pairs.</p></section>"
)

_STYLE = """
:root{--ground:#f6f7f9;--card:#fff;--ink:#1b2330;--soft:#596474;--line:#e2e6eb;--accent:#2468b4}
@media(prefers-color-scheme:dark){:root{--ground:#12161d;--card:#1b212b;--ink:#e8ecf2;
--soft:#a0abbb;--line:#2d3643;--accent:#66a4ea}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 20px 64px}
h1{margin:0;font-size:30px;letter-spacing:-.02em}h2{margin:0;font-size:19px}
.over{margin:0;color:var(--soft);font-size:13px;letter-spacing:.06em;text-transform:uppercase}
nav{margin-top:10px;display:flex;flex-wrap:wrap;gap:6px 14px}a{color:var(--accent)}
section{margin-top:22px;padding:20px 22px;background:var(--card);border:1px solid var(--line);
border-radius:12px}
.soft{margin:2px 0 12px;color:var(--soft)}.scroll{overflow-x:auto}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:8px 10px;border-top:1px solid var(--line);text-align:left;vertical-align:middle}
thead th{border-top:0;color:var(--soft);font-size:13px;font-weight:500;vertical-align:bottom}
tbody th{font-weight:600}.number{text-align:right;white-space:nowrap}
.strong,.certain{font-weight:700}.rank{color:var(--soft)}
small{display:block;color:var(--soft);font-size:12px;font-weight:400}
svg{display:block;width:260px;height:22px;overflow:visible}
.ends{display:flex;justify-content:space-between;width:260px}
.interval{stroke:var(--accent);stroke-width:6;stroke-linecap:round;opacity:.4}
.mark{fill:var(--accent)}.trivial{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:2 3}
.notes{background:none;border:0;padding:0 22px;color:var(--soft)}.notes h2{font-size:15px}
"""
