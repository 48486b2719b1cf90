"""Convert a source's events to ours: voxels, crop, threshold, labels, link to the source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from lartpc_challenge.cycles import Cycle
from lartpc_challenge.events import Event
from lartpc_challenge.format import VOXEL_SIZE_MM, ChallengeError
from organizer.convert.crops import corners, inside
from organizer.convert.deposits import SourceEvent, Voxels
from organizer.convert.placing import SAME_SIZE, is_same_size, lattice_mm, tally
from organizer.convert.taxonomy import Kind, ambiguities, label_of_kind
from organizer.simulate.response import MIP_DEDX_MEV_CM


@dataclass(frozen=True)
class Settings:
    """The settings of a conversion.

    voxel_mm: edge of our voxels. threshold_mev: voxels with less or equal energy are dropped.
    precedence: names of classes; a voxel belongs to the first of them that left energy in it, else
    to the class that left most.
    """

    cycle: Cycle
    voxel_mm: float
    threshold_mev: float
    crop: str
    precedence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Converted:
    """One of our events, and its position in the source.

    origin_mm (3,) float64: lower corner of our voxel 0, 0, 0 in the source's coordinates.
    source_voxel_mm (3,) float64: edges of the source's voxels, 0 if it has none.
    """

    event: Event
    entry: int
    number: tuple[int, int, int]
    origin_mm: np.ndarray
    source_voxel_mm: np.ndarray


# In an average voxel, times the energy of a muon; a proton that stops leaves 10 times as much.
_IMPLAUSIBLE = 50


@dataclass
class Counts:
    """Numbers of events and energies of a conversion, for its summary. Energies in MeV."""

    source_events: int = 0
    events: int = 0
    voxels: int = 0
    without_voxel: int = 0
    read_mev: float = 0.0
    kept_mev: float = 0.0
    outside_mev: float = 0.0
    below_mev: float = 0.0
    no_class_mev: float = 0.0
    tiled: int = 0
    lowest_mev: float = np.inf
    sizes_mm: set[tuple[float, ...]] = field(default_factory=set)
    remarks: dict[str, None] = field(default_factory=dict)
    kinds: set[Kind] = field(default_factory=set)
    labels: set[int] = field(default_factory=set)


def convert(
    source: SourceEvent, settings: Settings, counts: Counts, is_labelled: bool = True
) -> Iterator[Converted]:
    """Convert one event of a source; yield one event of ours, or several tiles.

    is_labelled: whether the events of the source have labels. counts: is updated.

    An event without voxels is yielded empty. A voxel's label is the class that left most energy in
    it; if the source has classes, voxels without a class are dropped. The voxels are sorted by x,
    y, z. event_id is that of the source; with tiles it counts from 0, because an event of the
    source may become several. Raises ChallengeError if an energy is not a number.
    """
    _check(source)
    if not is_labelled:
        source = replace(source, kind=None)
    elif source.kind is None:
        source = replace(source, kind=np.zeros(len(source.energy_mev), np.uint8))
    cell, energy, label = _kept_voxels(source, settings, counts)
    _note(source, counts)
    cubes = corners(settings.crop, source, cell, energy, settings.voxel_mm)
    counts.tiled += len(cubes) > 1
    kept_mev = 0.0
    for corner in cubes:
        mine = inside(cell, corner)
        event_id = counts.events + counts.without_voxel
        event = Event(
            event_id if settings.crop == "tiles" else source.event_id,
            (cell[mine] - corner).astype(np.uint8),
            energy[mine].astype(np.float32),
            None if label is None else label[mine],
        )
        kept_mev += float(energy[mine].sum())
        if len(event):
            counts.events += 1
            counts.voxels += len(event)
        else:
            counts.without_voxel += 1
        place = source.place
        yield Converted(
            event,
            source.entry,
            source.number,
            lattice_mm(place) + corner * settings.voxel_mm,
            place.grid.voxel_mm if isinstance(place, Voxels) else np.zeros(3),
        )
    counts.kept_mev += kept_mev
    counts.outside_mev += float(energy.sum()) - kept_mev


def _kept_voxels(
    source: SourceEvent, settings: Settings, counts: Counts
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return cell (C, 3), energy (C,) and label (C,) of the voxels to keep; label may be None.

    These voxels are above the threshold and, if the source has classes, have a class.
    """
    labels = label_of_kind(settings.cycle) if source.kind is not None else np.zeros(1, np.uint8)
    cells = tally(source, settings.voxel_mm, labels)
    energy = cells.parts_mev.sum(axis=0)
    is_kept = energy > settings.threshold_mev
    counts.source_events += 1
    counts.read_mev += float(energy.sum())
    counts.below_mev += float(energy[~is_kept].sum())
    if source.kind is None:
        return cells.cell[is_kept], energy[is_kept], None
    has_class = (cells.parts_mev[1:] > 0).any(axis=0)
    counts.no_class_mev += float(energy[is_kept & ~has_class].sum())
    is_kept &= has_class
    label = _labels(cells.parts_mev[:, is_kept], settings)
    counts.labels.update(np.unique(label).tolist())
    return cells.cell[is_kept], energy[is_kept], label


def _labels(parts_mev: np.ndarray, settings: Settings) -> np.ndarray:
    """Return the label of each cell: (C,) uint8.

    parts_mev: (n_labels, C), the energy of each label in the cell.
    """
    label = parts_mev[1:].argmax(axis=0).astype(np.uint8) + np.uint8(1)
    for name in reversed(settings.precedence):
        of_name = settings.cycle.label(name)
        if of_name < len(parts_mev):
            label[parts_mev[of_name] > 0] = of_name
    return label


def choose_voxel_mm(asked: float | None, first: SourceEvent | None, cycle: Cycle) -> float:
    """Return the edge of our voxels in mm.

    asked: the wanted edge in mm; None for that of the source. first: the first event of the source.
    Raises ChallengeError if the cycle does not allow this size, or if the source has no voxels or
    voxels that are not cubes.
    """
    if asked is None:
        if first is None or not isinstance(first.place, Voxels):
            raise ChallengeError(
                "--voxel-size source: its deposits are not voxels; give a size in mm"
            )
        edges = first.place.grid.voxel_mm
        asked = float(np.round(edges.mean(), 4))
        if not is_same_size(first.place, asked):
            raise ChallengeError(
                f"--voxel-size source: its voxels of {edges} mm are not cubes; give a size in mm"
            )
    if asked != VOXEL_SIZE_MM and not cycle.any_voxel_size:
        raise ChallengeError(
            f"the voxels of cycle {cycle.number} have {VOXEL_SIZE_MM:g} mm, not {asked:g}; give "
            "--cycle general for voxels of another size"
        )
    return asked


def _check(source: SourceEvent) -> None:
    if not np.isfinite(source.energy_mev).all():
        raise ChallengeError(f"event {source.event_id}: an energy is not a number")
    if not 0 <= source.event_id <= np.iinfo(np.uint32).max:
        raise ChallengeError(
            f"event {source.event_id}: its number is not a 32-bit one, 0 to 4294967295"
        )


def _note(source: SourceEvent, counts: Counts) -> None:
    counts.remarks.update(dict.fromkeys(source.remarks))
    if source.kind is not None and len(source.kind):
        counts.kinds.update(Kind(kind) for kind in np.unique(source.kind).tolist())
    if isinstance(source.place, Voxels):
        counts.sizes_mm.add(tuple(np.round(source.place.grid.voxel_mm, 4).tolist()))
        positive = source.energy_mev[source.energy_mev > 0]
        if len(positive):
            counts.lowest_mev = min(counts.lowest_mev, float(positive.min()))


def summary(counts: Counts, settings: Settings) -> list[str]:
    """Return sentences about a conversion: kept energy, thresholds, remarks on the source."""
    lines = [_energy_line(counts, settings), *_threshold_lines(counts, settings)]
    mean_mev = counts.kept_mev / max(1, counts.voxels)
    of_muon_mev = MIP_DEDX_MEV_CM * settings.voxel_mm / 10
    if mean_mev > _IMPLAUSIBLE * of_muon_mev:
        lines.append(
            f"a voxel has {mean_mev:,.0f} MeV on average, a muon leaves {of_muon_mev:.1f}: are the "
            "source's energies in MeV?"
        )
    if counts.tiled:
        lines.append(f"events larger than the cube, which became several tiles: {counts.tiled:,}")
    lines += ambiguities(counts.kinds, settings.cycle)
    if counts.labels:
        names = settings.cycle.class_names
        missing = [name for i, name in enumerate(names, 1) if i not in counts.labels]
        if missing:
            lines.append(f"no voxel is {' or '.join(missing)}")
    return lines


def _energy_line(counts: Counts, settings: Settings) -> str:
    total = counts.read_mev or 1.0
    parts = [
        f"{counts.outside_mev / total:.1%} is outside the cube (--crop {settings.crop})",
        f"{counts.below_mev / total:.1%} in voxels of {settings.threshold_mev:g} MeV or less",
    ]
    if counts.no_class_mev:
        parts.append(f"{counts.no_class_mev / total:.1%} in voxels without a class")
    return (
        f"kept {counts.kept_mev / total:.1%} of the energy, {counts.kept_mev:,.1f} of "
        f"{counts.read_mev:,.1f} MeV: {', '.join(parts)}"
    )


def _threshold_lines(counts: Counts, settings: Settings) -> list[str]:
    ours = f"above {settings.threshold_mev:g} MeV in voxels of {settings.voxel_mm:g} mm"
    if not counts.sizes_mm:
        return [f"threshold: none in the source, its deposits are not voxels; now {ours}"]
    size = max(counts.sizes_mm)
    edges = " x ".join(f"{edge:g}" for edge in size) if len(set(size)) > 1 else f"{size[0]:g}"
    before = f"{counts.lowest_mev:.3g} MeV is the lowest of the source, in voxels of {edges} mm"
    lines = [f"threshold: {before}; now {ours}"]
    ratio = np.array(size) / settings.voxel_mm
    if (np.abs(ratio - 1) > SAME_SIZE).any():
        n = float(np.prod(ratio))
        lowest, cut = counts.lowest_mev / max(n, 1), settings.threshold_mev * max(n, 1)
        lines.append(
            f"resampled by energy: a voxel of the source is {n:.3g} of ours; its lowest energy "
            f"became {lowest:.3g} MeV, and our threshold is {cut:.3g} MeV of one of its voxels"
        )
    return lines
