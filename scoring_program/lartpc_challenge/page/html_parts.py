"""Parts of HTML pages and their style, in light and dark colours.

Used by the page of detailed results, the event display and the organisers' pages. The result is
well-formed XML if the given contents are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape

from lartpc_challenge.cycles import Cycle, Rgb
from lartpc_challenge.page.colours import INK, LINE, PAGE, SOFT, on_dark, on_light


def document(title: str, style: str, content: str) -> str:
    """Return an HTML file. title: plain text. style: CSS. content: HTML of the main element."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n"
        f"<body><main>\n{content}\n</main></body></html>\n"
    )


def section(title: str, lead: str, left: str, right: str) -> str:
    """Return two figures side by side, under a heading and a sentence. All texts are HTML."""
    return f"<h2>{title}</h2><p class='lead'>{lead}</p><div class='two'>{left}{right}</div>"


def figure(title: str, content: str) -> str:
    """Return a card with a title around HTML content."""
    return f"<figure class='card'><figcaption>{title}</figcaption>{content}</figure>"


def table(kind: str, heads: Iterable[str], rows: Iterable[str]) -> str:
    """Return a table. kind: its CSS classes. heads: HTML of the head's cells. rows: HTML of rows.

    A table of the class `many` has upright names in its head, and all the width of the page.
    """
    head = "".join(f"<th scope='col'>{cell}</th>" for cell in heads)
    body = "".join(rows)
    return f"<table class='{kind}'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def chip(label: int, name: str) -> str:
    """Return the name of a class (plain text) with a square in its colour before it."""
    # Allow a line break after a slash, for narrow columns.
    text = escape(name).replace("/", "/<wbr/>")
    return f"<span class='chip c{label:d}'></span><span class='name'>{text}</span>"


def percent(share: float) -> str:
    """Return a share as percent with one decimal; a dash for NaN."""
    return "\N{EN DASH}" if math.isnan(share) else f"{100 * share:.1f}"


def class_style(cycle: Cycle) -> str:
    """Return the CSS classes c0, c1, ... with the colours of the cycle's labels."""
    dark = f"@media (prefers-color-scheme: dark) {{ {_class_colours(on_dark(cycle))} }}"
    return f"{_class_colours(on_light(cycle))}\n{dark}\n"


def _class_colours(colours: tuple[Rgb, ...]) -> str:
    return " ".join(
        f".c{label} {{ --class: {r} {g} {b}; }}" for label, (r, g, b) in enumerate(colours)
    )


STYLE = (
    f"""
:root {{ color-scheme: light dark;
  --page: {PAGE}; --card: #fff; --line: {LINE}; --ink: {INK}; --soft: {SOFT};
"""
    + """  --mark: 58 82 118; --alert: #7a4300; --alert-page: #fff3dd; }
@media (prefers-color-scheme: dark) { :root {
  --page: #0f1319; --card: #181e27; --line: #2a323e; --ink: #e8ecf2; --soft: #9ba6b5;
  --mark: 150 176 214; --alert: #ffcb80; --alert-page: #2d2312; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui,
  -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; }
main { max-width: 1152px; margin: 0 auto; padding: 24px 28px 40px; }
p, h1, h2, figure, dl, dd { margin: 0; }
header { display: flex; justify-content: space-between; align-items: flex-end; gap: 24px;
  margin-bottom: 18px; color: var(--soft); }
.over { font-size: 13px; letter-spacing: .02em; }
h1 { font-size: 28px; line-height: 1.2; letter-spacing: -.01em; color: var(--ink); }
h2 { font-size: 18px; line-height: 1.3; }
main > h2 { margin-top: 34px; }
.lead { color: var(--soft); margin: 2px 0 12px; }
.alert { color: var(--alert); background: var(--alert-page); border-radius: 8px;
  padding: 8px 14px; margin-bottom: 18px; font-size: 14px; }
.alert strong { letter-spacing: .06em; margin-right: 8px; }
.three, .two { display: grid; gap: 16px; }
@media (min-width: 880px) { .three { grid-template-columns: 1fr 1fr 1fr; } }
@media (min-width: 1040px) { .two { grid-template-columns: 1fr 1fr; } }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 18px 20px; min-width: 0; overflow-x: auto; }
figcaption { font-weight: 600; margin-bottom: 10px; }
.score h2 { font: 600 14px/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  color: var(--soft); }
.big { font-size: 40px; font-weight: 650; line-height: 60px; letter-spacing: -.02em; }
.score:first-child .big { font-size: 54px; }
.range, .meaning { color: var(--soft); font-size: 13.5px; }
.meaning { border-top: 1px solid var(--line); margin-top: 10px; padding-top: 8px; }
.score svg { margin: 10px 0 8px; max-width: 360px; }
.score table { font-size: 13.5px; }
.score td, .score th { padding: 1px 0; }
table { width: 100%; border-collapse: collapse; }
th { font-weight: 400; text-align: left; color: var(--soft); }
td { text-align: right; }
.confusion, .classes { font-size: 14px; }
.confusion { border-collapse: separate; border-spacing: 3px; table-layout: fixed; }
.confusion thead th { vertical-align: bottom; }
.confusion thead .chip { display: block; margin: 0 auto 4px; }
.confusion td { text-align: center; padding: 13px 6px; border-radius: 6px; }
.confusion th, .classes th { padding: 6px 8px 6px 0; }
.confusion th:first-child, .classes th:first-child { width: 10.5em; }
.confusion thead th + th { text-align: center; padding-right: 0; }
.confusion td.wrong { background: rgb(var(--mark) / calc(.05 + .45 * var(--share))); }
.confusion td.right { background: rgb(var(--class) / calc(.08 + .3 * var(--share)));
  font-weight: 650; }
.classes { table-layout: fixed; }
.classes thead th + th { text-align: right; padding-right: 0; }
.classes td { padding: 11px 0 11px 18px; border-top: 1px solid var(--line); }
.classes tbody th { border-top: 1px solid var(--line); }
tbody th { color: var(--ink); }
.means { color: var(--soft); font-size: 14px; margin-top: 10px; }
.means strong { color: var(--ink); }
.two:has(.many) { grid-template-columns: 1fr; }
.many { table-layout: auto; }
.many thead .chip { display: block; margin: 0 auto 4px; }
.many thead .name { display: inline-block; writing-mode: vertical-rl; transform: rotate(180deg);
  max-height: 15em; text-align: left; }
.chip { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 7px;
  background: rgb(var(--class)); }
.meter, .meter span { display: block; height: 4px; border-radius: 2px; }
.meter { background: var(--line); margin-top: 3px; }
.meter span { background: rgb(var(--class)); }
svg { display: block; width: 100%; height: auto; }
svg text { font-size: 12px; fill: var(--soft); }
svg .value { fill: var(--ink); font-weight: 600; }
.grid, .tick { stroke: var(--line); }
.tick { stroke: var(--soft); }
.bar { fill: rgb(var(--mark)); }
.block { fill: rgb(var(--mark) / .35); }
.trend { fill: none; stroke: rgb(var(--mark) / .45); stroke-width: 1.5; }
.guide { stroke: rgb(var(--mark) / .7); stroke-dasharray: 3 4; }
.dot { fill: rgb(var(--mark)); stroke: var(--card); stroke-width: 1.5; }
.error { stroke: rgb(var(--mark)); stroke-width: 1.5; }
.rail { stroke: var(--line); stroke-width: 4; stroke-linecap: round; }
.interval { stroke: rgb(var(--mark) / .45); stroke-width: 8; }
.score-mark { stroke: rgb(var(--mark)); stroke-width: 3; stroke-linecap: round; }
.trivial { stroke: var(--soft); stroke-width: 2; }
footer { margin-top: 34px; color: var(--soft); font-size: 14px; }
footer h2 { color: var(--ink); margin-bottom: 8px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 3px 18px; }
dt { color: var(--ink); }
@media (max-width: 560px) {
  main { padding: 16px 12px 32px; }
  header, dl { display: block; }
  dt { margin-top: 8px; }
  .card { padding: 14px 12px; }
  .confusion, .classes { font-size: 13px; }
  .confusion th:first-child, .classes th:first-child { width: 6.6em; }
  .confusion thead th + th { padding: 6px 0; }
  .confusion thead .name { display: inline-block; writing-mode: vertical-rl;
    transform: rotate(180deg); }
  .confusion td { padding: 13px 0; }
  .classes td { padding-left: 6px; }
  svg text { font-size: 13.5px; } }
"""
)
