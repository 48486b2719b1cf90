"""Look at events in three dimensions: energy, truth, prediction and mistakes.

    python -m baseline.display --events cycle1_train.h5 --out page.html
    python -m baseline.display --events mine.h5 --submission s.zip --worst 5 --out page.html
    python -m baseline.display --events mine.h5 --submission s.zip --event 7 12 --out picture.pdf

A page (.html) is turned with the mouse, both sides together, and needs nothing from the net.
In a notebook: `widget(shown)` with the events of `read_shown(...)`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import product
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from baseline.picture import FORMATS, save_picture
from baseline.views import (
    BOX_CM,
    BOX_COLOUR,
    ENERGY_COLOURS,
    ENERGY_RANGE_MEV,
    ENERGY_TICKS_MEV,
    RIGHT_COLOUR,
    Shown,
    class_layers,
    read_shown,
)
from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.files import write_text
from lartpc_challenge.format import GRID_SIZE, ChallengeError
from lartpc_challenge.page.colours import INK, LINE, PAGE, SOFT
from lartpc_challenge.page.html_parts import document

_FONT = {"family": "system-ui, -apple-system, Segoe UI, Roboto, Arial, sans-serif", "size": 13}
_CAMERA = {"eye": {"x": 1.4, "y": -1.5, "z": 0.85}, "center": {"x": 0, "y": 0, "z": -0.12}}
_HEIGHT_PX = 640
# What is left of plotly's own buttons: save as a picture, and back to the first camera.
_NO_BUTTONS = [
    "zoom3d",
    "pan3d",
    "orbitRotation",
    "tableRotation",
    "resetCameraLastSave3d",
    "hoverClosest3d",
    "sendChartToCloud",
]


def figure(shown: Shown, other: Shown | None = None) -> go.Figure:
    """Two panels whose views are chosen by buttons: one event in two views, or two events.

    An event of which only the energy is known has one panel.
    """
    views = shown.views
    if other:
        view = "truth" if "truth" in views else "energy"
        drawn = [(shown, view), (other, view)]
    elif len(views) > 1:
        drawn = [(shown, "truth" if "mistakes" in views else "energy"), (shown, views[-1])]
    else:
        drawn = [(shown, "energy")]
    panels = _PANELS if len(drawn) == 2 else (_WHOLE,)
    made = go.Figure(layout=_layout(panels))
    for panel, (event, view) in zip(panels, drawn):
        _draw(made, panel, event, view)
    return made


@dataclass(frozen=True)
class _Panel:
    """A part of the figure: its names in plotly's layout, its left and right edge in 0..1."""

    scene: str
    legend: str
    left: float
    right: float


_PANELS = (_Panel("scene", "legend", 0, 0.495), _Panel("scene2", "legend2", 0.505, 1))
_WHOLE = _Panel("scene", "legend", 0, 1)


def _layout(panels: Sequence[_Panel]) -> dict:
    axis = {
        "range": [0, BOX_CM],
        "tickvals": [0, 20, 40],
        "backgroundcolor": "#fbfcfd",
        "gridcolor": LINE,
        "zeroline": False,
        "showspikes": False,
    }
    scene = {f"{name}axis": {**axis, "title": {"text": f"{name} [cm]"}} for name in "xyz"}
    scene.update(aspectmode="cube", camera=_CAMERA, dragmode="orbit")
    legend = {
        "y": 0,
        "yanchor": "bottom",
        "xanchor": "right",
        "itemsizing": "constant",
        "tracegroupgap": 0,
        "font": {"size": 12, "color": INK},
        "bgcolor": "rgba(255, 255, 255, 0.7)",
    }
    layout = {
        "height": _HEIGHT_PX,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 4},
        "font": {**_FONT, "color": SOFT},
        "paper_bgcolor": "white",
        "hoverlabel": {"font": _FONT},
        "modebar": {"remove": _NO_BUTTONS},
    }
    for panel in panels:
        domain = {"x": [panel.left, panel.right], "y": [0.06, 0.9]}
        layout[panel.scene] = {**scene, "domain": domain}
        layout[panel.legend] = {**legend, "x": panel.right}
    return layout


def _draw(made: go.Figure, panel: _Panel, shown: Shown, chosen: str) -> None:
    """Draw the detector, every view of the event, of which one is visible, and the buttons."""
    place = {"scene": panel.scene, "legend": panel.legend}
    made.add_trace(_box(place))
    made.add_traces(_slabs(place, shown.dead_slabs))
    first_row, view_of = len(made.data), []
    for view in shown.views:
        is_energy = view == "energy"
        traces = [_energy(place, panel, shown)] if is_energy else _classes(place, shown, view)
        made.add_traces([trace.update(visible=view == chosen) for trace in traces])
        view_of += [view] * len(traces)
    rows = list(range(first_row, len(made.data)))
    made.add_annotation(
        text=f"<b>{shown.caption}</b>",
        x=panel.left + 0.008,
        y=1,
        xref="paper",
        yref="paper",
        xanchor="left",
        yanchor="top",
        showarrow=False,
        font={"size": 14, "color": INK},
    )
    buttons = [
        {
            "label": view.capitalize(),
            "method": "restyle",
            "args": [{"visible": [owner == view for owner in view_of]}, rows],
        }
        for view in shown.views
    ]
    made.layout.updatemenus += (
        {
            "type": "buttons",
            "direction": "right",
            "active": shown.views.index(chosen),
            "buttons": buttons,
            "x": panel.left + 0.005,
            "y": 0.945,
            "xanchor": "left",
            "yanchor": "top",
            "bgcolor": LINE,  # plotly paints the chosen one almost white
            "bordercolor": LINE,
        },
    )


def _box(place: dict) -> go.Scatter3d:
    """The edges of the detector's cube, as one line with gaps."""
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) * BOX_CM
    gap = [[np.nan] * 3]
    faces = [np.column_stack([square, np.full(5, z)]) for z in (0, BOX_CM)]
    posts = [np.array([[*corner, 0], [*corner, BOX_CM]]) for corner in square[:4]]
    x, y, z = np.concatenate([part for way in (*faces, *posts) for part in (way, gap)]).T
    return go.Scatter3d(
        x=x,
        y=y,
        z=z,
        mode="lines",
        line={"color": BOX_COLOUR, "width": 2},
        hoverinfo="skip",
        showlegend=False,
        **place,
    )


def _slabs(place: dict, slabs: list[tuple[int, int, int]]) -> list[go.Mesh3d]:
    """Dead planes as translucent cuboids, under one name in the legend."""
    made = []
    for axis, first, stop in slabs:
        low, high = np.zeros(3), np.full(3, BOX_CM)
        low[axis], high[axis] = np.array([first, stop]) * BOX_CM / GRID_SIZE
        x, y, z = np.array([low, high])[_CORNERS, range(3)].T
        made.append(
            go.Mesh3d(
                x=x,
                y=y,
                z=z,
                alphahull=0,
                color=BOX_COLOUR,
                opacity=0.07,
                name="dead planes",
                legendgroup="dead",
                showlegend=not made,
                hoverinfo="skip",
                **place,
            )
        )
    return made


_CORNERS = np.array(list(product((0, 1), repeat=3)))


def _energy(place: dict, panel: _Panel, shown: Shown) -> go.Scatter3d:
    """All voxels, coloured by the logarithm of their energy."""
    low, high = np.log10(ENERGY_RANGE_MEV)
    marker = {
        "color": np.log10(shown.event.energy),
        "colorscale": list(ENERGY_COLOURS),
        "cmin": low,
        "cmax": high,
        "colorbar": {
            "orientation": "h",
            "x": panel.left,  # the legend is at the right
            "xanchor": "left",
            "y": 0,
            "yanchor": "bottom",
            "len": 0.2,
            "thickness": 10,
            "tickvals": np.log10(ENERGY_TICKS_MEV),
            "ticktext": [f"{tick:g}" for tick in ENERGY_TICKS_MEV],
            "title": {"text": "energy [MeV]", "side": "top"},
        },
    }
    rows = np.arange(len(shown.event))
    return _voxels(place, shown, rows, marker, words="", showlegend=False)


def _classes(place: dict, shown: Shown, view: str) -> list[go.Scatter3d]:
    """The layers of a view, each under its name in the legend."""
    made = []
    for layer in class_layers(shown, view):
        # What is right recedes behind the mistakes.
        marker = {"color": layer.colour, "opacity": 0.5 if layer.colour == RIGHT_COLOUR else 1}
        name = f"{layer.name} ({len(layer.rows):,})"
        made.append(_voxels(place, shown, layer.rows, marker, layer.words, name=name))
    return made


def _voxels(place: dict, shown: Shown, rows, marker: dict, words, **options) -> go.Scatter3d:
    x, y, z = shown.position_cm[rows].astype(np.float32).T
    lines = ["%{x:.1f}, %{y:.1f}, %{z:.1f} cm", "%{customdata:.3g} MeV"]
    return go.Scatter3d(
        x=x,
        y=y,
        z=z,
        mode="markers",
        marker={"symbol": "square", "size": 2.6, "line": {"width": 0}, **marker},
        customdata=shown.event.energy[rows],
        text=words,
        hovertemplate="<br>".join([*lines, "%{text}"] if words else lines) + "<extra></extra>",
        **options,
        **place,
    )


def widget(shown: Shown, other: Shown | None = None) -> go.FigureWidget:
    """The figure for a notebook; turning one side turns the other."""
    made = go.FigureWidget(figure(shown, other).update_layout(width=940, height=520))
    scenes = [made.layout[panel.scene] for panel in _PANELS if panel.scene in made.layout]
    for scene, target in zip(scenes, scenes[::-1]):
        scene.on_change(lambda _, camera, target=target: target.update(camera=camera), "camera")
    return made


# Runs in the page for each figure; {plot_id} is plotly's name for the figure's element.
_LINK_CAMERAS = """
const plot = document.getElementById("{plot_id}");
const sides = ["scene", "scene2"].filter(side => plot.layout[side]);
let busy = false;
const follow = change => {
  const from = sides.find(side => change[side + ".camera"]);
  const to = sides.find(side => side !== from);
  if (busy || !from || !to) return;
  busy = true;
  Plotly.relayout(plot, {[to + ".camera"]: change[from + ".camera"]}).then(() => { busy = false; });
};
plot.on("plotly_relayouting", follow);
plot.on("plotly_relayout", follow);
"""

_STYLE = f"""
body {{ margin: 0; background: {PAGE}; color: {INK};
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; }}
main {{ max-width: 1440px; margin: 0 auto; padding: 24px 28px 40px; }}
h1 {{ font-size: 26px; line-height: 1.2; letter-spacing: -.01em; margin: 0; }}
p {{ color: {SOFT}; margin: 4px 0 18px; }}
section {{ background: #fff; border: 1px solid {LINE}; border-radius: 12px; padding: 12px;
  margin-bottom: 18px; }}
"""


def page(title: str, figures: Sequence[go.Figure]) -> str:
    """One HTML file with the figures; plotly.js stands in it, so that it needs no net."""
    drawn = "\n".join(
        "<section>"
        + made.to_html(
            full_html=False,
            include_plotlyjs=False,
            div_id=f"events-{i}",
            post_script=_LINK_CAMERAS,
            config={"displaylogo": False, "responsive": True},
        )
        + "</section>"
        for i, made in enumerate(figures)
    )
    content = (
        f"<script>{get_plotlyjs()}</script>\n<h1>{escape(title)}</h1>"
        "<p>Drag to turn, scroll to zoom: both sides follow. "
        f"A click on a name in the legend hides it.</p>\n{drawn}"
    )
    return document(title, _STYLE, content)


def _save(options: argparse.Namespace) -> None:
    out = Path(options.out)
    kind = out.suffix.lower().lstrip(".")
    if kind not in ("html", *FORMATS):
        raise ChallengeError(f"{out}: the name must end in .html, .{', .'.join(FORMATS)}")
    shown = read_shown(options.events, options.event, options.submission, options.worst)
    if kind == "html":
        pairs = (
            list(zip(shown[::2], [*shown[1::2], None])) if options.beside else [(e,) for e in shown]
        )
        text = page(Path(options.events).name, [figure(*pair) for pair in pairs])
        write_text(out, text)
    else:
        save_picture(out, shown)
    print(f"{out}: {len(shown)} event{'s' * (len(shown) > 1)}")


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python -m baseline.display", __doc__)
    parser.add_argument("--events", required=True, help="events to look at")
    parser.add_argument("--submission", help="predictions of that whole file")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument(
        "--event", type=int, nargs="+", default=(), metavar="ID", help="which; else the first"
    )
    choice.add_argument(
        "--worst", type=at_least(1), default=0, metavar="N", help="the N with the lowest accuracy"
    )
    parser.add_argument(
        "--beside",
        action="store_true",
        help="in a page, two events beside each other rather than two views of one",
    )
    parser.add_argument("--out", required=True, help="a page .html, or a picture .png .pdf .svg")
    options = parser.parse_args(arguments)
    return run("display", lambda: _save(options), stopped="stopped, nothing was written")


if __name__ == "__main__":
    sys.exit(main())
