"""Convert other people's data to this challenge's events, and our events to their formats.

    python -m organizer.convert [SOURCE] IN OUT                 theirs -> ours
    python -m organizer.convert OURS OUT --to FORMAT            ours -> theirs
    python -m organizer.convert CONVERTED OUT --back PREDICTION a prediction for the source's voxels

The format of IN is recognised from its content; SOURCE is optional. OUT is an event file of kind
train, or of kind test if IN has no labels. Events without voxels are skipped and counted. Relative
positions are kept. Voxels of another size are resampled: their energy is divided by volume. An
event larger than the cube of 192^3 voxels is cut as --crop says. The group `source/` of OUT links
its events to the source: with --back, a submission of `baseline.predict` for OUT is written as
labels of the voxels, points or segments of IN.

`SOURCE --help` describes each source and the conversion of its classes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from tqdm import tqdm

from lartpc_challenge.command import at_least, cycle_option, new_parser, run
from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.events import EventWriter
from lartpc_challenge.files import check_writable
from lartpc_challenge.format import VOXEL_SIZE_MM, ChallengeError
from organizer.convert import mlhep2018
from organizer.convert.back import write_back
from organizer.convert.converted import (
    Converted,
    Counts,
    Settings,
    choose_voxel_mm,
    convert,
    summary,
)
from organizer.convert.crops import CROPS
from organizer.convert.deposits import ReadOptions, SourceEvent
from organizer.convert.larcv_kinds import TAXONOMIES
from organizer.convert.readers import FAMILIES, READERS, reader_of
from organizer.convert.recognise import OURS, recognise
from organizer.convert.source_group import write_source
from organizer.convert.taxonomy import table
from organizer.convert.writers import FORMATS, choose_format, write_as
from organizer.cycles import PRODUCTIONS, production_of

_CALL = "python -m organizer.convert"


def main(arguments: list[str] | None = None) -> int:
    options = _parse(sys.argv[1:] if arguments is None else arguments)
    return run("convert", lambda: _run(options), stopped="stopped; nothing was written")


def _run(options: argparse.Namespace) -> None:
    source, out = options.source_file, options.out
    if source.exists() and out.exists() and out.samefile(source):
        raise ChallengeError(f"{out}: OUT is IN; give another name")
    if options.back is not None:
        check_writable(out)
        print(write_back(source, options.back, out, options.source_path))
        return
    found = recognise(source)
    if found.reader == OURS:
        name = choose_format(out, options.source, options.to)
        for line in write_as(name, source, out, options.predictions, options.events):
            print(line)
    else:
        check_writable(out)
        _from_source(reader_of(found, source, options.source), options)


def _from_source(reader: str, options: argparse.Namespace) -> None:
    """Write the events of another format as an event file of ours; print a summary."""
    source, cycle = options.source_file, options.cycle
    production = production_of(cycle)
    threshold_mev = options.threshold_mev
    if threshold_mev is None:  # events of 2018 have ours already
        threshold_mev = 0.0 if reader == "mlhep" else production.threshold_mev
    read_options = ReadOptions(
        options.energy_from, options.labels_from, options.taxonomy, options.source_voxel_mm
    )
    events = islice(READERS[reader](source, read_options), options.events)
    seen = list(_up_to_first_deposit(events))
    is_labelled = not seen or seen[-1].kind is not None
    voxel_mm = choose_voxel_mm(options.voxel_size, seen[-1] if seen else None, cycle)
    settings = Settings(cycle, voxel_mm, threshold_mev, options.crop, production.precedence)
    kind = "train" if is_labelled else "test"
    counts = Counts()
    rows: list[Converted] = []
    size = {"voxel_size_mm": voxel_mm}
    with EventWriter(
        options.out, kind=kind, cycle=cycle.number, scale="full", attributes=size
    ) as writer:
        events = chain(seen, events)
        for item in _converted(source, events, is_labelled, settings, counts):
            if len(item.event):
                writer.append(item.event)
                rows.append(item)
        if not rows:
            raise ChallengeError(_why_nothing(source, counts, settings))
        write_source(writer.file, source, reader, read_options, settings, rows)
    print(
        f"{options.out}: {counts.events:,} events, {counts.voxels:,} voxels ({kind}, cycle "
        f"{cycle.number}); left out: {counts.without_voxel:,} events without a voxel"
    )
    of_2018 = mlhep2018.remarks(counts.kinds, cycle) if reader == "mlhep" and is_labelled else ()
    for remark in (*counts.remarks, *of_2018):
        print(f"{source}: {remark}")
    for line in summary(counts, settings):
        print(line)


def _up_to_first_deposit(events: Iterator[SourceEvent]) -> Iterator[SourceEvent]:
    """Return the events up to the first one with deposits: it shows if the source has labels."""
    for event in events:
        yield event
        if len(event.energy_mev):
            return


def _why_nothing(source: Path, counts: Counts, settings: Settings) -> str:
    """Return the sentence for a source without any voxel to keep."""
    if not counts.source_events:
        return f"{source}: holds no events; nothing was written"
    if not counts.read_mev:
        why = "none has an energy deposit"
    elif counts.no_class_mev:
        why = "their deposits have no class"
    else:
        why = (
            f"no voxel is above {settings.threshold_mev:g} MeV, of {counts.read_mev:.3g} MeV in "
            "all (are the source's energies in MeV?)"
        )
    return (
        f"{source}: none of its {counts.source_events:,} events has a voxel to keep: {why}; "
        "nothing was written"
    )


def _converted(
    path: Path, events: Iterable[SourceEvent], is_labelled: bool, settings: Settings, counts: Counts
) -> Iterator[Converted]:
    """Yield our events, show a progress bar, and add the file's name to errors."""
    with tqdm(desc=path.name, unit=" events", disable=None, leave=False) as bar:
        for event in events:
            if event.n_events is not None:
                bar.total = event.n_events
            try:
                yield from convert(event, settings, counts, is_labelled)
            except ChallengeError as problem:
                raise ChallengeError(f"{path}: {problem}") from problem
            bar.update()


def _parse(arguments: list[str]) -> argparse.Namespace:
    source = arguments[0] if arguments and arguments[0] in FAMILIES else None
    call, manual = _CALL, _manual(source)
    if source is not None:
        call, arguments = f"{_CALL} {source}", arguments[1:]
    parser = new_parser(call, manual)
    parser.set_defaults(source=source)
    add = parser.add_argument
    add("source_file", metavar="IN", type=Path)
    add("out", metavar="OUT", type=Path, nargs="?")
    add("--out", dest="out_option", metavar="OUT", type=Path, help="as OUT")
    classes = "cycle whose classes are used (2)"
    add("--cycle", type=cycle_option, default=CYCLES[2], metavar="N|NAME", help=classes)
    add("--events", type=at_least(1), metavar="N", help="only the first N events")
    own = ", ".join(f"{number}: {c.threshold_mev:g}" for number, c in PRODUCTIONS.items())
    above = f"keep voxels with more energy, MeV (default, by cycle: {own}; mlhep: 0)"
    add("--threshold-mev", type=_not_negative, metavar="E", help=above)
    large = "cut of events larger than the cube (densest)"
    add("--crop", choices=CROPS, default="densest", help=large)
    size = (
        f"edge of our voxels ({VOXEL_SIZE_MM:g}); only in cycle general another one, or `source` "
        "for that of the source"
    )
    default = VOXEL_SIZE_MM
    add("--voxel-size", type=_voxel_size, default=default, metavar="MM|source", help=size)
    missing = "edge of the source's voxels, if the file does not contain it"
    add("--source-voxel-mm", type=_positive, metavar="MM", help=missing)
    add("--energy-from", metavar="NAME", help="producer, product or detector")
    add("--labels-from", metavar="NAME", help="producer or product of the classes")
    add("--taxonomy", choices=TAXONOMIES, help="numbering of the source's classes")
    formats = "; ".join(f"{name}: {words}" for name, words in FORMATS.items())
    add("--to", choices=list(FORMATS), help=f"of our events: {formats}")
    scores = "with --to: a submission for IN, or an HDF5 file with `score` (M, classes)"
    add("--predictions", type=Path, metavar="FILE", help=scores)
    labels = "write a submission for the converted file IN (or `score`) as labels of its source"
    add("--back", type=Path, metavar="PREDICTION", help=labels)
    path = "with --back: the source's present path"
    add("--source", dest="source_path", type=Path, metavar="FILE", help=path)
    options = parser.parse_args(arguments)
    options.out = options.out or options.out_option
    if options.out is None:
        parser.error("the following arguments are required: OUT")
    return options


def _manual(source: str | None) -> str:
    if source is None:
        lines = [f"  {name:<9} {family.summary}" for name, family in FAMILIES.items()]
        return f"{__doc__}\nSOURCE is one of\n" + "\n".join(lines) + "\n"
    family = FAMILIES[source]
    return "\n".join([*map(str, family.manuals), *(f"{table(one)}\n" for one in family.tables)])


def _not_negative(text: str) -> float:
    number = float(text)
    if not number >= 0:
        raise argparse.ArgumentTypeError("must be at least 0")
    return number


def _voxel_size(text: str) -> float | None:
    return None if text == "source" else _positive(text)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be above 0")
    return number


if __name__ == "__main__":
    sys.exit(main())
