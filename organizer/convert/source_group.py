"""Read and write the group `source/` of converted files, their link to the source (FORMAT.md)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import numpy as np

from lartpc_challenge.files import open_h5, reading
from lartpc_challenge.format import ChallengeError
from organizer.convert.converted import Converted, Settings
from organizer.convert.deposits import ReadOptions
from organizer.convert.h5 import get_dataset

GROUP = "source"
_DATA_SETS = ("parent", "event_id", "run", "origin", "voxel_size_mm")
_FINGERPRINT_BYTES = 1 << 20


@dataclass(frozen=True)
class SourceGroup:
    """The link of a converted file with N events to its source.

    parent, event_id (N,), run (N, 2) int64; origin_mm, voxel_mm (N, 3) float64: see FORMAT.md.
    """

    path: str
    reader: str
    options: ReadOptions
    our_voxel_mm: float
    fingerprint: str
    parent: np.ndarray
    event_id: np.ndarray
    run: np.ndarray
    origin_mm: np.ndarray
    voxel_mm: np.ndarray


def write_source(
    file: h5py.File,
    path: Path,
    reader: str,
    options: ReadOptions,
    settings: Settings,
    rows: Sequence[Converted],
) -> None:
    """Write the group into an event file whose events are `rows`, in that order."""
    group = file.create_group(GROUP)
    group.attrs.update(
        {
            "path": str(path),
            "reader": reader,
            "options": json.dumps(asdict(options)),
            "fingerprint": fingerprint(path),
            "crop": settings.crop,
            "threshold_mev": settings.threshold_mev,
            "our_voxel_mm": settings.voxel_mm,
        }
    )
    number = np.array([row.number for row in rows], np.int64).reshape(-1, 3)
    group["parent"] = np.array([row.entry for row in rows], np.int64)
    group["event_id"], group["run"] = number[:, 2], number[:, :2]
    group["origin"] = np.array([row.origin_mm for row in rows]).reshape(-1, 3)
    group["voxel_size_mm"] = np.array([row.source_voxel_mm for row in rows]).reshape(-1, 3)


def read_source(path: Path) -> SourceGroup | None:
    """Read the group of a converted file; None if it has none.

    Raises ChallengeError if it is damaged.
    """
    with open_h5(path) as file:
        group = file.get(GROUP)
        if not isinstance(group, h5py.Group):
            return None
        with reading(f"{path}: {GROUP}"):
            found = SourceGroup(
                str(group.attrs["path"]),
                str(group.attrs["reader"]),
                ReadOptions(**json.loads(str(group.attrs["options"]))),
                float(str(group.attrs["our_voxel_mm"])),
                str(group.attrs["fingerprint"]),
                *(get_dataset(group, name)[:] for name in _DATA_SETS),
            )
        if len({len(found.parent), len(found.event_id), len(found.origin_mm)}) != 1:
            raise ChallengeError(f"{path}: {GROUP}: its data sets differ in length; damaged")
        return found


def fingerprint(path: Path) -> str:
    """Return a fingerprint of a file (32 hexadecimal digits) from its size, start and end.

    For a folder: from the names and sizes of its files.
    """
    digest = hashlib.blake2b(digest_size=16)
    for block in _telling_bytes(Path(path)):
        digest.update(block)
    return digest.hexdigest()


def _telling_bytes(path: Path) -> Iterator[bytes]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            yield f"{file.relative_to(path)} {file.stat().st_size}\n".encode()
        return
    size = path.stat().st_size
    yield str(size).encode()
    with open(path, "rb") as file:
        yield file.read(_FINGERPRINT_BYTES)
        file.seek(max(0, size - _FINGERPRINT_BYTES))
        yield file.read(_FINGERPRINT_BYTES)
