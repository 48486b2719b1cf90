"""Show the progress of long work: a bar on a terminal, single lines in a file or a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

LINE_SECONDS = 30.0  # between two lines


@contextmanager
def progress(total: int, what: str, unit: str) -> Iterator[Callable[[int], object]]:
    """Yield a function; call it with the number of units that are newly done.

    total: number of units. what: name of the work, for example a file name. unit: for example
    "events". The output goes to stderr.
    """
    if sys.stderr.isatty():
        with tqdm(total=total, desc=what, unit=f" {unit}", smoothing=0.1) as bar:
            yield lambda n: bar.update(n)
    else:
        yield _Lines(total, what, unit).advance


class _Lines:
    def __init__(self, total: int, what: str, unit: str):
        self._total, self._what, self._unit = total, what, unit
        self._n_done = 0
        self._began = self._last_line = time.monotonic()

    def advance(self, n: int) -> None:
        """Count n more units, and print a line if one is due."""
        self._n_done += n
        now = time.monotonic()
        if now - self._last_line >= LINE_SECONDS or self._n_done == self._total:
            self._last_line = now
            share = self._n_done / self._total
            print(
                f"{self._what}: {self._n_done:,} of {self._total:,} {self._unit} ({share:.0%}), "
                f"{now - self._began:.0f} s",
                file=sys.stderr,
                flush=True,
            )
