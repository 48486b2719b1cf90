"""Make the report: one self-contained HTML file with the table of checks and the figures."""

import base64
import io
from collections.abc import Sequence
from html import escape

from matplotlib.figure import Figure

from lartpc_challenge.page.html_parts import document
from organizer.physics.checks import Check

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: #fff; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { padding: .3rem .6rem; text-align: left; border-bottom: 1px solid #ddd;
         vertical-align: top; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.passed { color: #1b7f3b; font-weight: 600; } td.failed { color: #b3261e; font-weight: 600; }
td.source { color: #555; font-size: 12px; } figure { margin: 2rem 0; } img { max-width: 100%; }
figcaption { color: #555; }
"""
_HEADINGS = ("what", "published", "limits", "measured", "odds", "", "source")


def page(checks: Sequence[Check], figures: dict[str, tuple[Figure, str]], how: str) -> str:
    """Return the page as HTML. figures: name -> figure, caption. how: how the samples were made."""
    failed = [check for check in checks if not check.passed]
    verdict = (
        f"{len(failed)} of {len(checks)} checks failed"
        if failed
        else f"All {len(checks)} checks passed"
    )
    rows = "\n".join(map(_row, checks))
    head = "".join(f"<th>{heading}</th>" for heading in _HEADINGS)
    images = "\n".join(_figure(name, *drawn) for name, drawn in figures.items())
    content = (
        f"<h1>Physics of the simulation</h1>\n<p><strong>{verdict}.</strong> {escape(how)}</p>\n"
        "<p>Measured: in the simulation, with one statistical standard deviation. Limits: they "
        "include the accuracy of the published number and of Geant4's models, and statistics. "
        "Odds: the probability that a simulation with exactly the published mean fails; for all "
        f"checks together {sum(check.odds for check in checks):.1g}.</p>\n"
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>\n{images}"
    )
    return document("Physics of the simulation", _STYLE, content)


def line(check: Check) -> str:
    """Return the check as one line of text."""
    return (
        f"{'passed' if check.passed else 'FAILED'}  {check.title}: {_measured(check)} {check.unit}"
        f" (published {check.published:.4g}, limits {check.low:.4g} to {check.high:.4g})"
    )


def _row(check: Check) -> str:
    state = "passed" if check.passed else "failed"
    unit = f" {check.unit}" if check.unit else ""
    numbers = (
        f"{check.published:.4g}", f"{check.low:.4g} to {check.high:.4g}", _measured(check),
        f"{check.odds:.0e}" if check.odds > 1e-15 else "0",
    )  # fmt: skip
    cells = "".join(f'<td class="number">{number}</td>' for number in numbers)
    return (
        f"<tr><td>{escape(check.title)}{',' if unit else ''}{escape(unit)}</td>{cells}"
        f'<td class="{state}">{state}</td><td class="source">{escape(check.source)}</td></tr>'
    )


def _measured(check: Check) -> str:
    return f"{check.measured:.4g} \N{PLUS-MINUS SIGN} {check.error:.2g}"


def _figure(name: str, figure: Figure, caption: str) -> str:
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    data = base64.b64encode(image.getvalue()).decode()
    return (
        f'<figure id="{name}"><img alt="{escape(caption)}" src="data:image/png;base64,{data}"/>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
