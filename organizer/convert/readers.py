"""Find the module that reads a file, with the names of the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lartpc_challenge.format import ChallengeError
from organizer.convert import (
    arrays,
    edepsim_hdf5,
    edepsim_root,
    larcv2,
    larcv3,
    mlhep2018,
    pilarnet,
    spine,
)
from organizer.convert.deposits import ReadOptions, SourceEvent
from organizer.convert.edepsim_tracks import TAXONOMY as EDEPSIM_CLASSES
from organizer.convert.larcv_kinds import TABLES as LARCV_CLASSES
from organizer.convert.recognise import Found
from organizer.convert.taxonomy import Taxonomy

Read = Callable[[Path, ReadOptions], Iterator[SourceEvent]]


@dataclass(frozen=True)
class Family:
    """A SOURCE of the command line: a line about it, the manuals of its readers, its tables."""

    summary: str
    manuals: tuple[str | None, ...]
    tables: tuple[Taxonomy, ...]


READERS: dict[str, Read] = {
    "edepsim_hdf5": edepsim_hdf5.read,
    "edepsim_root": edepsim_root.read,
    "pilarnet_hdf5": pilarnet.read_hdf5,
    "pilarnet_parquet": pilarnet.read_parquet,
    "npz": arrays.read_npz,
    "csv": arrays.read_csv,
    "folder": arrays.read_folder,
    "larcv2": larcv2.read,
    "larcv3": larcv3.read,
    "spine": spine.read,
    "mlhep": mlhep2018.read,
}
FAMILIES = {
    "edepsim": Family(
        "edep-sim: HDF5 as larnd-sim reads it, or edep-sim's own ROOT files",
        (edepsim_hdf5.__doc__, edepsim_root.__doc__),
        (EDEPSIM_CLASSES,),
    ),
    "pilarnet": Family(
        "PILArNet and PILArNet-M: HDF5 v1 to v3, parquet, npz, CSV, pimm's folders",
        (pilarnet.__doc__, arrays.__doc__),
        (pilarnet.TAXONOMY,),
    ),
    "larcv": Family(
        "LArCV2 (ROOT; edep2supera's too) and LArCV3 (HDF5): sparse3d and cluster3d",
        (larcv2.__doc__, larcv3.__doc__),
        LARCV_CLASSES,
    ),
    "spine": Family("SPINE's HDF5, versions 1 and 2", (spine.__doc__,), LARCV_CLASSES[1:2]),
    "mlhep": Family(
        "the 2018 competition's dense HDF5 and CSV", (mlhep2018.__doc__,), (mlhep2018.TAXONOMY,)
    ),
}


def reader_of(found: Found, path: Path, source: str | None) -> str:
    """Return the key in READERS for a file that was recognised.

    source: the SOURCE that the user gave, or None. Raises ChallengeError if no module reads the
    file, or if another source does, with the contents of the file and the right command.
    """
    if found.source is None or found.reader is None:
        raise ChallengeError(f"{path}: {found.sentence}")
    if source not in (None, found.source):
        raise ChallengeError(f"{path}: {found.sentence}, and `{source}` does not")
    return found.reader
