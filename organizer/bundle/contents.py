"""Check that the events, references and baseline of a bundle belong together and leak nothing.

In each file for participants all names are checked: data sets and attributes that are not in the
public lists could contain truth, seeds or the simulator's order.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import EventFile
from lartpc_challenge.files import reading
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.reference import Manifest, read_reference
from lartpc_challenge.submission.sandbox import read_guarded
from organizer.phases.split import PARTICLE_DECIMALS
from organizer.source import Source

_ATTRIBUTES = {
    "format",
    "format_version",
    "kind",
    "cycle",
    "scale",
    "grid_shape",
    "voxel_size_mm",
    "class_names",
}
_COLUMNS = {"event_id", "offset", "coords", "energy"}
_PARTICLES = {"particles", *(f"particles/{name}" for name in ("offset", *PARTICLE_DECIMALS))}
# The group source/ is not public: it identifies events in the source, where their truth is known,
# and the numbers that are missing in the train file are those of the test events.
_PUBLIC = {"train": {*_COLUMNS, "label", "particle", *_PARTICLES}, "test": _COLUMNS}


def source_problems(source: Source, *, scale: str) -> Iterator[str]:
    """Yield a sentence for each file that is missing, leaks, or does not match the others.

    scale: the scale that the files must have.
    """
    scales = set()
    for cycle in source.competition.cycles:
        yield from _event_file_problems(source.train(cycle), "train", cycle, scales)
        test = source.test(cycle)
        found = list(_event_file_problems(test, "test", cycle, scales))
        yield from found
        if not found:
            manifest = Manifest.from_events(test)
            yield from _reference_problems(source, cycle, manifest, scales)
            yield from _baseline_problems(source.submission(cycle), manifest)
    if "demonstration" in scales - {scale}:
        yield (
            f"{source.events}: demonstration data, whose hidden labels are public; make your own "
            "(make data) and build with DATA=build/data, or use DEMO=1"
        )
    if "full" in scales - {scale}:
        yield f"{source.events}: data of full scale, not a demonstration; build without DEMO=1"


def _event_file_problems(path: Path, kind: str, cycle: Cycle, scales: set) -> Iterator[str]:
    """Yield the problems of an event file; add its scale to `scales`."""
    try:
        with EventFile(path, kind=kind) as events:
            scales.add(events.scale)
            if events.cycle != cycle:
                yield f"{path}: holds events of cycle {events.cycle.number}"
            with reading(str(path)):
                extras = _extras(events.file, kind)
    except ChallengeError as problem:
        yield str(problem)
        return
    if extras:
        yield f"{path}: holds {', '.join(extras)}, which participants must not get; make it again"


def _extras(file: h5py.File, kind: str) -> list[str]:
    """Return the names of data sets, groups and attributes that participants must not get."""
    names = set(file)  # visititems skips links
    if isinstance(particles := file.get("particles"), h5py.Group):
        names |= {f"particles/{name}" for name in particles}
    attributes = [name for name in file.attrs if name not in _ATTRIBUTES]

    def visit(name: str, item: h5py.HLObject) -> None:
        names.add(name)
        attributes.extend(f"{attribute} of {name}" for attribute in item.attrs)

    file.visititems(visit)
    extras = [*(names - _PUBLIC[kind]), *(f"the attribute {name}" for name in attributes)]
    return sorted(extras)


def _reference_problems(source: Source, cycle: Cycle, test: Manifest, scales: set) -> Iterator[str]:
    """Yield the problems of a cycle's two references; add their scales to `scales`."""
    references = []
    for phase in source.competition.phases_of(cycle):
        path = source.reference(phase)
        try:
            reference = read_reference(path)
        except ChallengeError as problem:
            yield str(problem)
            continue
        if reference is None:
            yield f"{path}: is a placeholder, expected the truth; HIDDEN=placeholder replaces it"
        elif (reference.phase, reference.hidden) != (phase.number, phase.hidden):
            yield (
                f"{path}: is the reference of phase {reference.phase}, with hidden = "
                f"{reference.hidden}, expected {phase.number} and {phase.hidden}"
            )
        elif not (
            np.array_equal(reference.manifest.event_id, test.event_id)
            and np.array_equal(reference.manifest.offset, test.offset)
        ):
            yield f"{path}: was made for other events than {test.path}; make both again"
        else:
            scales.add(reference.scale)
            references.append(reference)
    if len(references) == 2:
        public, hidden = references
        shared = np.intersect1d(public.event_id, hidden.event_id)
        if len(shared):
            yield (
                f"{source.references}/phase{hidden.phase}: {len(shared)} of its events are scored "
                f"in the public phase {public.phase} too; split the events again"
            )


def _baseline_problems(path: Path, test: Manifest) -> Iterator[str]:
    if not path.exists():
        return
    try:
        read_guarded(path, test)
    except ChallengeError as problem:
        yield (
            f"{path}: does not cover the events of {test.path}; predict them again, "
            f"or remove it. {problem}"
        )
