"""What is wrong with a submission, in words that are safe on a terminal and on a page.

A submission's names and fields are hostile text: only `shown` may carry them into a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from lartpc_challenge.format import SubmissionError

EXAMPLES = 10
_HARMLESS = frozenset(map(chr, range(0x20, 0x7F))) - frozenset("<>&\"'`\\")


def shown(text, limit: int = 60) -> str:
    """`text` (str or bytes) quoted and cut; what a terminal or a page could act on is escaped."""
    text = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else str(text)
    cut = text[:limit] + ("..." if len(text) > limit else "")
    return "'" + "".join(c if c in _HARMLESS else _escaped(c) for c in cut) + "'"


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as Python keeps it in text (PEP 383)
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"


class Cases:
    """How often something was found, and words for the first ten."""

    def __init__(self, words: Iterable[str] = ()):
        words = list(words)
        self.count, self.words = len(words), words[:EXAMPLES]

    def add(self, found: np.ndarray, word: Callable[[int], str]) -> None:
        """Count `found` (n,), things of which word(thing) speaks."""
        self.words += [word(thing) for thing in found[: EXAMPLES - len(self.words)].tolist()]
        self.count += len(found)

    def __str__(self) -> str:
        more = self.count - len(self.words)
        return ", ".join(self.words) + (f" and {more:,} more" if more else "")


class Problems:
    """The problems of one file, gathered so that a participant can mend all of them at once.

    with Problems("predictions.h5") as problems: raises SubmissionError at the block's end, a line
    for each kind of problem that was noted in it.
    """

    def __init__(self, where: str):
        self.where = where
        self._sentences: list[str] = []

    def add(self, what: str, advice: str = "") -> None:
        """Note one kind of problem: a clause with what is wrong; a sentence with what to do."""
        self._sentences.append(f"{self.where}: {what}. {advice}".rstrip())

    def add_cases(self, what: str, cases: Cases, advice: str = "") -> None:
        """Note a kind of problem that was found `cases.count` times; nothing if never."""
        if cases.count:
            self.add(f"{what}: {cases}", advice)

    def __enter__(self) -> Problems:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._sentences:
            raise SubmissionError("\n".join(self._sentences))
