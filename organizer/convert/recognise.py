"""Recognise the kind of a file from its content."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from lartpc_challenge.files import HDF5_SIGNATURE, check_file, open_h5
from lartpc_challenge.format import FORMAT, ChallengeError
from lartpc_challenge.kinds import ZIP
from lartpc_challenge.submission.upload import READ_ERRORS
from organizer.convert import arrays, larcv2, larcv3, spine
from organizer.convert.csv_file import header
from organizer.convert.deposits import known_names
from organizer.convert.edepsim_hdf5 import find_table
from organizer.convert.edepsim_root import TREE
from organizer.convert.pilarnet import columns_of, has_rows
from organizer.convert.root_file import open_root

OURS = "ours"  # stands for a reader where a file is one of this challenge
_CONVERT = "python -m organizer.convert"
_SHOWN_NAMES = 12
_PLANE_KINDS = ("sparse2d", "cluster2d", "image2d")
_PACKETS = ("packets", "mc_packets_assn")


@dataclass(frozen=True)
class Found:
    """The kind of a file.

    what: its kind in words. content: what was found in it. source: its SOURCE of the command line.
    reader: the name of the module that reads it; None if there is none. advice: what to do with a
    file that can't be read here.
    """

    what: str
    content: str = ""
    source: str | None = None
    reader: str | None = None
    advice: str = ""

    @property
    def sentence(self) -> str:
        """A clause with the kind, the content, and the command or advice."""
        content = f" ({self.content})" if self.content else ""
        if self.source is not None:
            return f"is {self.what}{content}; {_CONVERT} {self.source} reads it"
        return f"is {self.what}{content}" + (f"; {self.advice}" if self.advice else "")


def recognise(path: Path) -> Found:
    """Recognise the file or folder `path`. Raises ChallengeError if it is missing or damaged."""
    if path.is_dir():
        if arrays.event_folders(path):
            return Found("a folder of pimm's events", "coord.npy ...", "pilarnet", "folder")
        return Found("a folder without events", advice="expected event_*/coord.npy, as pimm has")
    check_file(path)
    try:
        with open(path, "rb") as file:
            start = file.read(16)
    except OSError as reason:
        raise ChallengeError(f"{path}: {reason.strerror}") from reason
    if not start:
        raise ChallengeError(f"{path}: is empty")
    if start.startswith(b"root"):
        return _root(path)
    if start.startswith(b"PAR1"):
        return _parquet(path)
    if start.startswith(ZIP):
        return _zip(path)
    if start.startswith(b"\x93NUMPY"):
        return Found("one array (.npy)", advice="coordinates and energies in one .npz are read")
    if start.startswith(HDF5_SIGNATURE) or h5py.is_hdf5(path):
        return _hdf5(path)
    return _text(path)


def _names(names: Any) -> str:
    names = list(map(str, names))
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more


def _hdf5(path: Path) -> Found:
    with open_h5(path) as file:
        content = _names(file)
        if file.attrs.get("format") == FORMAT:
            kind = file.attrs.get("kind")
            return Found(f"a {kind} file of this challenge", content, reader=OURS)
        if spine.is_spine(file):
            return Found("SPINE's HDF5", _names(spine.product_names(file)), "spine", "spine")
        if "Data" in file and larcv3.producers(file):
            return _larcv(larcv3.producers(file), "LArCV3's HDF5", "larcv3")
        if find_table(file) is not None:
            return Found("edep-sim's HDF5", content, "edepsim", "edepsim_hdf5")
        if has_rows(file.get("point")) and has_rows(file.get("cluster")):
            return Found("PILArNet-M's HDF5", content, "pilarnet", "pilarnet_hdf5")
        shapes = {name: getattr(file.get(name), "shape", ()) for name in map(str, file)}
        if any(len(shape) == 4 for shape in shapes.values()):
            if any(name.lower() in ("data", "val") for name in shapes):
                return Found("dense HDF5 of 2018", content, "mlhep", "mlhep")
            if "pred" in shapes:
                return Found(
                    "a dense submission", content, advice="lartpc_challenge check reads it"
                )
        if "StartXPos" in file:
            return Found(
                "an early table of edep-sim's segments",
                content,
                advice="make it again with the present dumpTree.py",
            )
        if any(name in file for name in _PACKETS):
            return Found(
                "larnd-sim's read-out without true segments",
                content,
                advice="nothing in it is a true deposit",
            )
        return Found("an HDF5 file of no known kind", content or "empty")


def _larcv(found: dict[str, list[str]], what: str, reader: str) -> Found:
    content = _names(f"{kind}_{name}" for kind, names in found.items() for name in names)
    if found.get("sparse3d") or found.get("cluster3d"):
        return Found(what, content, "larcv", reader)
    if any(found.get(kind) for kind in _PLANE_KINDS):
        return Found(f"2D data in {what}", content, advice="only 3D data are read")
    return Found(f"{what} without voxels", content, advice="sparse3d or cluster3d is needed")


def _root(path: Path) -> Found:
    with open_root(path) as file:
        classes = dict(file.classnames(cycle=False))
        content = _names(classes) or "nothing"
        if TREE in classes:
            return Found("edep-sim's ROOT file", content, "edepsim", "edepsim_root")
        if larcv2.producers(file):
            return _larcv(larcv2.producers(file), "LArCV2's ROOT file", "larcv2")
        tables = [name for name, kind in classes.items() if "RNTuple" in kind]
        if tables:
            return Found(
                "a ROOT file with RNTuples",
                _names(tables),
                advice="edep-sim and LArCV2 write TTrees; neither is in it",
            )
        return Found("a ROOT file of no known kind", content)


def _parquet(path: Path) -> Found:
    names = columns_of(path)
    if {"point", "cluster"} <= set(names):
        return Found("PILArNet-M's parquet", _names(names), "pilarnet", "pilarnet_parquet")
    return Found("a parquet file of no known kind", _names(names))


def _zip(path: Path) -> Found:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except READ_ERRORS as reason:
        raise ChallengeError(
            f"{path}: not a readable .npz or zip file (damaged or cut short); download or make it "
            "again"
        ) from reason
    if names and all(name.endswith(".npy") for name in names):
        content = _names(name.removesuffix(".npy") for name in names)
        return Found("arrays of numpy (.npz)", content, "pilarnet", "npz")
    return Found("a zip", _names(names), advice="unpack it; submissions are read by check")


def _text(path: Path) -> Found:
    names = header(path)
    if names is None or len(names) < 2:
        return Found(
            "of no known kind",
            advice="read are HDF5, ROOT, parquet, .npz and CSV; is it damaged, or cut short?",
        )
    content = _names(names)
    if {"event", "x", "y", "z", "val"} <= set(names):
        return Found("a CSV of 2018", content, "mlhep", "mlhep")
    known = known_names(names, arrays.NAMES)
    if {"x", "y", "z"} <= set(names) and "energy" in known:
        return Found("a CSV of voxels", content, "pilarnet", "csv")
    return Found("a text file of no known kind", content)
