"""Data sets and groups of other people's HDF5 files, by name: there, and of the right kind."""

from __future__ import annotations

import h5py

from lartpc_challenge.format import ChallengeError


def get_dataset(parent: h5py.Group, name: str) -> h5py.Dataset:
    """The data set `name` below `parent`. ChallengeError if it is not there, or no data set."""
    found = parent.get(name)
    if not isinstance(found, h5py.Dataset):
        raise ChallengeError(f"{parent.file.filename}: has no data set {_joined(parent, name)}")
    return found


def get_group(parent: h5py.Group, name: str) -> h5py.Group:
    """The group `name` below `parent`. ChallengeError if it is not there, or no group."""
    found = parent.get(name)
    if not isinstance(found, h5py.Group):
        raise ChallengeError(f"{parent.file.filename}: has no group {_joined(parent, name)}")
    return found


def names_of(parent: h5py.Group) -> list[str]:
    """The names of what stands below `parent`."""
    return [str(name) for name in parent]


def _joined(parent: h5py.Group, name: str) -> str:
    return f"{parent.name or ''}/{name}".replace("//", "/")
