"""Write our events as folders of .npy files for pimm's DefaultDataset.

OUT/SPLIT/event_ID/coord.npy (N, 3), strength.npy (N, 1) with the energy, segment.npy (N,) with the
class (from 0 in the order of OUT/classes.txt), prediction.npy (N, classes) with the scores.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from lartpc_challenge.format import ChallengeError
from organizer.convert.arrays import CLASSES_FILE
from organizer.convert.export import Exported


def write(out: Path, items: Iterable[Exported], split: str, class_names: tuple[str, ...]) -> None:
    """Write events as pimm's folders below OUT/`split`, atomically."""
    if out.exists():
        raise ChallengeError(f"{out}: already exists; name a new folder")
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        for item in items:
            folder = temporary / split / f"event_{item.event.event_id:010d}"
            folder.mkdir(parents=True)
            np.save(folder / "coord.npy", item.event.coords.astype(np.float32))
            np.save(folder / "strength.npy", item.event.energy[:, None])
            if item.event.label is not None:
                np.save(folder / "segment.npy", item.event.label.astype(np.int32) - 1)
            if item.scores is not None:
                np.save(folder / "prediction.npy", item.scores.astype(np.float32))
        (temporary / CLASSES_FILE).write_text("\n".join(class_names) + "\n", encoding="utf-8")
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
