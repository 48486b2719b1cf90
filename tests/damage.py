"""Damage HDF5 files, and change bytes at random."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np

from lartpc_challenge.seal import SEAL_BYTES, seal

Damage = Callable[[Path], object]  # changes the file at a path


@contextlib.contextmanager
def edited(path) -> Iterator[h5py.File]:
    """Change a file in the block and seal it again: the contents are wrong, the seal is right."""
    with h5py.File(path, "r+") as file:
        yield file
    seal(path)


def as_version_1(path) -> None:
    """Make a file of version 1: it has no seal, so only HDF5 can notice damage."""
    with edited(path) as file:
        file.attrs["format_version"] = 1
    os.truncate(path, path.stat().st_size - SEAL_BYTES)


def attribute(name: str, value, place: str = "/") -> Damage:
    def damage(path):
        with edited(path) as file:
            file[place].attrs[name] = value

    return damage


def lacking(name: str) -> Damage:
    def damage(path):
        with edited(path) as file:
            del file[name]

    return damage


def changed(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    """Replace a data set by the result of `change`, with its dtype and shape."""

    def damage(path):
        with edited(path) as file:
            values = change(file[name][:])
            del file[name]
            file[name] = values

    return damage


def mutations(good: bytes, seed: int, number: int = 150) -> Iterator[bytes]:
    """Yield copies of `good` with one to four bytes changed; every fifth is cut short too."""
    rng = np.random.default_rng(seed)
    for _ in range(number):
        mutated = bytearray(good)
        for place in rng.integers(len(good), size=rng.integers(1, 5)):
            mutated[place] = rng.integers(256)
        yield bytes(mutated[: rng.integers(len(good)) if rng.random() < 0.2 else None])
