"""What is wrong with a submission, in words that are safe on a terminal and on a page.

A submission's own names and fields are hostile text: `shown` lets plain ASCII through and nothing
that a terminal or a browser would act on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from .format import SubmissionError

EXAMPLES = 10
_HARMLESS = frozenset(map(chr, range(0x20, 0x7F))) - frozenset("<>&\"'`\\")


def shown(text, limit: int = 60) -> str:
    """`text` (str or bytes) in quotes, cut to `limit` characters, anything active as \\x escapes."""
    text = text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else str(text)
    cut = text[:limit]
    plain = "".join(c if c in _HARMLESS else c.encode("unicode_escape").decode() for c in cut)
    for active in "<>&\"'`":
        plain = plain.replace(active, f"\\x{ord(active):02x}")
    return f"'{plain}{'...' if len(text) > limit else ''}'"


class Problems:
    """Problems of one file, gathered so that a participant can mend all of them at once."""

    def __init__(self, where: str):
        self._where = where
        self._sentences = []

    def add(
        self,
        what: str,
        found: Iterable[str] = (),
        count: Optional[int] = None,
        advice: str = "",
    ) -> None:
        """Note one kind of problem: `what`, the first ten of `found`, how many there are in all."""
        found = list(found)
        count = len(found) if count is None else count
        examples = found[:EXAMPLES]
        sentence = f"{self._where}: {what}"
        if examples:
            sentence += ": " + ", ".join(examples)
        if count > len(examples):
            sentence += f" and {count - len(examples):,} more"
        self._sentences.append(f"{sentence}. {advice}".rstrip())

    def check(self) -> None:
        """Raise SubmissionError with one line for each kind noted so far, if there is any."""
        if self._sentences:
            raise SubmissionError("\n".join(self._sentences))
