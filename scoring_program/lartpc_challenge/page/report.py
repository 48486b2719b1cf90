"""Make the page of detailed results: one self-contained HTML file without scripts.

Its only input is `Scores`, which contains nothing that a participant must not see. The page is
well-formed XML, so that a test can read every number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import escape

from lartpc_challenge.cycles import EMPTY
from lartpc_challenge.disclosure import PUBLIC
from lartpc_challenge.page import charts
from lartpc_challenge.page.html_parts import (
    STYLE,
    chip,
    class_style,
    document,
    figure,
    percent,
    section,
    table,
)
from lartpc_challenge.scoring import MIN_EVENTS_PER_BIN, Details, ProfileBin, Scores

_MEANING = {
    "acc_at_80": "One event in five is better. Ranks first.",
    "acc_at_50": "The median event. Decides ties.",
    "acc_mean": "The mean over events. Decides further ties.",
}
_DEMONSTRATION = (
    "<p class='alert'><strong>DEMONSTRATION</strong> The hidden labels of these events are public. "
    "Scores on them show how the challenge works; they are not a ranking.</p>"
)
_CHARACTERS_ACROSS = 42  # in the head of the confusion matrix at half of the page's width


def page(scores: Scores) -> str:
    """Return the page as HTML text. The page of a hidden phase only says that it is hidden."""
    body = _details(scores, scores.details) if scores.details else _HIDDEN
    is_alert = scores.scale == "demonstration" and not scores.is_own
    alert = _DEMONSTRATION if is_alert else ""
    content = f"{_header(scores)}\n{alert}\n{body}"
    style = STYLE + class_style(scores.cycle)
    return document(f"LArTPC challenge: {_place(scores)}", style, content)


def _place(scores: Scores) -> str:
    if scores.is_own:
        return "your own hold-out"
    return f"phase {scores.phase}: {'public' if scores.details else 'hidden'} events"


def _header(scores: Scores) -> str:
    place = _place(scores)
    counts = ""
    if scores.details:
        skipped = scores.details.n_skipped
        counts = f"<p>{scores.details.n_events:,} events scored" + (
            f", {skipped:,} without a labelled voxel skipped</p>" if skipped else "</p>"
        )
    return (
        f"<header><div><p class='over'>LArTPC challenge · cycle {scores.cycle.number}: "
        f"{escape(scores.cycle.title)}</p>"
        f"<h1>{place[0].upper() + place[1:]}</h1></div>{counts}</header>"
    )


_HIDDEN = (
    "<section class='card'><h2>This phase is hidden</h2>"
    "<p class='lead'>The submission was read and scored. Its scores are on the leaderboard once "
    "the organisers publish it.</p></section>"
)


def _details(scores: Scores, details: Details) -> str:
    names = dict(zip(scores.cycle.labels, scores.cycle.class_names))
    marks = [(at, value, f"{value:.3f}") for at, value in details.quantiles.items()]
    for at, name in ((50, "acc_at_50"), (80, "acc_at_80")):
        value = scores.leaderboard[name]
        marks.append((at, value, f"{value:.4f}"))
    return "\n".join(
        [
            "<div class='three'>" + "".join(score_card(scores, n) for n in _MEANING) + "</div>",
            section(
                "Accuracy per event",
                "The accuracy of an event is the share of its labelled voxels that are predicted "
                "correctly; all events have the same weight.",
                figure("Share of events per 0.02 of accuracy", charts.histogram(details.histogram)),
                figure(
                    "Share of events up to an accuracy",
                    charts.cumulative(details.cumulative, marks),
                ),
            ),
            section(
                "Accuracy per class",
                "All labelled voxels of all events together, so that large events have more weight "
                "here.",
                figure("Confusion matrix / %", _confusion(details, names)),
                figure("Figures per class / %", _class_table(details, names)),
            ),
            profiles(details),
            _notes(scores, details),
        ]
    )


def score_card(scores: Scores, name: str) -> str:
    """Return the card of one score of a public phase, as HTML.

    It shows the value, its interval and the differences to the trivial baselines.
    """
    value, details = scores.leaderboard[name], scores.details
    assert details is not None
    low, high = details.intervals[name]
    baselines = {baseline: values[name] for baseline, values in details.trivial.items()}
    rows = "".join(
        f"<tr><th scope='row'>{escape(baseline)}</th><td>{other:.4f}</td>"
        f"<td>{_points(value - other)} points</td></tr>"
        for baseline, other in baselines.items()
    )
    # All three cards use the same scale.
    start = min(
        *(low for low, _ in details.intervals.values()),
        *(other for values in details.trivial.values() for other in values.values()),
    )
    drawn = f"{name} and trivial baselines" if baselines else name
    drawing = charts.track(drawn, value, (low, high), baselines, start)
    return (
        f"<section class='card score'><h2>{name}</h2><p class='big'>{value:.4f}</p>"
        f"<p class='range'>95 % interval {low:.3f} to {high:.3f}</p>{drawing}"
        + (f"<table><tbody>{rows}</tbody></table>" if rows else "")
        + f"<p class='meaning'>{_MEANING[name]}</p></section>"
    )


def profiles(details: Details) -> str:
    """Return the section on accuracy against the energy and size of events, as HTML."""
    return section(
        "Accuracy against the size of an event",
        f"Mean accuracy in bins of at least {MIN_EVENTS_PER_BIN} events; bars are standard errors.",
        _profile(details.by_energy, "total energy of the event / MeV"),
        _profile(details.by_voxels, "voxels in the event"),
    )


def _profile(bins: Sequence[ProfileBin], quantity: str) -> str:
    """Return the figure of accuracy against `quantity`, or a sentence if there are no bins."""
    title = f"Accuracy against {quantity}"
    if not bins:
        return figure(title, "<p class='lead'>Too few events for bins.</p>")
    return figure(title, charts.profile(bins, quantity))


def _confusion(details: Details, names: dict[int, str]) -> str:
    columns = {EMPTY: "empty", **names}
    heads = ("true ↓ predicted →", *(chip(label, name) for label, name in columns.items()))
    rows = (
        f"<tr><th scope='row'>{chip(true, name)}</th>"
        + "".join(
            f"<td class='{f'right c{true:d}' if true == label else 'wrong'}' "
            f"style='--share:{_plain(share)}'>{percent(share)}</td>"
            for label, share in zip(columns, shares)
        )
        + "</tr>"
        for (true, name), shares in zip(names.items(), details.confusion)
    )
    words = [word for name in columns.values() for word in re.split("[ /-]", name)]
    is_wide = max(len("100.0 "), *map(len, words)) * len(columns) > _CHARACTERS_ACROSS
    return table("confusion many" if is_wide else "confusion", heads, rows)


def _class_table(details: Details, names: dict[int, str]) -> str:
    heads = ("class", "of all voxels", "recall", "precision", "IoU")
    measures = zip(details.class_share, details.recall, details.precision, details.iou)
    rows = (
        f"<tr><th scope='row'>{chip(label, name)}</th>"
        + "".join(
            f"<td>{percent(value)}<span class='meter c{label:d}'>"
            f"<span style='width:{100 * _plain(value):.1f}%'></span></span></td>"
            for value in values
        )
        + "</tr>"
        for (label, name), values in zip(names.items(), measures)
    )
    f1, iou = percent(details.macro_f1), percent(details.mean_iou)
    return table("classes", heads, rows) + (
        f"<p class='means'>Means over the classes: F1 <strong>{f1}</strong>, "
        f"IoU <strong>{iou}</strong></p>"
    )


def _points(difference: float) -> str:
    return f"{100 * difference:+.2f}".replace("-", "\N{MINUS SIGN}")


def _plain(share: float) -> float:
    return 0.0 if math.isnan(share) else share


def _notes(scores: Scores, details: Details) -> str:
    """Return the explanations of the terms on the page, as HTML."""
    notes = {
        "Scores": "are rounded to four decimals, all other figures to 0.1 % or coarser.",
        "95 % interval": "how much the score would vary with other events of the same kind, "
        "estimated from the distribution of accuracies below.",
        "Points": "difference to a trivial baseline on the same events, in hundredths of accuracy; "
        "the baselines are the ticks on the score's line.",
        "Recall": "the share of the voxels of a class that are predicted as this class.",
        "Precision": "the share of the voxels predicted as a class that belong to this class.",
        "IoU": "intersection over union: the voxels that belong to a class and are predicted as "
        "it, divided by the voxels that do either.",
        "F1": "the harmonic mean of recall and precision of a class.",
    }
    if not details.trivial:
        del notes["Points"]
    if not scores.is_own:
        notes["Scores"] += (
            " No single event is shown, and one voxel changes a figure other than the scores by at "
            "most half of its last digit: finer figures would reveal the truth."
        )
        notes["A dash"] = (
            "means that too few voxels are behind a figure: fewer than "
            f"{PUBLIC.voxels:,} of the class in this phase or, for precision, fewer than "
            f"{PUBLIC.predicted:,} predicted as the class in the whole test file. One event counts "
            f"for at most {PUBLIC.voxels_per_event} voxels here. Precision divides by at least "
            f"{PUBLIC.voxels:,} voxels."
        )
    terms = "".join(f"<dt>{term}</dt><dd>{meaning}</dd>" for term, meaning in notes.items())
    return f"<footer><h2>How to read this page</h2><dl>{terms}</dl></footer>"
