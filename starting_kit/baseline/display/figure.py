"""Draw events as interactive 3D figures with a light and a dark theme."""

from __future__ import annotations

from itertools import product

import numpy as np
import plotly.graph_objects as go

from baseline.display.views import (
    DETECTOR,
    ENERGY_ON_LIGHT,
    ENERGY_RANGE_MEV,
    ENERGY_TICKS_MEV,
    RIGHT,
    Colour,
    Shown,
    layers,
)
from lartpc_challenge.page.colours import INK, LINE, SOFT

FONT = {"family": "system-ui, -apple-system, Segoe UI, Roboto, Arial, sans-serif", "size": 12}
_CAMERA = {"eye": {"x": 1.42, "y": -1.52, "z": 0.86}, "center": {"x": 0, "y": 0, "z": -0.14}}
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
# The densest charge stands out: dark on light ground, light on dark.
_ENERGY = {
    ground: list(zip((0, 0.25, 0.5, 0.75, 1), colours))
    for ground, colours in {
        "light": ENERGY_ON_LIGHT,
        "dark": ("#5a4a90", "#a2468a", "#d9534f", "#f59a4a", "#fde9a0"),
    }.items()
}
# Colours of the figure that the theme changes, by their path in plotly's layout.
_THEME = {
    "font.color": {"light": SOFT, "dark": "#9ba6b5"},
    "modebar.color": {"light": SOFT, "dark": "#9ba6b5"},
    "modebar.activecolor": {"light": INK, "dark": "#e8ecf2"},
    "hoverlabel.bgcolor": {"light": "#ffffff", "dark": "#222b37"},
    "hoverlabel.bordercolor": {"light": LINE, "dark": "#3a4554"},
    "hoverlabel.font.color": {"light": INK, "dark": "#e8ecf2"},
    **{
        f"scene.{axis}axis.{name}": colours
        for axis in "xyz"
        for name, colours in {
            "gridcolor": {"light": LINE, "dark": "#2a323e"},
            "backgroundcolor": {"light": "#fbfcfd", "dark": "#151b23"},
        }.items()
    },
}


def figure(shown: Shown) -> go.Figure:
    """Return a figure with all views of an event. The page chooses which traces are visible.

    A trace's `meta` has "view", the name of its view (None: always visible), and "theme", its light
    and dark colours by their path; layout.meta["theme"] has the colours of the layout.
    """
    made = go.Figure(layout=_layout(shown))
    made.add_trace(_edges(shown))
    made.add_traces(_dead_planes(shown))
    for view in shown.views:
        made.add_traces([_energy(shown)] if view == "energy" else _layer_traces(shown, view))
    return made


def _layout(shown: Shown) -> dict:
    axes = {
        f"{name}axis": {
            "range": list(window),
            "nticks": 4,
            "zeroline": False,
            "showspikes": False,
            "title": {"text": f"{name} [cm]"},
        }
        for name, window in zip("xyz", shown.window_cm)
    }
    return {
        "autosize": True,
        "margin": {"l": 0, "r": 0, "t": 0, "b": 46, "autoexpand": False},  # under it: the scale
        "font": FONT,
        "paper_bgcolor": "rgba(0, 0, 0, 0)",
        "hoverlabel": {"font": FONT},
        "modebar": {"remove": _NO_BUTTONS, "bgcolor": "rgba(0, 0, 0, 0)"},
        "scene": {**axes, "aspectmode": "cube", "camera": _CAMERA, "dragmode": "orbit"},
        "meta": {"theme": _THEME},
    }


def _meta(theme: dict[str, Colour], view: str | None = None) -> dict:
    """Return the `meta` of a trace: its view, and its colours by their path."""
    colours = {path: {"light": one.light, "dark": one.dark} for path, one in theme.items()}
    return {"view": view, "theme": colours}


def _edges(shown: Shown) -> go.Scatter3d:
    """Return a trace with the edges of the shown cube as one line with gaps."""
    low, high = shown.window_cm.T
    first, last = 0.001, 0.999  # on the very edge plotly cuts them off
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]) * (last - first) + first
    gap = [[np.nan] * 3]
    faces = [np.column_stack([square, np.full(5, z)]) for z in (first, last)]
    posts = [np.array([[*corner, first], [*corner, last]]) for corner in square[:4]]
    ways = np.concatenate([part for way in (*faces, *posts) for part in (way, gap)])
    x, y, z = (low + ways * (high - low)).T
    return go.Scatter3d(
        x=x,
        y=y,
        z=z,
        mode="lines",
        line={"width": 2},
        hoverinfo="skip",
        showlegend=False,
        meta=_meta({"line.color": DETECTOR}),
    )


_CORNERS = np.array(list(product((0, 1), repeat=3)))


def _dead_planes(shown: Shown) -> list[go.Mesh3d | go.Scatter3d]:
    """Return traces with the dead planes as translucent boxes, and one name in the legend."""
    made: list[go.Mesh3d | go.Scatter3d] = []
    for axis, first, stop in shown.dead_planes:
        window = shown.window_cm.copy()
        window[axis] = np.clip(np.array([first, stop]) * shown.voxel_mm / 10, *window[axis])
        x, y, z = window.T[_CORNERS, range(3)].T
        made.append(
            go.Mesh3d(
                x=x,
                y=y,
                z=z,
                alphahull=0,
                opacity=0.06,
                legendgroup="dead planes",
                showlegend=False,
                hoverinfo="skip",
                meta=_meta({"color": DETECTOR}),
            )
        )
    if made:  # a cuboid's own sign in the legend is as faint as the cuboid
        made.append(
            go.Scatter3d(
                x=[None],
                y=[None],
                z=[None],
                mode="markers",
                marker={"symbol": "square", "size": 6},
                name="dead planes",
                legendgroup="dead planes",
                showlegend=True,
                meta=_meta({"marker.color": DETECTOR}),
            )
        )
    return made


def _energy(shown: Shown) -> go.Scatter3d:
    """Return a trace with all voxels, coloured by the logarithm of their energy."""
    low, high = np.log10(ENERGY_RANGE_MEV)
    marker = {
        "color": np.log10(shown.event.energy),
        "cmin": low,
        "cmax": high,
        "colorbar": {
            "orientation": "h",
            "x": 0.01,
            "xanchor": "left",
            "yref": "container",
            "y": 0,
            "yanchor": "bottom",
            "lenmode": "pixels",
            "len": 210,
            "thickness": 8,
            "tickangle": 0,
            "tickvals": np.log10(ENERGY_TICKS_MEV),
            "ticktext": [f"{tick:g}" for tick in ENERGY_TICKS_MEV],
            "title": {"text": "energy [MeV]", "side": "top"},
        },
    }
    rows = np.arange(len(shown.event))
    meta = {"view": "energy", "theme": {"marker.colorscale": _ENERGY}}
    return _voxels(shown, rows, marker, words="", showlegend=False, meta=meta)


def _layer_traces(shown: Shown, view: str) -> list[go.Scatter3d]:
    """Return a trace for each layer of a view, with its name in the legend."""
    made = []
    for layer in layers(shown, view):
        # What is right recedes behind the mistakes.
        marker = {"opacity": 0.5 if layer.colour == RIGHT else 1}
        name = f"{layer.name} ({len(layer.rows):,})"
        meta = _meta({"marker.color": layer.colour}, view)
        made.append(_voxels(shown, layer.rows, marker, layer.words, name=name, meta=meta))
    return made


def _voxels(
    shown: Shown, rows: np.ndarray, marker: dict, words: str | list[str], **options
) -> go.Scatter3d:
    x, y, z = shown.position_cm[rows].astype(np.float32).T
    lines = ["%{x:.1f}, %{y:.1f}, %{z:.1f} cm", "%{customdata:.3g} MeV"]
    return go.Scatter3d(
        x=x,
        y=y,
        z=z,
        mode="markers",
        marker={"symbol": "square", "size": _voxel_pixels(shown), "line": {"width": 0}, **marker},
        customdata=shown.event.energy[rows],
        text=words,
        hovertemplate="<br>".join([*lines, "%{text}"] if words else lines) + "<extra></extra>",
        **options,
    )


def _voxel_pixels(shown: Shown) -> float:
    """Return the size of a voxel in pixels: larger if only a part of the detector is shown."""
    low, high = shown.window_cm[0]
    return float(np.clip(1.74 * shown.box_cm / (high - low), 2.6, 9))
