"""One colour a class, wherever classes are drawn: the report's page and the event display.

Told apart by people who see fewer colours, on light ground and on dark.
"""

from __future__ import annotations

from .format import SemanticLabel

# sRGB, 0..255.
ON_LIGHT = {
    SemanticLabel.EMPTY: (116, 124, 136),
    SemanticLabel.ELECTROMAGNETIC: (36, 104, 180),
    SemanticLabel.OTHER: (22, 128, 108),
    SemanticLabel.PROTON: (200, 90, 16),
}
ON_DARK = {
    SemanticLabel.EMPTY: (138, 147, 160),
    SemanticLabel.ELECTROMAGNETIC: (102, 164, 234),
    SemanticLabel.OTHER: (82, 192, 168),
    SemanticLabel.PROTON: (242, 152, 86),
}


def as_hex(rgb: tuple[int, int, int]) -> str:
    """A colour as #rrggbb."""
    return "#" + bytes(rgb).hex()
