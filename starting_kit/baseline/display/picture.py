"""Draw events as pictures for print: one row per event, one column per view."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, product
from pathlib import Path

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.mplot3d import Axes3D
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection

from baseline.display.views import (
    DETECTOR,
    ENERGY_ON_LIGHT,
    ENERGY_RANGE_MEV,
    ENERGY_TICKS_MEV,
    RIGHT,
    Shown,
    class_colour,
    layers,
)
from lartpc_challenge.files import replacing
from lartpc_challenge.page.colours import INK, SOFT

FORMATS = ("png", "pdf", "svg")
_PANEL_INCHES = 3.4
_CAPTION_INCHES = 0.35
_CAPTION = {"weight": "bold", "size": 10, "color": INK, "va": "top"}
_LEGEND_INCHES = 0.75  # at least
_SCALE_INCHES = 3.2  # of the legend's width, for the scale of energies
_DPI = 160
_ENERGY = ScalarMappable(
    LogNorm(*ENERGY_RANGE_MEV, clip=True),
    LinearSegmentedColormap.from_list("energy", ENERGY_ON_LIGHT),
)


def picture(shown: Sequence[Shown]) -> Figure:
    """Return a matplotlib figure, made without pyplot: it needs no display and no closing.

    It has all views except the particles, whose names need more room.
    """
    views = _views(shown[0])
    row_inches = _PANEL_INCHES + _CAPTION_INCHES
    entries, width = _legend_entries(shown), len(views) * _PANEL_INCHES
    columns = _legend_columns(list(entries), width - _SCALE_INCHES)
    legend_inches = max(_LEGEND_INCHES, 0.2 + 0.18 * math.ceil(len(entries) / columns))
    height = len(shown) * row_inches + legend_inches
    figure = Figure(figsize=(width, height))
    for row, event in enumerate(shown):
        top = 1 - row * row_inches / height
        figure.text(0.15 / width, top - 0.1 / height, event.caption, **_CAPTION)
        for column, view in enumerate(views):
            size = _PANEL_INCHES / width, _PANEL_INCHES / height
            place = (column * size[0], top - row_inches / height, *size)
            axes = figure.add_axes(place, projection="3d", computed_zorder=False)
            assert isinstance(axes, Axes3D)
            axes.text2D(0.04, 0.97, view, transform=axes.transAxes, size=9, color=SOFT)
            _draw_detector(axes, event)
            _draw_voxels(axes, event, view)
    _draw_scale(figure, width, height)
    if entries:
        figure.legend(
            handles=[Patch(color=colour, label=name) for name, colour in entries.items()],
            loc="lower right",
            ncols=columns,
            frameon=False,
            fontsize=8,
            labelcolor=INK,
            handlelength=0.9,
            columnspacing=1.4,
        )
    return figure


def _views(shown: Shown) -> list[str]:
    return [view for view in shown.views if view != "particles"]


def save_picture(path: str | Path, shown: Sequence[Shown]) -> None:
    """Write the picture to `path`, in the format of its suffix, one of FORMATS."""
    with replacing(path) as temporary:
        picture(shown).savefig(temporary, format=str(path).rsplit(".", 1)[1].lower(), dpi=_DPI)


def _draw_detector(axes: Axes3D, shown: Shown) -> None:
    """Draw the edges of the shown cube, its scale in cm and the dead planes."""
    window = shown.window_cm
    corners = np.array(list(product(*window)))
    edges = [pair for pair in combinations(corners, 2) if np.sum(pair[0] != pair[1]) == 1]
    axes.add_collection3d(Line3DCollection(edges, colors=DETECTOR.light, lw=0.5, zorder=0))
    for axis, *bounds in shown.dead_planes:
        others = [other for other in range(3) if other != axis]
        for plane in np.clip(np.array(bounds) * shown.voxel_mm / 10, *window[axis]):
            face = np.full((4, 3), plane)
            for other, chosen in zip(others, ([0, 1, 1, 0], [0, 0, 1, 1])):
                face[:, other] = window[other][chosen]
            axes.add_collection3d(Poly3DCollection([face], color=DETECTOR.light, alpha=0.07, lw=0))
    axes.set(xlim=window[0], ylim=window[1], zlim=window[2])
    # Any number will do, though the default, the only hint to its type, is a whole one.
    axes.set_box_aspect((1, 1, 1), zoom=0.93)  # type: ignore[arg-type]
    axes.view_init(elev=22, azim=-50)
    axes.grid(False)
    for name in "xyz":
        axis = getattr(axes, f"{name}axis")
        axis.set_label_text(f"{name} [cm]", size=7, color=SOFT)
        axis.set_major_locator(MaxNLocator(3))
        axis.set_tick_params(labelsize=6, labelcolor=SOFT, pad=-3)
        axis.labelpad = -9
        axis.set_pane_color((1, 1, 1, 0))
        axis.line.set_visible(False)


def _draw_voxels(axes: Axes3D, shown: Shown, view: str) -> None:
    """Draw all voxels in one scatter: matplotlib sorts by depth only within a scatter."""
    if view == "energy":
        colour = _ENERGY.to_rgba(shown.event.energy)
    else:
        colour = np.zeros((len(shown.event), 4))
        for layer in layers(shown, view):
            colour[layer.rows] = to_rgba(layer.colour.light)
    low, high = shown.window_cm[0]
    size = np.clip(2.5 * (shown.box_cm / (high - low)) ** 2, 2.5, 40)  # an area
    axes.scatter(*shown.position_cm.T, c=colour, s=size, marker="s", lw=0, depthshade=False)


def _draw_scale(figure: Figure, width: float, height: float) -> None:
    """Draw the scale of energies on the left."""
    bar = figure.add_axes((0.2 / width, 0.42 / height, 2.75 / width, 0.09 / height))
    scale = figure.colorbar(_ENERGY, cax=bar, orientation="horizontal", ticks=ENERGY_TICKS_MEV)
    scale.ax.set_xticklabels([f"{tick:g}" for tick in ENERGY_TICKS_MEV], size=7, color=SOFT)
    scale.ax.minorticks_off()
    scale.outline.set_visible(False)
    bar.set_xlabel("energy [MeV]", size=7, color=SOFT, labelpad=1)


def _legend_entries(shown: Sequence[Shown]) -> dict[str, str | tuple[float, float, float, float]]:
    """Return the names of the colours, with their colours."""
    entries: dict[str, str | tuple[float, float, float, float]] = {}
    if len(_views(shown[0])) > 1:  # more than the energy
        cycle = shown[0].cycle
        entries = {cycle.label_names[c]: class_colour(cycle, c).light for c in cycle.labels}
    if "mistakes" in shown[0].views:
        entries["right"] = RIGHT.light
    if any(event.dead_planes for event in shown):
        entries["dead planes"] = to_rgba(DETECTOR.light, 0.2)
    return entries


def _legend_columns(names: Sequence[str], inches: float) -> int:
    """Return the number of columns of a legend that is at most `inches` wide: one row if it fits.

    A column is as wide as its longest name; 0.36 inches are for its colour and gap.
    """
    widths = [0.36 + 0.065 * len(name) for name in names]
    if sum(widths) <= inches:
        return max(1, len(names))
    return max(1, int(inches / max(widths)))
