"""The colours of pages and pictures. The colours of classes are declared in cycles.py."""

from __future__ import annotations

from lartpc_challenge.cycles import Cycle, Rgb

# The colours of voxels that are predicted to be empty.
_EMPTY_ON_LIGHT, _EMPTY_ON_DARK = (116, 124, 136), (138, 147, 160)

# Colours on a light background: main text, secondary text, lines, the page around cards.
INK, SOFT, LINE, PAGE = "#1b2330", "#596474", "#e2e6eb", "#f5f6f8"


def as_hex(rgb: Rgb) -> str:
    """Return a colour as text: #rrggbb."""
    return "#" + bytes(rgb).hex()


def on_light(cycle: Cycle) -> tuple[Rgb, ...]:
    """Return the colour of each label on a light background: EMPTY first, then the classes."""
    return (_EMPTY_ON_LIGHT, *(one.on_light for one in cycle.classes))


def on_dark(cycle: Cycle) -> tuple[Rgb, ...]:
    """Return the colour of each label on a dark background: EMPTY first, then the classes."""
    return (_EMPTY_ON_DARK, *(one.on_dark for one in cycle.classes))
