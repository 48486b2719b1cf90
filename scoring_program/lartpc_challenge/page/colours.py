"""The colours of pages and pictures around those of the classes, which cycles.py declares."""

from __future__ import annotations

from lartpc_challenge.cycles import Cycle, Rgb

# Of voxels that are predicted to be empty.
_EMPTY_ON_LIGHT, _EMPTY_ON_DARK = (116, 124, 136), (138, 147, 160)

# On light ground: text that matters, and the rest; lines; the page around cards.
INK, SOFT, LINE, PAGE = "#1b2330", "#596474", "#e2e6eb", "#f5f6f8"


def as_hex(rgb: Rgb) -> str:
    """A colour as #rrggbb."""
    return "#" + bytes(rgb).hex()


def on_light(cycle: Cycle) -> tuple[Rgb, ...]:
    """The colour of each label of the cycle, EMPTY first, on light ground."""
    return (_EMPTY_ON_LIGHT, *(one.on_light for one in cycle.classes))


def on_dark(cycle: Cycle) -> tuple[Rgb, ...]:
    """The same on dark ground."""
    return (_EMPTY_ON_DARK, *(one.on_dark for one in cycle.classes))
