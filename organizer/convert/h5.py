"""Get data sets and groups of HDF5 files by name, with clear errors; append to data sets."""

from __future__ import annotations

import h5py
import numpy as np

from lartpc_challenge.format import ChallengeError


def get_dataset(parent: h5py.Group, name: str) -> h5py.Dataset:
    """Return the data set `name` in `parent`. Raises ChallengeError if there is none."""
    found = parent.get(name)
    if not isinstance(found, h5py.Dataset):
        raise ChallengeError(f"{parent.file.filename}: has no data set {_joined(parent, name)}")
    return found


def get_group(parent: h5py.Group, name: str) -> h5py.Group:
    """Return the group `name` in `parent`. Raises ChallengeError if there is none."""
    found = parent.get(name)
    if not isinstance(found, h5py.Group):
        raise ChallengeError(f"{parent.file.filename}: has no group {_joined(parent, name)}")
    return found


def append(parent: h5py.Group, name: str, values: np.ndarray, chunk_rows: int = 1 << 15) -> None:
    """Append rows to the data set `name` in `parent`, which is made if it is missing."""
    tail = values.shape[1:]
    if name not in parent:
        shape = {"shape": (0, *tail), "maxshape": (None, *tail), "chunks": (chunk_rows, *tail)}
        parent.create_dataset(name, dtype=values.dtype, **shape, compression="gzip", shuffle=True)
    dataset = get_dataset(parent, name)
    dataset.resize(len(dataset) + len(values), axis=0)
    if len(values):
        dataset[-len(values) :] = values


def _joined(parent: h5py.Group, name: str) -> str:
    return f"{parent.name or ''}/{name}".replace("//", "/")
