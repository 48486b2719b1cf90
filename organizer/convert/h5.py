"""Get data sets and groups of other people's HDF5 files by name, with clear errors."""

from __future__ import annotations

import h5py

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


def names_of(parent: h5py.Group) -> list[str]:
    """Return the names in `parent`."""
    return [str(name) for name in parent]


def _joined(parent: h5py.Group, name: str) -> str:
    return f"{parent.name or ''}/{name}".replace("//", "/")
