"""Write predictions for converted events as labels of the source's own deposits.

A deposit is a voxel of LArCV or SPINE, a point of PILArNet, or a segment of edep-sim. It gets the
label of the voxel of ours that holds most of it, or 0 if it is in no voxel of ours: outside the
cube, or below the threshold.

OUT.h5  event_id (N,), run (N, 2), offset (N + 1,): deposits offset[i] to offset[i + 1] belong to
        event i; label (D,) uint8, score (D, classes) and place (D, 3): voxel numbers of the source,
        or the middle of a segment in mm. Attributes: class_names, the source, its reader.
OUT.csv event, x, y, z, label, one row per deposit
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lartpc_challenge.events import EventFile, offset_of
from lartpc_challenge.files import new_h5, replacing
from lartpc_challenge.format import GRID_SHAPE, GRID_SIZE, ChallengeError
from organizer.convert.deposits import SourceEvent, Voxels
from organizer.convert.h5 import append
from organizer.convert.placing import cut, lattice_mm
from organizer.convert.predictions import labels_of, read_scores
from organizer.convert.readers import READERS
from organizer.convert.source_group import SourceGroup, fingerprint, read_source


@dataclass(frozen=True)
class Labelled:
    """The D deposits of one event of the source with their predicted labels.

    place (D, 3): int64 voxels, or float64 mm. score (D, classes) float32. label (D,) uint8.
    """

    event: SourceEvent
    place: np.ndarray
    score: np.ndarray
    label: np.ndarray


def write_back(events: Path, prediction: Path, out: Path, source_path: Path | None) -> str:
    """Write the prediction for a converted file as labels of its source; return a summary.

    source_path: the source's path, if it was moved. Raises ChallengeError if `events` is not a
    converted file, or if its source has changed.
    """
    if out.suffix.lower() not in (".h5", ".hdf5", ".csv"):
        raise ChallengeError(f"{out}: name it .h5 or .csv")
    source = read_source(events)
    if source is None:
        raise ChallengeError(
            f"{events}: has no group source/: it was not converted from another format"
        )
    path = Path(source.path) if source_path is None else source_path
    if not path.exists():
        raise ChallengeError(
            f"{path}: the source of {events} does not exist; give its path with --source"
        )
    if fingerprint(path) != source.fingerprint:
        raise ChallengeError(f"{path}: is not the file that {events} was converted from")
    scores = read_scores(prediction, events)
    with EventFile(events) as file:
        names = file.cycle.class_names
        read = tqdm(_source_events(path, source), unit=" events", disable=None, leave=False)
        items = _labelled(file, source, scores, read)
        if out.suffix.lower() == ".csv":
            n_events, n_deposits, n_labelled = _write_csv(out, items)
        else:
            header = {"class_names": list(names), "source": str(path), "reader": source.reader}
            n_events, n_deposits, n_labelled = _write_h5(out, items, header)
    share = n_labelled / max(n_deposits, 1)
    return (
        f"{out}: {n_events:,} events, {n_deposits:,} deposits of {path}; {share:.1%} have a label, "
        "the others are outside the cube or below the threshold"
    )


def _source_events(path: Path, source: SourceGroup) -> Iterator[SourceEvent]:
    """Yield the events of the source up to the last converted one."""
    last = source.parent.max(initial=-1)
    for event in READERS[source.reader](path, source.options):
        if event.entry > last:
            return
        yield event


def _labelled(
    file: EventFile, source: SourceGroup, scores: np.ndarray, events: Iterable[SourceEvent]
) -> Iterator[Labelled]:
    """Yield the source's events with the scores of all tiles that they became."""
    of_parent: dict[int, list[int]] = {}
    for row, parent in enumerate(source.parent.tolist()):
        of_parent.setdefault(parent, []).append(row)
    for event in events:
        score = np.zeros((len(event.energy_mev), scores.shape[1]))
        weight = np.zeros(len(event.energy_mev))
        for row in of_parent.get(event.entry, ()):
            _add(score, weight, event, file, source, row, scores)
        score /= np.maximum(weight, 1e-12)[:, None]
        place = event.place
        where = place.index if isinstance(place, Voxels) else (place.start_mm + place.end_mm) / 2
        yield Labelled(event, where, score.astype(np.float32), labels_of(score))


def _add(
    score: np.ndarray,
    weight: np.ndarray,
    event: SourceEvent,
    file: EventFile,
    source: SourceGroup,
    row: int,
    scores: np.ndarray,
) -> None:
    """Add the scores of our event `row` to score (D, classes) and weight (D,) of the deposits."""
    first, end = file.offset[row : row + 2].tolist()
    table = np.full(GRID_SHAPE, -1, np.int32)
    table[tuple(file[row].coords.T)] = np.arange(end - first)
    voxel_mm = source.our_voxel_mm
    shift = (source.origin_mm[row] - lattice_mm(event.place)) / voxel_mm
    corner = np.round(shift).astype(np.int64)
    for pieces in cut(event.place, voxel_mm):
        cell = pieces.cell - corner
        is_in = ((cell >= 0) & (cell < GRID_SIZE)).all(axis=1)
        voxel = table[tuple(cell[is_in].T)]
        is_kept = voxel >= 0
        deposit, share = pieces.row[is_in][is_kept], pieces.share[is_in][is_kept]
        np.add.at(score, deposit, scores[first + voxel[is_kept]] * share[:, None])
        np.add.at(weight, deposit, share)


def _write_h5(out: Path, items: Iterable[Labelled], header: dict) -> tuple[int, int, int]:
    """Write OUT.h5; return the numbers of events, deposits, and deposits with a label."""
    lengths, ids, runs, n_labelled = [], [], [], 0
    with new_h5(out) as file:
        file.attrs.update(header)
        for item in items:
            append(file, "label", item.label)
            append(file, "score", item.score)
            append(file, "place", item.place)
            lengths.append(len(item.label))
            ids.append(item.event.number[2])
            runs.append(item.event.number[:2])
            n_labelled += int((item.label > 0).sum())
        file["event_id"] = np.array(ids, np.int64)
        file["run"] = np.array(runs, np.int64).reshape(-1, 2)
        file["offset"] = offset_of(lengths)
    return len(ids), sum(lengths), n_labelled


def _write_csv(out: Path, items: Iterable[Labelled]) -> tuple[int, int, int]:
    """Write OUT.csv; return the numbers of events, deposits, and deposits with a label."""
    n_events = n_deposits = n_labelled = 0
    with replacing(out) as temporary, open(temporary, "w", newline="") as file:
        file.write("event,x,y,z,label\n")
        for item in items:
            number = item.event.number[2]
            columns = (*item.place.T.tolist(), item.label.tolist())
            line = f"{number},%.9g,%.9g,%.9g,%d\n"
            file.writelines(line % row for row in zip(*columns))
            n_events, n_deposits = n_events + 1, n_deposits + len(item.label)
            n_labelled += int((item.label > 0).sum())
    return n_events, n_deposits, n_labelled
