"""Write our events in other formats, with the names of the command line."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from tqdm import tqdm

from lartpc_challenge.events import EventFile
from lartpc_challenge.files import check_writable
from lartpc_challenge.format import ChallengeError
from organizer.convert import write_pilarnet, write_pimm, write_spine
from organizer.convert.export import exported, voxel_cm
from organizer.convert.formats_2018 import write_csv, write_dense
from organizer.convert.predictions import read_scores

# Name of --to -> description of OUT.
FORMATS = {
    "pilarnet": "PILArNet-M v3, HDF5: pimm reads it",
    "pilarnet-v2": "PILArNet-M v2, HDF5: Panda reads it",
    "pilarnet-v1": "PILArNet-M v1, HDF5: PoLAr-MAE reads it",
    "parquet": "PILArNet-M v3, parquet: pimm reads it",
    "spine": "SPINE's HDF5, version 2",
    "pimm": "a folder of .npy files: pimm's DefaultDataset reads it",
    "csv": "a table: event,x,y,z,val,label",
    "mlhep": "dense HDF5 or CSV of 2018, as OUT ends in .hdf5 or .csv",
}
_BY_SUFFIX = {".parquet": "parquet", ".csv": "csv"}


def choose_format(out: Path, source: str | None, to: str | None) -> str:
    """Return the format to write, from --to, SOURCE or the name of OUT.

    Raises ChallengeError if none of them gives it.
    """
    name = to or (source if source in FORMATS else None) or _BY_SUFFIX.get(out.suffix.lower())
    if name is None:
        raise ChallengeError(
            f"{out}: the events are this challenge's; choose what to write with --to "
            f"{'|'.join(FORMATS)}"
        )
    return name


def write_as(
    name: str, source: Path, out: Path, prediction: Path | None, n_events: int | None
) -> list[str]:
    """Write events of the file `source` to `out` in the format `name` of FORMATS.

    prediction: for these events (see `read_scores`), or None. n_events: only the first ones; None
    for all. Returns sentences about what was written. Raises ChallengeError if a file can't be read
    or written, or if the format can't hold predictions.
    """
    is_csv = name == "csv" or (name == "mlhep" and out.suffix.lower() == ".csv")
    if name == "mlhep" and not is_csv and out.suffix.lower() not in (".hdf5", ".h5"):
        raise ChallengeError(f"{out}: name it .hdf5 for dense HDF5, or .csv")
    if name == "mlhep" and not is_csv and prediction:
        raise ChallengeError(f"{out}: dense HDF5 holds no predictions; name it .csv")
    if name != "pimm":
        check_writable(out)
    scores = None if prediction is None else read_scores(prediction, source)
    with EventFile(source) as events:
        names, n = events.cycle.class_names, min(len(events), n_events or len(events))
        said = [f"{out}: {n:,} events, {int(events.offset[n]):,} voxels, {FORMATS[name]}"]
        if is_csv or name == "mlhep":
            ours = tqdm(islice(events, n), unit=" events", disable=None, leave=False)
            if is_csv:
                write_csv(out, ours, None if scores is None else dict(zip(names, scores.T)))
            else:
                write_dense(out, ours)
            return said
        exports = islice(exported(source, events, scores), n)
        items = tqdm(exports, unit=" events", disable=None, leave=False)
        if name == "spine":
            write_spine.write(out, items, voxel_cm(source))
        elif name == "pimm":
            write_pimm.write(out, items, "train" if events.has_labels else "test", names)
            said.append(f"{out}: segment.npy counts {', '.join(names)} from 0")
        elif name == "parquet":
            write_pilarnet.write_parquet(out, items)
        else:
            version = int(name[-1]) if name.startswith("pilarnet-v") else 3
            write_pilarnet.write_hdf5(out, items, n, names, version)
        if name.startswith("pilarnet") or name == "parquet":
            said.append(write_pilarnet.DEFAULTS_THAT_DROP + _dropped(events, n))
    return said


def _dropped(events: EventFile, n: int) -> str:
    """Return a text: how many of the first n events would remain with these defaults."""
    length = events.offset[1 : n + 1] - events.offset[:n]
    kept = int((length >= write_pilarnet.MIN_POINTS).sum())
    energy = events.column("energy", 0, n)
    share = float((energy > write_pilarnet.ENERGY_THRESHOLD_MEV).mean()) if len(energy) else 0.0
    return f": of these, {kept:,} of {n:,} events and {share:.1%} of the voxels would remain"
