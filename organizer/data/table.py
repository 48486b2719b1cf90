"""Describe event files, and how difficult they are, as a Markdown table:

    python -m organizer.data.table FILE...

FILE is a simulator's file, a train file or a test file; values that a file does not have stay
empty. The rules `majority` and `threshold` are fitted on the same file on which they are scored. If
the last three rows are high, the events are too easy to rank participants
(organizer/data/trivial.py explains these rows).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lartpc_challenge.command import new_parser, run
from lartpc_challenge.events import EventFile
from lartpc_challenge.files import reading
from lartpc_challenge.format import METRICS, ChallengeError
from organizer.cycles import production_of
from organizer.data.trivial import fit_trivial_rules, hindsight, score_rule
from organizer.simulate.truth import Origin

SPECIES = {
    "e+-": (11, -11),
    "photon": (22,),
    "muon": (13, -13),
    "charged pion": (211, -211),
    "proton": (2212,),
}
MIXED_SHARE = 0.2  # a voxel is mixed if a second class left more than this share of its energy
_ENERGY_EDGES_MEV = np.geomspace(1e-3, 1e3, 6001)  # 0.2 % per bin


def describe(path: Path) -> dict[str, str]:
    """Return the rows of the table for one file: quantity -> value, both as text.

    Raises ChallengeError if it is not an event file or holds no events.
    """
    with EventFile(path) as events:
        if len(events) == 0:
            raise ChallengeError(f"{path}: holds no events")
        rows = {"cycle, kind": f"{events.cycle.number}, {events.kind}", "scale": events.scale}
        rows.update(_size_rows(events))
        rows.update(_label_rows(events) if events.has_labels else {})
        with reading(str(path)):
            rows.update(_simulation_rows(events))
    return rows


def _size_rows(events: EventFile) -> Iterator[tuple[str, str]]:
    n_voxels = np.diff(events.offset)
    energy_mev = np.empty(len(events))
    histogram = np.zeros(len(_ENERGY_EDGES_MEV) - 1)
    for i, event in enumerate(events):
        energy_mev[i] = event.energy.sum(dtype=np.float64)
        histogram += np.histogram(event.energy, _ENERGY_EDGES_MEV)[0]
    yield "events", f"{len(events):,}"
    yield "voxels", f"{events.n_voxels:,}"
    yield "voxels per event: mean (5 %, 50 %, 95 %)", _mean_and_quantiles(n_voxels)
    yield "energy per event, MeV: mean (5 %, 50 %, 95 %)", _mean_and_quantiles(energy_mev)
    below = np.cumsum(histogram) / max(1, histogram.sum())
    quantiles = _ENERGY_EDGES_MEV[np.searchsorted(below, (0.05, 0.5, 0.95)) + 1]
    yield "energy per voxel, MeV: 5 %, 50 %, 95 %", ", ".join(f"{q:.3f}" for q in quantiles)


def _label_rows(events: EventFile) -> Iterator[tuple[str, str]]:
    least = production_of(events.cycle).min_class_voxels
    counts = np.array(
        [np.bincount(np.asarray(e.label), minlength=events.cycle.n_labels) for e in events]
    )
    share = counts.sum(axis=0) / max(1, counts.sum())
    has_some = np.mean(counts >= least, axis=0)
    names = events.cycle.label_names
    for what, values in (("voxels of", share), (f"events with {least} voxels of", has_some)):
        for label in events.cycle.labels:
            yield f"{what} class {label}, {names[label]}", _percent(values[label])
    yield "voxels of an event's second class: minimum", f"{np.sort(counts)[:, -2].min()}"
    rules = {**fit_trivial_rules(events, events.cycle), "hindsight": hindsight}
    for name, rule in rules.items():
        scores = score_rule(rule, events)
        yield f"{name}: {', '.join(METRICS)}", ", ".join(f"{scores[m]:.3f}" for m in METRICS)


def _simulation_rows(events: EventFile) -> Iterator[tuple[str, str]]:
    file, particles = events.file, events.particles(np.arange(len(events)))
    if particles:
        n_particles = np.diff(particles["offset"])
        yield "particles per event: mean (5 %, 50 %, 95 %)", _mean_and_quantiles(n_particles)
        for name, codes in SPECIES.items():
            share = float(np.mean(np.isin(particles["pdg"], codes)))
            yield f"particles that are {name}", _percent(share)
    if "attempts" in file:
        attempts = file["attempts"][:]
        yield "draws accepted", _percent(len(attempts) / attempts.sum())
    if "second_share" in file:
        mixed = float(np.mean(file["second_share"][:] > MIXED_SHARE))
        yield f"voxels with more than {MIXED_SHARE:.0%} of a second class", _percent(mixed)
    if "origin" in file:
        counts = np.bincount(file["origin"][:], minlength=max(Origin) + 1)
        for origin in Origin:
            share = counts[origin] / max(1, counts.sum())
            yield f"voxels of origin {origin.name.lower()}", _percent(share)


def _mean_and_quantiles(values: np.ndarray) -> str:
    low, middle, high = np.percentile(values, (5, 50, 95))
    digits = 0 if values.mean() >= 100 else 1
    return (
        f"{values.mean():,.{digits}f} ({low:,.{digits}f}, {middle:,.{digits}f}, {high:,.{digits}f})"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def markdown(columns: dict[str, dict[str, str]]) -> str:
    """Return a Markdown table. columns: name of a column -> name of a row -> text."""
    names: list[str] = []
    for rows in columns.values():
        place = 0
        for name in rows:  # a new row is inserted after the row before it
            if name not in names:
                names.insert(place, name)
            place = names.index(name) + 1
    table = [["", *columns], ["---", *("--:" for _ in columns)]]
    table += [[name, *(rows.get(name, "") for rows in columns.values())] for name in names]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in table)


def main(arguments: list[str] | None = None) -> int:
    parser = new_parser("python -m organizer.data.table", __doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    return run("data_table", lambda: print(markdown({str(p): describe(p) for p in options.files})))


if __name__ == "__main__":
    sys.exit(main())
