"""The data of the 2018 competition (MLHEP school), both ways: IN is looked at to tell which.

From    dense HDF5 (/data and /label, each (N, 192, 192, 192)) or CSV (event,x,y,z,val,label) to our
        events: of kind train if they have labels, else test.
To      our events to dense HDF5 if OUT ends in .hdf5 or .h5, to CSV if it ends in .csv.
Nothing is cropped or cut: these are events of our grid already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from lartpc_challenge.events import Event
from lartpc_challenge.files import open_h5
from lartpc_challenge.format import FORMAT, ChallengeError
from organizer.convert.formats_2018 import is_hdf5, write_csv, write_dense

_WRITERS = {".csv": write_csv, ".hdf5": write_dense, ".h5": write_dense}


def is_ours(path) -> bool:
    """Whether `path` is an events file of this challenge, to be written as in 2018."""
    if not is_hdf5(path):
        return False
    with open_h5(path) as file:
        return file.attrs.get("format") == FORMAT


def writer(path: Path) -> Callable[[Path, Iterable[Event]], None]:
    """The function that writes events to `path` as in 2018."""
    try:
        return _WRITERS[path.suffix.lower()]
    except KeyError:
        raise ChallengeError(f"{path}: name it .hdf5 for dense HDF5, or .csv") from None
