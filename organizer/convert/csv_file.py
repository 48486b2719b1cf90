"""Read CSV files of numbers: names in the first line, then one row per line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lartpc_challenge.format import ChallengeError
from lartpc_challenge.submission.problems import shown

_HEADER_BYTES = 1 << 16
_BLOCK_BYTES = 1 << 23


def header(path: Path) -> list[str] | None:
    """Return the columns' names in the first line, in lower case; None if it can't be read."""
    try:
        with open(path, "rb") as file:
            line = file.readline(_HEADER_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    return [name.strip().strip('"').lower() for name in line.split(",")]


def read_rows(path: Path, n_columns: int) -> Iterator[np.ndarray]:
    """Yield the rows below the first line in blocks: (n, n_columns) float64.

    Raises ChallengeError with the first line that does not hold `n_columns` numbers.
    """
    try:
        with open(path, "rb") as file:
            file.readline(_HEADER_BYTES)
            line = 2
            while block := file.readlines(_BLOCK_BYTES):
                yield _numbers(path, line, block, n_columns)
                line += len(block)
    except OSError as reason:
        raise ChallengeError(f"{path}: {reason.strerror}") from reason


def _numbers(path: Path, first_line: int, lines: list[bytes], n_columns: int) -> np.ndarray:
    """Return the numbers of lines. Raises ChallengeError with the first wrong line."""
    table = _parse([line for line in lines if line.strip()], n_columns)
    if table is not None:
        return table
    number, wrong = next(
        (number, line)
        for number, line in enumerate(lines, first_line)
        if line.strip() and _parse([line], n_columns) is None
    )
    raise ChallengeError(
        f"{path} line {number}: expected {n_columns} numbers, found {shown(wrong.strip())}"
    )


def _parse(lines: list[bytes], n_columns: int) -> np.ndarray | None:
    """Return the numbers in the lines, (n, n_columns) float64; None if a line has others."""
    if not lines:  # numpy would warn
        return np.zeros((0, n_columns))
    try:
        table = np.loadtxt(lines, delimiter=",", comments=None, ndmin=2)
    except ValueError:
        return None
    return table if table.shape[1] == n_columns else None
