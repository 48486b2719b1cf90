"""The page of detailed results: one self-contained HTML file without script.

It sees `Scores` alone, and so nothing that a participant must not see. Readable in a platform's
frame and at full width, by day and by night; well-formed XML, so that a test can read every number.
"""

from __future__ import annotations

import math
from html import escape

from . import charts
from .colours import ON_DARK, ON_LIGHT
from .format import CLASS_NAMES, SemanticLabel, phase_name
from .scoring import Details, Scores

_MEANING = {
    "acc_at_80": "One event in five is better. Ranks first.",
    "acc_at_50": "The median event. Decides ties.",
    "acc_mean": "The mean over events. Decides further ties.",
}
_DEMONSTRATION = (
    "<p class='alert'><strong>DEMONSTRATION</strong> The hidden labels of these events are public. "
    "Scores on them show how the challenge works; they rank nobody.</p>"
)


def page(scores: Scores) -> str:
    """The whole page as text. A hidden phase's page says that it is hidden, and nothing else."""
    body = _details(scores, scores.details) if scores.details else _HIDDEN
    alert = _DEMONSTRATION if scores.scale == "demonstration" else ""
    content = f"{_header(scores)}\n{alert}\n{body}"
    return document(f"LArTPC challenge: {_place(scores)}", STYLE, content)


def document(title: str, style: str, content: str) -> str:
    """An HTML file, well-formed XML where `content` is. title: plain text; content: all of main."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n"
        f"<body><main>\n{content}\n</main></body></html>\n"
    )


def _place(scores: Scores) -> str:
    return "your own hold-out" if scores.phase is None else phase_name(scores.phase)


def _header(scores: Scores) -> str:
    place = _place(scores)
    counts = ""
    if scores.details:
        skipped = scores.details.n_skipped
        counts = f"<p>{scores.details.n_events:,} events scored" + (
            f", {skipped:,} without a labelled voxel skipped</p>" if skipped else "</p>"
        )
    return (
        f"<header><div><p class='over'>LArTPC challenge · cycle {scores.cycle.number}</p>"
        f"<h1>{place[0].upper() + place[1:]}</h1></div>{counts}</header>"
    )


_HIDDEN = (
    "<section class='card'><h2>This phase is hidden</h2>"
    "<p class='lead'>The submission was read and scored. Nothing else is shown here: its scores "
    "stand on the leaderboard, once the organisers show it.</p></section>"
)


def _details(scores: Scores, details: Details) -> str:
    names = {label: CLASS_NAMES[label] for label in scores.cycle.labels}
    marks = [(percent, value, f"{value:.3f}") for percent, value in details.quantiles.items()]
    for percent, name in ((50, "acc_at_50"), (80, "acc_at_80")):
        value = scores.leaderboard[name]
        marks.append((percent, value, f"{value:.4f}"))
    return "\n".join(
        [
            "<div class='three'>" + "".join(score_card(scores, n) for n in _MEANING) + "</div>",
            section(
                "From event to event",
                "The accuracy of an event is the share of its labelled voxels that are predicted "
                "right; every event counts alike.",
                figure("Events in each 0.02 of accuracy", charts.histogram(details.histogram)),
                figure("Events up to an accuracy", charts.cumulative(details.cumulative, marks)),
            ),
            section(
                "From class to class",
                "All labelled voxels of all events together, so that large events count more here.",
                figure("What the voxels of a class were taken for / %", _confusion(details, names)),
                figure("Each class by itself / %", _class_table(details, names)),
            ),
            section(
                "From small events to large ones",
                "Mean accuracy in bins of at least twenty events; bars are the standard error.",
                profile(details.by_energy, "total energy of the event / MeV"),
                profile(details.by_voxels, "voxels in the event"),
            ),
            _NOTES,
        ]
    )


def section(title: str, lead: str, left: str, right: str) -> str:
    """Two figures beside each other under a heading and a sentence; all are HTML."""
    return f"<h2>{title}</h2><p class='lead'>{lead}</p><div class='two'>{left}{right}</div>"


def figure(title: str, content: str) -> str:
    """A card around HTML content."""
    return f"<figure class='card'><figcaption>{title}</figcaption>{content}</figure>"


def score_card(scores: Scores, name: str) -> str:
    """One score of a public phase: its value, interval, and distance to the trivial baselines."""
    value, details = scores.leaderboard[name], scores.details
    low, high = details.intervals[name]
    baselines = {baseline: values[name] for baseline, values in details.trivial.items()}
    rows = "".join(
        f"<tr><th scope='row'>{escape(baseline)}</th><td>{other:.4f}</td>"
        f"<td>{_points(value - other)} points</td></tr>"
        for baseline, other in baselines.items()
    )
    # The same line for all three cards.
    start = min(
        *(low for low, _ in details.intervals.values()),
        *(other for values in details.trivial.values() for other in values.values()),
    )
    drawing = charts.track(f"{name} and trivial baselines", value, (low, high), baselines, start)
    return (
        f"<section class='card score'><h2>{name}</h2><p class='big'>{value:.4f}</p>"
        f"<p class='range'>95 % interval {low:.3f} to {high:.3f}</p>{drawing}"
        + (f"<table><tbody>{rows}</tbody></table>" if rows else "")
        + f"<p class='meaning'>{_MEANING[name]}</p></section>"
    )


def profile(bins, quantity: str) -> str:
    """Accuracy in ProfileBins of a quantity of the event, or why there are none."""
    title = f"Accuracy against {quantity}"
    if not bins:
        return figure(title, "<p class='lead'>Fewer than twenty events: too few for bins.</p>")
    return figure(title, charts.profile(bins, quantity))


def chip(label: int, name: str) -> str:
    """A class's name (plain text) behind a spot of its colour."""
    # A narrow column may break the name after a slash.
    text = escape(name).replace("/", "/<wbr/>")
    return f"<span class='chip c{label:d}'></span>{text}"


def _confusion(details: Details, names: dict[SemanticLabel, str]) -> str:
    columns = {SemanticLabel.EMPTY: "nothing", **names}
    head = "".join(f"<th scope='col'>{chip(c, name)}</th>" for c, name in columns.items())
    rows = "".join(
        f"<tr><th scope='row'>{chip(true, name)}</th>"
        + "".join(
            f"<td class='{f'right c{true:d}' if true == label else 'wrong'}' "
            f"style='--share:{_plain(share)}'>{percent(share)}</td>"
            for label, share in zip(columns, shares)
        )
        + "</tr>"
        for (true, name), shares in zip(names.items(), details.confusion)
    )
    return (
        f"<table class='confusion'><thead><tr><th scope='col'>true ↓ predicted →</th>{head}</tr>"
        f"</thead><tbody>{rows}</tbody></table>"
    )


def _class_table(details: Details, names: dict[SemanticLabel, str]) -> str:
    columns = ("class", "of all voxels", "recall", "precision", "IoU")
    head = "".join(f"<th scope='col'>{column}</th>" for column in columns)
    measures = zip(details.class_share, details.recall, details.precision, details.iou)
    rows = "".join(
        f"<tr><th scope='row'>{chip(label, name)}</th>"
        + "".join(
            f"<td>{percent(value)}<span class='meter c{label:d}'>"
            f"<span style='width:{100 * _plain(value):.1f}%'></span></span></td>"
            for value in values
        )
        + "</tr>"
        for (label, name), values in zip(names.items(), measures)
    )
    return f"<table class='classes'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def percent(share: float) -> str:
    """A share in percent, to 0.1; a dash for NaN."""
    return "\N{EN DASH}" if math.isnan(share) else f"{100 * share:.1f}"


def _points(difference: float) -> str:
    return f"{100 * difference:+.2f}".replace("-", "\N{MINUS SIGN}")


def _plain(share: float) -> float:
    return 0.0 if math.isnan(share) else share


_NOTES = (
    "<footer><h2>How to read this page</h2>"
    "<dl><dt>Scores</dt><dd>are rounded to four decimals, everything else to 0.1 %, and no single "
    "event is shown: finer numbers would give the truth away.</dd>"
    "<dt>95 % interval</dt><dd>how far the score moves when the events are drawn again, with "
    "replacement, from these (bootstrap, 1,000 draws from a fixed seed).</dd>"
    "<dt>Points</dt><dd>hundredths of accuracy gained over a trivial baseline on the same events, "
    "the ticks on a score's line.</dd>"
    "<dt>Recall</dt><dd>the share of a class's voxels that were predicted as it.</dd>"
    "<dt>Precision</dt><dd>the share of the voxels predicted as a class that are of it.</dd>"
    "<dt>IoU</dt><dd>the voxels that are of a class and predicted as it, over those that are "
    "either.</dd></dl></footer>"
)


def _class_colours(colours: dict[SemanticLabel, tuple[int, int, int]]) -> str:
    return " ".join(
        f".c{label:d} {{ --class: {r} {g} {b}; }}" for label, (r, g, b) in colours.items()
    )


STYLE = (
    f"""
{_class_colours(ON_LIGHT)}
@media (prefers-color-scheme: dark) {{ {_class_colours(ON_DARK)} }}
"""
    + """:root { color-scheme: light dark;
  --page: #f5f6f8; --card: #fff; --line: #e2e6eb; --ink: #1b2330; --soft: #596474;
  --mark: 58 82 118; --alert: #7a4300; --alert-page: #fff3dd; }
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
@media (min-width: 760px) { .three { grid-template-columns: 1fr 1fr 1fr; } }
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
"""
)
