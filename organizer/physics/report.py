"""Make the report: one self-contained HTML file with the table of checks and the figures."""

import base64
import io
from collections.abc import Sequence
from html import escape

from matplotlib.figure import Figure

from lartpc_challenge.page.html_parts import STYLE, document, figure, table
from organizer.physics.checks import Check

_STYLE = """
table { font-size: 13px; }
th, td { padding: .3rem .6rem; border-top: 1px solid var(--line); vertical-align: top; }
td.title, td.source { text-align: left; } td.number { white-space: nowrap; }
td.passed { color: #1b7f3b; } td.failed { color: #b3261e; } td.source { color: var(--soft); }
figure { margin-top: 32px; } img { max-width: 100%; }
"""
_HEADINGS = ("what", "published", "limits", "measured", "odds", "", "source")


def page(checks: Sequence[Check], figures: Sequence[tuple[Figure, str]], how: str) -> str:
    """Return the page as HTML. figures: each with its caption. how: how the samples were made."""
    failed = [check for check in checks if not check.passed]
    verdict = f"{len(failed)} of {len(checks)} checks failed" if failed else "All checks passed"
    images = "\n".join(_image(*drawn) for drawn in figures)
    content = (
        f"<h1>Physics of the simulation</h1>\n<p><strong>{verdict}.</strong> {escape(how)}</p>\n"
        "<p>Measured: in the simulation, with one statistical standard deviation. Limits: they "
        "include the accuracy of the published number and of Geant4's models, and statistics. "
        "Odds: the probability that a simulation with exactly the published mean fails; for all "
        f"checks together {sum(check.odds for check in checks):.1g}.</p>\n"
        f"{table('checks', _HEADINGS, map(_row, checks))}\n{images}"
    )
    return document("Physics of the simulation", STYLE + _STYLE, content)


def line(check: Check) -> str:
    """Return the check as one line of text."""
    return (
        f"{'passed' if check.passed else 'FAILED'}  {check.title}: {_measured(check)} {check.unit}"
        f" (published {check.published:.4g}, limits {check.low:.4g} to {check.high:.4g})"
    )


def _row(check: Check) -> str:
    state = "passed" if check.passed else "failed"
    title = f"{check.title}, {check.unit}" if check.unit else check.title
    numbers = (
        f"{check.published:.4g}", f"{check.low:.4g} to {check.high:.4g}", _measured(check),
        f"{check.odds:.0e}" if check.odds > 1e-15 else "0",
    )  # fmt: skip
    cells = "".join(f'<td class="number">{number}</td>' for number in numbers)
    return (
        f"<tr><td class='title'>{escape(title)}</td>{cells}"
        f'<td class="{state}">{state}</td><td class="source">{escape(check.source)}</td></tr>'
    )


def _measured(check: Check) -> str:
    return f"{check.measured:.4g} \N{PLUS-MINUS SIGN} {check.error:.2g}"


def _image(drawn: Figure, caption: str) -> str:
    image = io.BytesIO()
    drawn.savefig(image, format="png", dpi=120)
    data = base64.b64encode(image.getvalue()).decode()
    alt = escape(caption)
    return figure(alt, f'<img alt="{alt}" src="data:image/png;base64,{data}"/>')
