"""Names that participants chose, made safe for a terminal, a text file, a page and a table."""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "'")


def readable(name: object) -> str:
    """`name` (text or a path) on one line, what isn't printable escaped; no two look alike.

    A name that isn't UTF-8 holds its bytes as surrogates (PEP 383); byte ff becomes `\\udcff`.
    """
    return "".join(
        c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode()
        for c in str(name)
    )


def as_cell(name: str) -> str:
    """A `readable` name that no spreadsheet takes for a formula: such a one gets an apostrophe."""
    return "'" + name if name.startswith(_FORMULA) else name
