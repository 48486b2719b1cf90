"""Show the study as one HTML file, in the style of the detailed results, and as a short text."""

from __future__ import annotations

import base64
from html import escape

import numpy as np

from lartpc_challenge.metrics import ratio
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
from lartpc_challenge.page.report import profiles, score_card
from organizer.failures.study import Split, Study

_STYLE = """
.groups { font-size: 14px; }
.groups th, .groups td { padding: 7px 0 7px 14px; border-top: 1px solid var(--line); }
.groups th:first-child { padding-left: 0; }
.groups thead th { border-top: 0; vertical-align: bottom; }
.groups thead th + th { text-align: right; }
.groups .meter { --class: var(--mark); }
.groups.many thead .chip { margin: 0 5px 4px auto; }
.two + .two { margin-top: 16px; }
img { width: 100%; border-radius: 6px; background: #fff; }
"""


def page(study: Study, picture: bytes, how: str) -> str:
    """Return the page as HTML. picture: a PNG of the worst events. how: what was studied."""
    scores, details = study.scores, study.scores.details
    assert details is not None
    image = base64.b64encode(picture).decode()
    places = [figure(split.title, _table(split)) for split in study.places]
    if study.planes_unknown:
        why = f"<p class='lead'>{study.planes_unknown}</p>"
        places.append(figure("Distance to a dead plane", why))
    content = (
        f"<header><div><p class='over'>LArTPC challenge · cycle {study.cycle.number}</p>"
        f"<h1>Failures</h1></div><p>{details.n_events:,} simulated events, "
        f"{study.origin.voxels.sum():,} voxels</p></header>\n<p class='lead'>{escape(how)}</p>\n"
        f"<div class='three'>{''.join(score_card(scores, name) for name in scores.leaderboard)}"
        "</div>\n"
        + section(
            "Errors by origin",
            "The origin is that of the particle that left most of a voxel's energy.",
            figure("Errors by origin / %", _table(study.origin)),
            figure("Predicted classes by origin / %", _confusion(study)),
        )
        + "<h2>Errors by position</h2><p class='lead'>Voxels with several classes, near a vertex "
        f"or near a dead plane are harder.</p><div class='two'>{''.join(places)}</div>\n"
        + profiles(details)
        + "<h2>The worst events</h2><p class='lead'>The events with the lowest accuracy.</p>"
        + figure(
            "Energy, truth, prediction and mistakes",
            f"<img alt='The worst events' src='data:image/png;base64,{image}'/>",
        )
    )
    return document(
        f"Failures in cycle {study.cycle.number}",
        STYLE + class_style(study.cycle) + _STYLE,
        content,
    )


def text(study: Study) -> str:
    """Return as text the scores and, per group, its voxels, errors and share of all errors."""
    assert study.scores.details is not None
    lines = [f"cycle {study.cycle.number}, {study.scores.details.n_events:,} events"]
    lines += [f"{name} {value:.4f}" for name, value in study.scores.leaderboard.items()]
    lines.append(f"{'':<34}{'of voxels':>10}{'wrong':>9}{'of errors':>11}")
    for split in (study.origin, *study.places):
        lines.append(split.title)
        lines += [
            f"  {name:<32}{a:>10}{b:>9}{c:>11}"
            for name, (a, b, c) in zip(split.names, _rows(split))
        ]
    return "\n".join([*lines, study.planes_unknown] if study.planes_unknown else lines)


def _rows(split: Split) -> list[tuple[str, str, str]]:
    """Return per group in %: its share of all voxels, its wrong voxels, its share of all errors."""
    voxels, errors = split.voxels, split.errors
    shares = (ratio(voxels, voxels.sum()), ratio(errors, voxels), ratio(errors, errors.sum()))
    return [(percent(a), percent(b), percent(c)) for a, b, c in zip(*shares)]


def _table(split: Split) -> str:
    wrong = np.nan_to_num(ratio(split.errors, split.voxels))
    scale = max(wrong.max(), 1e-9)
    rows = (
        f"<tr><th scope='row'>{escape(name)}</th><td>{of_voxels}</td><td>{error}"
        f"<span class='meter'><span style='width:{100 * value / scale:.1f}%'></span></span></td>"
        f"<td>{of_errors}</td></tr>"
        for name, value, (of_voxels, error, of_errors) in zip(split.names, wrong, _rows(split))
    )
    return table("groups", ("", "of voxels", "wrong", "of errors"), rows)


def _confusion(study: Study) -> str:
    """Return a table with a row for each origin and true class that occur together."""
    labels, split, names = study.cycle.labels, study.origin, study.cycle.label_names
    errors = split.errors.sum()
    heads = ("origin", "true", *(chip(label, names[label]) for label in labels), "of errors")
    rows = (
        f"<tr><th scope='row'>{escape(name)}</th><td>{chip(true, names[true])}</td>"
        + "".join(f"<td>{percent(counts[true, c] / n)}</td>" for c in labels)
        + f"<td>{percent(float(ratio(n - counts[true, true], errors)))}</td></tr>"
        for name, counts in zip(split.names, split.counts)
        for true in labels
        if (n := counts[true].sum())
    )
    return table("groups many" if len(labels) > 4 else "groups", heads, rows)
