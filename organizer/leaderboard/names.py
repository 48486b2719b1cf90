"""Make names of participants safe for terminals, text files, pages and tables."""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "'")


def readable(name: object) -> str:
    """Return `name` (text or a path) with all characters escaped that are not printable.

    Different names give different results. Bytes that are not UTF-8 are surrogates in a name
    (PEP 383); byte ff becomes `\\udcff`.
    """
    return "".join(
        c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode()
        for c in str(name)
    )


def as_cell(name: str) -> str:
    """Return a `readable` name for a spreadsheet: one that looks like a formula gets a `'`."""
    return "'" + name if name.startswith(_FORMULA) else name
