"""Collect the problems of a submission as texts that are safe on a terminal and on a page.

Names and fields of a submission are hostile text: pass them through `shown` before they become
part of a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from lartpc_challenge.format import SubmissionError

EXAMPLES = 10
_HARMLESS = frozenset(map(chr, range(0x20, 0x7F))) - frozenset("<>&\"'`\\")


def shown(text: object, limit: int = 60) -> str:
    """Return `text` (str or bytes) in quotes, cut to `limit`, with special characters escaped."""
    text = text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else str(text)
    cut = text[:limit] + ("..." if len(text) > limit else "")
    return "'" + "".join(c if c in _HARMLESS else _escaped(c) for c in cut) + "'"


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as Python keeps it in text (PEP 383)
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"


class Cases:
    """Count the cases of one problem, with a description of the first ten."""

    def __init__(self, words: Iterable[str] = ()):
        words = list(words)
        self.count, self.words = len(words), words[:EXAMPLES]

    def add(self, found: np.ndarray, word: Callable[[int], str]) -> None:
        """Count the cases `found` (n,); word(case) describes one of them."""
        self.words += [word(thing) for thing in found[: EXAMPLES - len(self.words)].tolist()]
        self.count += len(found)

    def __str__(self) -> str:
        more = self.count - len(self.words)
        return ", ".join(self.words) + (f" and {more:,} more" if more else "")


class Problems:
    """Collect the problems of one file, so that a participant can fix all of them at once.

    `with Problems("predictions.h5") as problems:` raises SubmissionError at the end of the block if
    problems were added in it, with one line per kind of problem.
    """

    def __init__(self, where: str):
        self.where = where
        self._sentences: list[str] = []

    def add(self, what: str, advice: str = "") -> None:
        """Add one problem. what: a clause that says what is wrong. advice: a sentence."""
        self._sentences.append(f"{self.where}: {what}. {advice}".rstrip())

    def add_cases(self, what: str, cases: Cases, advice: str = "") -> None:
        """Add a problem with its cases. Does nothing if there are none."""
        if cases.count:
            self.add(f"{what}: {cases}", advice)

    def __enter__(self) -> Problems:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._sentences:
            raise SubmissionError("\n".join(self._sentences))
