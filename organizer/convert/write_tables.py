"""Write our events as plain tables: CSV, and folders of .npy files for pimm's DefaultDataset.

CSV     event,x,y,z,val and, if known, label, then score_CLASS for each class of a prediction
pimm    OUT/SPLIT/event_ID/coord.npy (N, 3), strength.npy (N, 1) with the energy, segment.npy (N,)
        with the class (from 0 in the order of OUT/classes.txt), prediction.npy (N, classes) with
        the scores
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from lartpc_challenge.files import replacing
from lartpc_challenge.format import ChallengeError
from organizer.convert.arrays import CLASSES_FILE
from organizer.convert.export import Exported


def write_csv(out: Path, items: Iterable[Exported], class_names: tuple[str, ...]) -> None:
    """Write events as CSV, one row per voxel."""
    head, row = "", ""
    with replacing(out) as temporary, open(temporary, "w", newline="") as file:
        for item in items:
            event = item.event
            columns = [*event.coords.T.tolist(), event.energy.tolist()]
            if not head:
                head, row = "event,x,y,z,val", "%d,%d,%d,%d,%.9g"  # 9 digits keep a float32
                if event.label is not None:
                    head, row = head + ",label", row + ",%d"
                if item.scores is not None:
                    head += "".join(f",score_{name}" for name in class_names)
                    row += ",%.6g" * len(class_names)
                file.write(f"{head}\n")
            if event.label is not None:
                columns.append(event.label.tolist())
            if item.scores is not None:
                columns += item.scores.T.tolist()
            file.writelines(row % (event.event_id, *v) + "\n" for v in zip(*columns))


def write_folders(
    out: Path, items: Iterable[Exported], split: str, class_names: tuple[str, ...]
) -> None:
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
