"""Draw the charts of the page of detailed results as inline SVG, without scripts or other files.

Every mark has its value as a <title>, for screen readers and as a tooltip. All values are rounded
before they are drawn (scoring.py), so that coordinates reveal no more than the text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from lartpc_challenge.scoring import ProfileBin

_WIDTH, _HEIGHT = 540, 268
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 522, 10, 216
_TICK_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2)
_MAX_STEPS = 6
_MIN_SPAN = 0.1  # smallest range of an axis: small differences should look small
_LABEL_WIDTH = 130


def histogram(shares: Sequence[float]) -> str:
    """Draw the share of events in bins of accuracy of equal width, from 0 to 1; return SVG."""
    x = _accuracy_axis(shares)
    y = _Axis(0, max(*shares, _MIN_SPAN), _BOTTOM, _TOP)
    bars = []
    for i, share in enumerate(shares):
        low, high = i / len(shares), (i + 1) / len(shares)
        if share:
            bars.append(
                f'<rect class="bar" x="{x(low) + 0.5:.1f}" y="{y(share):.1f}" '
                f'width="{x(high) - x(low) - 1:.1f}" height="{_BOTTOM - y(share):.1f}">'
                f"<title>{low:.2f} to {high:.2f}: {share:.1%} of events</title></rect>"
            )
    return _chart(
        "Histogram of the accuracy of single events",
        [_y_ticks(y), _x_ticks(x), *bars],
        x_label="accuracy of an event",
    )


def cumulative(shares: Sequence[float], marks: Iterable[tuple[int, float, str]]) -> str:
    """Draw the cumulative distribution of the accuracy; return SVG.

    shares: share of events up to the end of each accuracy bin. Each bin is drawn as a block that
    contains the curve. marks: (percent of events, highest accuracy among them, its text).
    """
    n_bins = len(shares)
    x = _accuracy_axis(shares)
    y = _Axis(0, 1, _BOTTOM, _TOP)
    drawn = []
    for i, (below, above) in enumerate(zip((0, *shares), shares)):
        if above > below:
            drawn.append(
                f'<rect class="block" x="{x(i / n_bins):.1f}" y="{y(above):.1f}" '
                f'width="{x(1 / n_bins) - x(0):.1f}" height="{y(below) - y(above):.1f}">'
                f"<title>up to {(i + 1) / n_bins:.2f}: {above:.1%} of events</title></rect>"
            )
    for percent, value, text in marks:
        dot_x, dot_y = x(value), y(percent / 100)
        i = min(int(value * n_bins), n_bins - 1)
        # The blocks rise to the right: there is space above left of a block, and below right of it.
        if x(i / n_bins) - _LEFT > _LABEL_WIDTH:
            place = f'x="{x(i / n_bins) - 6:.1f}" y="{dot_y - 5:.1f}" text-anchor="end"'
        else:
            place = f'x="{x((i + 1) / n_bins) + 8:.1f}" y="{min(dot_y + 13, _BOTTOM - 4):.1f}"'
        drawn.append(
            f'<path class="guide" d="M{_LEFT},{dot_y:.1f}H{dot_x:.1f}"/>'
            f'<circle class="dot" cx="{dot_x:.1f}" cy="{dot_y:.1f}" r="4"/>'
            f'<text class="value" {place}>{percent} % up to {text}</text>'
        )
    return _chart(
        "Cumulative distribution of the accuracy of single events",
        [_y_ticks(y), _x_ticks(x), *drawn],
        x_label="accuracy of an event",
    )


def profile(bins: Sequence[ProfileBin], quantity: str) -> str:
    """Draw the mean accuracy and its standard error in bins of `quantity`; return SVG.

    quantity: the title of the x axis. All bins are drawn with the same width.
    """
    y = _Axis(min(b.mean - b.error for b in bins), 1, _BOTTOM, _TOP)
    width = (_RIGHT - _LEFT) / len(bins)
    centre = [_LEFT + (i + 0.5) * width for i in range(len(bins))]
    edges = "".join(
        f'<path class="tick" d="M{_LEFT + i * width:.1f},{_BOTTOM}v5"/>'
        + _text(_LEFT + i * width, _BOTTOM + 19, _number(edge))
        for i, edge in enumerate([bins[0].low, *(b.high for b in bins)])
    )
    line = " ".join(f"{x:.1f},{y(b.mean):.1f}" for x, b in zip(centre, bins))
    dots = [
        f'<path class="error" d="M{x:.1f},{y(b.mean - b.error):.1f}'
        f'V{y(min(b.mean + b.error, 1)):.1f}"/>'
        f'<circle class="dot" cx="{x:.1f}" cy="{y(b.mean):.1f}" r="4">'
        f"<title>{_number(b.low)} to {_number(b.high)}: {b.mean:.1%} ± {b.error:.1%}</title>"
        "</circle>"
        for x, b in zip(centre, bins)
    ]
    return _chart(
        f"Mean accuracy against {quantity}",
        [_y_ticks(y), edges, f'<polyline class="trend" points="{line}"/>', *dots],
        x_label=quantity,
    )


def track(
    title: str, value: float, interval: tuple[float, float], ticks: dict[str, float], start: float
) -> str:
    """Draw a score and its interval on a line from about `start` to 1; return SVG.

    interval: (low, high). ticks: name of a trivial baseline -> its score, drawn as a tick.
    """
    width, height, middle = 320, 36, 10
    low, high = interval
    x = _Axis(start, 1, 10, width - 10)
    ends = x.ticks[0], x.ticks[-1]
    others = "".join(
        f'<path class="trivial" d="M{x(other):.1f},{middle - 6}v12">'
        f"<title>{escape(name)}: {other:.4f}</title></path>"
        for name, other in ticks.items()
    )
    return (
        f'<svg role="img" viewBox="0 0 {width} {height}"><title>{escape(title)}</title>'
        f'<path class="rail" d="M{x(ends[0]):.1f},{middle}H{x(ends[1]):.1f}"/>{others}'
        f'<path class="interval" d="M{x(low):.1f},{middle}H{x(high):.1f}"/>'
        f'<path class="score-mark" d="M{x(value):.1f},{middle - 9}v18"/>'
        + _text(x(ends[0]) - 6, height - 4, f"{ends[0]:.2f}", anchor="start")
        + _text(x(ends[1]) + 6, height - 4, f"{ends[1]:.2f}", anchor="end")
        + "</svg>"
    )


class _Axis:
    """A linear scale from values to pixels. Its range has round ends and includes low..high."""

    def __init__(self, low: float, high: float, start: float, end: float):
        self.ticks = _round_ticks(low, high)
        self._start, self._slope = start, (end - start) / (self.ticks[-1] - self.ticks[0])

    def __call__(self, value: float) -> float:
        return self._start + (value - self.ticks[0]) * self._slope


def _round_ticks(low: float, high: float) -> list[float]:
    low = min(low, high - _MIN_SPAN)
    step = next(s for s in _TICK_STEPS if (high - low) / s <= _MAX_STEPS)
    first, last = math.floor(round(low / step, 6)), math.ceil(round(high / step, 6))
    return [i * step for i in range(first, last + 1)]


def _accuracy_axis(shares: Sequence[float]) -> _Axis:
    """Return the x axis: from the first bin with events to 1."""
    first = next(i for i, share in enumerate(shares) if share)
    return _Axis(first / len(shares), 1, _LEFT, _RIGHT)


def _y_ticks(y: _Axis) -> str:
    return "".join(
        f'<path class="grid" d="M{_LEFT},{y(tick):.1f}H{_RIGHT}"/>'
        + _text(_LEFT - 8, y(tick) + 4, f"{100 * tick:.0f} %", anchor="end")
        for tick in y.ticks
    )


def _x_ticks(x: _Axis) -> str:
    return "".join(
        f'<path class="tick" d="M{x(tick):.1f},{_BOTTOM}v5"/>'
        + _text(x(tick), _BOTTOM + 19, f"{tick:.2f}")
        for tick in x.ticks
    )


def _chart(title: str, marks: Iterable[str], x_label: str) -> str:
    return (
        f'<svg role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}"><title>{escape(title)}</title>'
        + "".join(marks)
        + _text((_LEFT + _RIGHT) / 2, _HEIGHT - 8, x_label)
        + "</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"
