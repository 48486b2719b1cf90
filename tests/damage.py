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
    """Change a file and seal it again: wrong in what it says, yet as its writer meant it."""
    with h5py.File(path, "r+") as file:
        yield file
    seal(path)


def as_version_1(path) -> None:
    """Make a file one of version 1, which has no seal: HDF5 alone can tell that it is damaged."""
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
    """Write what `change` makes of a data set in its place, with that dtype and shape."""

    def damage(path):
        with edited(path) as file:
            values = change(file[name][:])
            del file[name]
            file[name] = values

    return damage


def mutations(good: bytes, seed: int, number: int = 150) -> Iterator[bytes]:
    """`good` with one to four bytes changed at random; every fifth is cut short as well."""
    rng = np.random.default_rng(seed)
    for _ in range(number):
        mutated = bytearray(good)
        for place in rng.integers(len(good), size=rng.integers(1, 5)):
            mutated[place] = rng.integers(256)
        yield bytes(mutated[: rng.integers(len(good)) if rng.random() < 0.2 else None])
