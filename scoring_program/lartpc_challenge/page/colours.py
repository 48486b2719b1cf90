"""The colours of pages and pictures: one a class, and greys for what stands around.

Classes are told apart by people who see fewer colours, on light ground and on dark.
"""

from __future__ import annotations

from lartpc_challenge.format import SemanticLabel

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

# On light ground: text that matters, and the rest; lines; the page around cards.
INK, SOFT, LINE, PAGE = "#1b2330", "#596474", "#e2e6eb", "#f5f6f8"


def as_hex(rgb: tuple[int, int, int]) -> str:
    """A colour as #rrggbb."""
    return "#" + bytes(rgb).hex()
