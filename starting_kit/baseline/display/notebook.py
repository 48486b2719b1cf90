"""Show events as interactive 3D figures in a notebook."""

from __future__ import annotations

from html import escape

from IPython.display import HTML

from baseline.display.page import page
from baseline.display.views import Shown, panels


def show(*rows: Shown | tuple[Shown, Shown], height_px: int = 600) -> HTML:
    """Show events one below another, each in two views. Pairs stand side by side.

    The output contains the whole page (5 MB): it needs no internet, no running kernel, no widget.
    """
    pairs = [row if isinstance(row, tuple) else (row, None) for row in rows]
    content = escape(page("", [panels(*pair) for pair in pairs]))
    frame = f"width: 100%; height: {height_px}px; border: 0"
    return HTML(f'<div><iframe srcdoc="{content}" style="{frame}"></iframe></div>')
