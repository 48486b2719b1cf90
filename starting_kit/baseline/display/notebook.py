"""Events as interactive 3D figures in a notebook."""

from __future__ import annotations

import ipywidgets
import plotly.graph_objects as go

from baseline.display.figure import figure
from baseline.display.views import Shown, panels

_WIDTH_PX, _HEIGHT_PX = 840, 420


def widget(shown: Shown, other: Shown | None = None, *, dark: bool = False) -> ipywidgets.VBox:
    """One event in two views, or two events; buttons choose the views, both sides turn together.

    dark: for a notebook with a dark theme.
    """
    chosen = panels(shown, other)
    drawing = figure(chosen, dark=dark).update_layout(width=_WIDTH_PX, height=_HEIGHT_PX)
    made = go.FigureWidget(drawing)
    scenes = [made.layout[name] for name in ("scene", "scene2")[: len(chosen)]]
    for scene, target in zip(scenes, scenes[::-1]):
        # Plotly has no types: a scene is taken for a figure.
        scene.on_change(  # type: ignore[attr-defined]
            lambda _, camera, target=target: target.update(camera=camera), "camera"
        )
    heads = [
        _head(made, name, event, view, caption=number == 0 or other is not None)
        for number, (name, (event, view)) in enumerate(zip(("scene", "scene2"), chosen))
    ]
    return ipywidgets.VBox([ipywidgets.HBox(heads), made])


def _head(
    made: go.FigureWidget, scene: str, shown: Shown, view: str, *, caption: bool
) -> ipywidgets.VBox:
    """Caption and buttons above one panel."""
    traces = [
        trace for trace in made.data if (trace.scene or "scene") == scene and trace.meta["view"]
    ]
    buttons = ipywidgets.ToggleButtons(
        options=[(name.capitalize(), name) for name in shown.views],
        value=view,
        style={"button_width": "auto"},
    )

    def choose(change: dict) -> None:
        with made.batch_update():
            for trace in traces:
                trace.visible = trace.meta["view"] == change["new"]

    buttons.observe(choose, "value")
    text = ipywidgets.HTML(f"<b>{shown.caption}</b>" if caption else "&nbsp;")
    return ipywidgets.VBox([text, buttons], layout={"width": f"{_WIDTH_PX // 2}px"})
