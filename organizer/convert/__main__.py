"""Other people's data into this challenge's events:  python -m organizer.convert SOURCE IN OUT

OUT is an events file of kind train; an event without a voxel is left out and counted.
`SOURCE --help` says what each source must look like and how its labels become ours.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lartpc_challenge.command import at_least, new_parser, run
from lartpc_challenge.events import Event, EventFile, EventWriter
from lartpc_challenge.format import CYCLES, ChallengeError, Cycle
from organizer.convert import edepsim, larcv, mlhep, pilarnet
from organizer.convert.formats_2018 import read_events_2018
from organizer.convert.voxels import Deposits, restrict_labels, to_event
from organizer.simulate.event import CONFIGURATIONS

DEPOSIT_SOURCES = {"edepsim": edepsim, "pilarnet": pilarnet, "larcv": larcv}


@dataclass
class Counts:
    """What became of a source. Energies in MeV."""

    events: int = 0
    voxels: int = 0
    without_voxel: int = 0
    energy_read_mev: float = 0.0
    energy_kept_mev: float = 0.0
    remarks: set[str] = field(default_factory=set)


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    return run("convert", lambda: _run(options), stopped="stopped; nothing was written")


def _run(options) -> None:
    source, out = options.source_file, options.out
    if source.exists() and out.exists() and out.samefile(source):
        raise ChallengeError(f"{out}: OUT is IN; give another name")
    if options.source == "mlhep" and mlhep.is_ours(source):
        _to_2018(options)
    elif options.source == "mlhep":
        _from_2018(options)
    else:
        _from_deposits(options)


def _from_deposits(options) -> None:
    cycle, counts = CYCLES[options.cycle], Counts()
    threshold_mev = options.threshold_mev
    if threshold_mev is None:
        threshold_mev = CONFIGURATIONS[cycle.number].threshold_mev
    deposits = DEPOSIT_SOURCES[options.source].read(options.source_file)
    events = _convert(options.source_file, deposits, cycle, threshold_mev, counts)
    _write(options, "train", events, counts)
    for remark in sorted(counts.remarks):
        print(f"{options.source_file}: {remark}")
    share = counts.energy_kept_mev / counts.energy_read_mev
    print(f"kept {share:.1%} of the energy: within the crop and above {threshold_mev} MeV")


def _convert(
    path: Path, deposits: Iterable[Deposits], cycle: Cycle, threshold_mev: float, counts: Counts
) -> Iterator[Event]:
    for item in deposits:
        if not np.isfinite(item.energy).all():
            raise ChallengeError(f"{path}: event {item.event_id}: an energy is not a number")
        event = to_event(item, cycle, threshold_mev)
        counts.energy_read_mev += float(item.energy.sum(dtype=float))
        counts.energy_kept_mev += float(event.energy.sum(dtype=float))
        if item.remark:
            counts.remarks.add(item.remark)
        yield event


def _from_2018(options) -> None:
    events = read_events_2018(options.source_file)
    first = next(events, None)
    if first is None:
        raise ChallengeError(f"{options.source_file}: holds no event")
    events = chain([first], events)
    if first.label is None:
        _write(options, "test", events, Counts())
    else:
        cycle = CYCLES[options.cycle]
        _write(options, "train", (_restricted(event, cycle) for event in events), Counts())


def _restricted(event: Event, cycle: Cycle) -> Event:
    return Event(event.event_id, event.coords, event.energy, restrict_labels(event.label, cycle))


def _to_2018(options) -> None:
    write = mlhep.writer(options.out)
    with EventFile(options.source_file) as events:
        write(options.out, islice(_progress(events, options), options.events))
        print(f"{options.out}: {min(len(events), options.events or len(events)):,} events")


def _write(options, kind: str, events: Iterable[Event], counts: Counts) -> None:
    """Write those of `events` that have voxels to OUT, counting, and say what was done."""
    with EventWriter(options.out, kind=kind, cycle=options.cycle, scale="full") as out:
        for event in islice(_progress(events, options), options.events):
            if len(event):
                out.append(event)
                counts.events += 1
                counts.voxels += len(event)
            else:
                counts.without_voxel += 1
        if not counts.events:
            raise ChallengeError(
                f"{options.source_file}: none of its {counts.without_voxel} events has a voxel "
                "to keep; nothing was written"
            )
    print(
        f"{options.out}: {counts.events:,} events, {counts.voxels:,} voxels ({kind}, cycle "
        f"{options.cycle}); left out: {counts.without_voxel:,} events without a voxel"
    )


def _progress(events: Iterable, options) -> Iterable:
    return tqdm(events, desc=options.source, unit=" events", disable=None, leave=False)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    top = new_parser("python -m organizer.convert", __doc__)
    own = ", ".join(str(CONFIGURATIONS[number].threshold_mev) for number in CYCLES)
    sources = top.add_subparsers(dest="source", metavar="SOURCE", required=True)
    for name, module in {**DEPOSIT_SOURCES, "mlhep": mlhep}.items():
        summary = module.__doc__.partition("\n")[0]
        parser = sources.add_parser(
            name, help=summary, description=module.__doc__, formatter_class=top.formatter_class
        )
        parser.add_argument("source_file", metavar="IN", type=Path)
        parser.add_argument("out", metavar="OUT", type=Path)
        parser.add_argument(
            "--cycle", type=int, choices=list(CYCLES), default=2, help="whose labels (2)"
        )
        parser.add_argument("--events", type=at_least(1), metavar="N", help="the first N only")
        if name in DEPOSIT_SOURCES:
            parser.add_argument(
                "--threshold-mev",
                type=_not_negative,
                metavar="E",
                help=f"keep voxels with more energy (the cycle's own threshold: {own} MeV)",
            )
    return top.parse_args(arguments)


def _not_negative(text: str) -> float:
    number = float(text)
    if not number >= 0:
        raise argparse.ArgumentTypeError("must be at least 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
