"""Read ROOT files with uproot: branches, and raw bytes of types that uproot can't decode."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
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
def reading_root(what: str) -> Iterator[None]:
    """Turn the exceptions of uproot and numpy for damaged bytes into one ChallengeError."""
    uproot = import_uproot()
    try:
        yield
    except (*READ_ERRORS, *_MORE_READ_ERRORS, uproot.DeserializationError) as reason:
        raise ChallengeError(
            f"{what}: damaged, it can't be read; download or make it again"
        ) from reason


@contextlib.contextmanager
def open_root(path: Any) -> Iterator[Any]:
    """Yield an open ROOT file of uproot. Raises ChallengeError if it can't be opened."""
    uproot = import_uproot()
    check_file(path)
    try:
        file = uproot.open(path, handler=uproot.MemmapSource)  # no threads, twice as fast
    except (*READ_ERRORS, *_MORE_READ_ERRORS, uproot.DeserializationError) as reason:
        raise ChallengeError(
            f"{path}: not a readable ROOT file (damaged, cut short or of another kind); download "
            "or make it again"
        ) from reason
    with file:
        yield file


def find_branch(tree: Any, name: str) -> Any:
    """Return the branch of the member `name` at any depth, or None."""
    for key in tree.keys(recursive=True):
        if f".{key.split('/')[-1]}".endswith(f".{name}"):
            return tree[key]
    return None


def need_branch(path: Any, tree: Any, name: str) -> Any:
    """Return the branch of the member `name`. Raises ChallengeError if there is none."""
    branch = find_branch(tree, name)
    if branch is None:
        raise ChallengeError(f"{path}: the tree {tree.name} has no branch {name}")
    return branch


def columns(path: Any, branches: Sequence[Any], start: int, stop: int) -> list[np.ndarray]:
    """Return the entries start..stop of branches, each as an array of numbers or of arrays."""
    with reading_root(f"{path}: entries {start} to {stop - 1}"):
        return [b.array(entry_start=start, entry_stop=stop, library="np") for b in branches]


def raw_entries(path: Any, branch: Any, start: int, stop: int) -> list[np.ndarray]:
    """Return the undecoded bytes (uint8) of the entries start..stop of a branch."""
    uproot = import_uproot()
    as_bytes = uproot.AsJagged(uproot.AsDtype("u1"))
    with reading_root(f"{path}: entries {start} to {stop - 1} of {branch.name}"):
        return list(branch.array(as_bytes, entry_start=start, entry_stop=stop, library="np"))
