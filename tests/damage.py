"""Ways to damage an HDF5 file, and bytes changed at random."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np

Damage = Callable[[Path], object]  # changes the file at a path


def attribute(name: str, value, place: str = "/") -> Damage:
    def damage(path):
        with h5py.File(path, "r+") as file:
            file[place].attrs[name] = value

    return damage


def lacking(name: str) -> Damage:
    def damage(path):
        with h5py.File(path, "r+") as file:
            del file[name]

    return damage


def changed(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    """Write what `change` makes of a data set in its place, with that dtype and shape."""

    def damage(path):
        with h5py.File(path, "r+") as file:
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
