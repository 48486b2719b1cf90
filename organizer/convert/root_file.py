"""Read ROOT files with uproot: branches, and raw bytes of types that uproot can't decode."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lartpc_challenge.files import check_file
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.submission.upload import READ_ERRORS

# The exceptions that uproot raises for damaged bytes, in addition to zlib's and its own.
_MORE_READ_ERRORS = (LookupError, TypeError, AttributeError, AssertionError, NotImplementedError)


def import_uproot() -> Any:
    """Return the module uproot. Raises ChallengeError if it is not installed."""
    try:
        import uproot
    except ImportError as reason:
        raise ChallengeError("reading ROOT files needs uproot: pip install uproot") from reason
    return uproot


@contextlib.contextmanager
def reading_root(what: str, problem: str = "damaged, it can't be read") -> Iterator[None]:
    """Turn the exceptions of uproot and numpy for damaged bytes into one ChallengeError."""
    uproot = import_uproot()
    try:
        yield
    except (*READ_ERRORS, *_MORE_READ_ERRORS, uproot.DeserializationError) as reason:
        raise ChallengeError(f"{what}: {problem}; download or make it again") from reason


@contextlib.contextmanager
def open_root(path: Path) -> Iterator[Any]:
    """Yield an open ROOT file of uproot. Raises ChallengeError if it can't be opened."""
    uproot = import_uproot()
    check_file(path)
    problem = "not a readable ROOT file (damaged, cut short or of another kind)"
    with reading_root(str(path), problem):
        file = uproot.open(path, handler=uproot.MemmapSource)  # no threads, twice as fast
    with file:
        yield file


class Tree:
    """A tree of an open ROOT file. Its members are named without the branches above them."""

    def __init__(self, path: Path, tree: Any):
        self.path, self.name = path, tree.name
        self._tree = tree
        self._keys = {f".{key.split('/')[-1]}": key for key in tree.keys(recursive=True)}

    def __len__(self) -> int:
        return self._tree.num_entries

    def _find(self, name: str) -> Any:
        return next((key for end, key in self._keys.items() if end.endswith(f".{name}")), None)

    def has(self, *names: str) -> bool:
        """Return whether all these members are there, at any depth."""
        return all(self._find(name) is not None for name in names)

    def _branch(self, name: str) -> Any:
        key = self._find(name)
        if key is None:
            raise ChallengeError(f"{self.path}: the tree {self.name} has no branch {name}")
        return self._tree[key]

    def columns(self, names: Iterable[str], start: int, stop: int) -> list[np.ndarray]:
        """Return the entries start..stop - 1 of members: arrays of numbers, or of arrays.

        Raises ChallengeError if a member is missing or damaged.
        """
        branches = [self._branch(name) for name in names]
        with reading_root(f"{self.path}: entries {start} to {stop - 1}"):
            return [b.array(entry_start=start, entry_stop=stop, library="np") for b in branches]

    def raw(self, name: str, start: int, stop: int) -> list[np.ndarray]:
        """Return the undecoded bytes (uint8) of the entries start..stop - 1 of a member.

        Raises ChallengeError if it is missing or damaged.
        """
        uproot, branch = import_uproot(), self._branch(name)
        as_bytes = uproot.AsJagged(uproot.AsDtype("u1"))
        with reading_root(f"{self.path}: entries {start} to {stop - 1} of {branch.name}"):
            return list(branch.array(as_bytes, entry_start=start, entry_stop=stop, library="np"))
