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
            yield bar.update
        return
    n_done, began = 0, time.monotonic()
    last_line = began

    def advance(n: int) -> None:
        nonlocal n_done, last_line
        n_done, now = n_done + n, time.monotonic()
        if now - last_line >= LINE_SECONDS or n_done == total:
            last_line = now
            counted = f"{n_done:,} of {total:,} {unit} ({n_done / total:.0%})"
            print(f"{what}: {counted}, {now - began:.0f} s", file=sys.stderr, flush=True)

    yield advance
