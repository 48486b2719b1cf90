"""The common part of the readers of LArCV2 and LArCV3: classes, products, events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lartpc_challenge.format import ChallengeError
from organizer.convert.deposits import ReadOptions, SourceEvent, Voxels, look_up
from organizer.convert.taxonomy import Kind, Taxonomy, is_electron, kind_of_pdg

FIVE_TYPES, SPINE = "fivetypes", "spine"
TAXONOMIES = (FIVE_TYPES, SPINE)
_BLOCK_EVENTS = 100
# Part of an event -> kind of its product.
_PARTS = {
    "energy": "sparse3d",
    "label": "sparse3d",
    "clusters": "cluster3d",
    "particles": "particle",
}


def producers_in(names: Iterable[str], ending: str) -> dict[str, list[str]]:
    """Return kind of product -> its producers, from names such as sparse3d_pcluster_tree."""
    product = re.compile(rf"(sparse3d|cluster3d|particle|sparse2d|cluster2d|image2d)_(.+)_{ending}")
    found: dict[str, list[str]] = {}
    for name in names:
        match = product.fullmatch(name)
        if match:
            found.setdefault(match[1], []).append(match[2])
    return found


_FIVE_TYPES = (
    ("0 proton", Kind.PROTON),
    ("1 minimum-ionising", Kind.MIP),
    ("2 shower", Kind.SHOWER),
    ("3 delta", Kind.DELTA),
    ("4 Michel", Kind.MICHEL),
)
_SPINE = (
    ("0 shower", Kind.SHOWER),
    ("1 track", Kind.TRACK),
    ("2 Michel", Kind.MICHEL),
    ("3 delta", Kind.DELTA),
    ("4 low-energy scatter", Kind.LOW_ENERGY),
    ("5 ghost, 6 or -1 unknown", Kind.NO_CLASS),
)
TABLES = (
    Taxonomy(
        "LArCV2 and 3, five types (producers called *fivetypes*)",
        (*_FIVE_TYPES, ("anything else", Kind.NO_CLASS)),
        ("low-energy scatters: they are showers", "nuclei: they are minimum-ionising"),
    ),
    Taxonomy(
        "LArCV2 and 3, SPINE's semantics (producers called *semantics*; edep2supera), SPINE's HDF5",
        (
            ("1 track of a proton (clusters and particles, or pid)", Kind.PROTON),
            ("1 track of another particle", Kind.MIP),
            ("1 track in a file that has neither", Kind.TRACK),
            *(row for row in _SPINE if row[1] != Kind.TRACK),
        ),
        ("where a particle comes from (beam, cosmic)",),
    ),
    Taxonomy(
        "LArCV2 and 3, cluster3d alone: each cluster's particle, by PDG code and process",
        (
            ("p", Kind.PROTON),
            ("nuclei", Kind.ION),
            ("mu, pi, K and other charged hadrons", Kind.MIP),
            ("gamma; e of a primary, a conversion", Kind.SHOWER),
            ("e of muIoni, hIoni, ionIoni", Kind.DELTA),
            ("e of a muon's decay or capture", Kind.MICHEL),
            ("clusters without a particle (the last one)", Kind.NO_CLASS),
        ),
        ("where a particle comes from (beam, cosmic)",),
    ),
)

_IONISATION = ("muIoni", "hIoni", "ionIoni")
_DECAY = ("Decay", "muMinusCaptureAtRest", "muPlusCaptureAtRest")
# Parts of the names of products with neither energies nor classes.
_OTHER_WORDS = ("ghost", "dedx", "key", "chi2", "index", "group", "cosmic", "mask", "score", "flag")


@dataclass(frozen=True)
class Products:
    """The producers to read. One of energy and clusters is set; label, particles may be None."""

    energy: str | None
    label: str | None
    clusters: str | None
    particles: str | None
    taxonomy: str

    @property
    def names(self) -> dict[str, str]:
        """The product of each part that is read."""
        named = {part: getattr(self, part) for part in _PARTS}
        return {part: f"{_PARTS[part]}_{name}" for part, name in named.items() if name}

    @property
    def remark(self) -> str:
        """The products that are read, for the user."""
        parts = [f"sparse3d_{self.energy} (energy)"] if self.energy else []
        if self.label:
            parts.append(f"sparse3d_{self.label} (classes: {self.taxonomy})")
        if self.clusters:
            what = "particles" if self.energy else "energy, particles"
            parts.append(f"cluster3d_{self.clusters} ({what})")
        return f"reads {', '.join(parts)}"


def choose_products(path: Path, found: dict[str, list[str]], options: ReadOptions) -> Products:
    """Choose which producers of sparse3d, cluster3d and particle to read.

    The user's choice, else the only pair of energy and classes with matching names, else the only
    cluster3d. Raises ChallengeError with the available producers if the choice is not clear.
    """
    sparse, clusters, particles = (
        found.get(kind, []) for kind in ("sparse3d", "cluster3d", "particle")
    )
    for name in (options.energy, options.labels):
        if name is not None and name not in (*sparse, *clusters):
            raise ChallengeError(f"{path}: has no producer {name}; {_found(sparse, clusters)}")
    if options.energy in sparse or (options.energy is None and _energies(sparse)):
        energy, label = _pair(path, sparse, clusters, options)
        wanted = label.replace("_semantics", "") if label else energy
        of = next((c for c in (wanted, energy) if c in clusters and c in particles), None)
        return Products(energy, label, of, of, _taxonomy(path, label, options))
    usable = [name for name in clusters if not any(word in name for word in _OTHER_WORDS)]
    if options.energy is not None:
        usable = [options.energy]
    if len(usable) != 1:
        what = "has several cluster3d" if usable else "has no 3D energy"
        raise ChallengeError(
            f"{path}: {what}; {_found(sparse, clusters)}; choose with --energy-from PRODUCER"
        )
    of = usable[0] if usable[0] in particles else None
    label = options.labels
    return Products(None, label, usable[0], of, _taxonomy(path, label, options))


def _pair(
    path: Path, sparse: list[str], clusters: list[str], options: ReadOptions
) -> tuple[str, str | None]:
    """Return the producers of energies and of classes (None without classes)."""
    energies = [options.energy] if options.energy else _energies(sparse)
    labels = [options.labels] if options.labels else [n for n in sparse if _is_label(n)]
    pairs = [(e, label) for e in energies for label in labels if _belong(e, label)]
    if len(pairs) == 1:
        return pairs[0]
    if not pairs and len(energies) == 1 and len(labels) <= 1:
        return energies[0], next(iter(labels), None)
    raise ChallengeError(
        f"{path}: which of its tensors hold energy and classes is not clear; "
        f"{_found(sparse, clusters)}; choose with --energy-from PRODUCER --labels-from PRODUCER"
    )


def _energies(sparse: list[str]) -> list[str]:
    return [n for n in sparse if not _is_label(n) and not any(w in n for w in _OTHER_WORDS)]


def _is_label(name: str) -> bool:
    is_other = any(word in name for word in _OTHER_WORDS)
    return not is_other and any(word in name for word in ("semantic", "fivetypes", "segment"))


def _belong(energy: str, label: str) -> bool:
    """Return whether the names match: `pcluster_semantics` has the classes of `pcluster`."""
    return label in (
        f"{energy}_semantics",
        f"{energy}_fivetypes",
        f"semantics_{energy}",
        f"fivetypes_{energy}",
        energy.replace("data", "fivetypes", 1),
    )


def _taxonomy(path: Path, label: str | None, options: ReadOptions) -> str:
    if label is None or options.taxonomy:
        return options.taxonomy or ""
    for word, taxonomy in (("fivetypes", FIVE_TYPES), ("semantic", SPINE)):
        if word in label:
            return taxonomy
    raise ChallengeError(
        f"{path}: the numbering of sparse3d_{label} is not known; choose --taxonomy fivetypes "
        "(0 proton, 1 minimum-ionising, 2 shower, 3 delta, 4 Michel) or spine (0 shower, 1 track, "
        "2 Michel, 3 delta, 4 low-energy)"
    )


def _found(sparse: list[str], clusters: list[str]) -> str:
    return f"sparse3d: {', '.join(sparse) or 'none'}; cluster3d: {', '.join(clusters) or 'none'}"


def kinds_of_types(where: str, types: np.ndarray, taxonomy: str) -> np.ndarray:
    """Return the kinds (n,) uint8 of a tensor's types (n,) in the numbering `taxonomy`."""
    table = np.full(len(_SPINE), Kind.NO_CLASS, np.uint8)
    for number, (_, kind) in enumerate(_FIVE_TYPES if taxonomy == FIVE_TYPES else _SPINE):
        table[number] = kind
    number = np.where(np.abs(types) < len(table), types, -1).astype(np.int64)
    if not np.isfinite(types).all() or ((number != types) & (number != -1)).any():
        raise ChallengeError(f"{where}: its classes are not whole numbers")
    return np.where(number >= 0, table[number], Kind.NO_CLASS).astype(np.uint8)


def kinds_of_particles(pdg: np.ndarray, process: list[str] | None) -> np.ndarray:
    """Return the kinds (n,) uint8 of particles. pdg: (n,). process: that created each, or None."""
    kind = kind_of_pdg(pdg)
    if process is not None:
        names = np.array(process, dtype=object)
        kind[kind == Kind.ELECTRON] = Kind.SHOWER
        kind[is_electron(pdg) & np.isin(names, _IONISATION)] = Kind.DELTA
        kind[is_electron(pdg) & np.isin(names, _DECAY)] = Kind.MICHEL
    return kind


def with_particles(kind: np.ndarray, particle_kind: np.ndarray) -> np.ndarray:
    """Return `kind` (n,) uint8, with tracks replaced by their particles' kinds (n,) if known."""
    is_proton = np.isin(particle_kind, (Kind.PROTON, Kind.ION))
    of_track = np.where(is_proton, particle_kind, Kind.MIP)
    is_known = (kind == Kind.TRACK) & (particle_kind != Kind.NO_CLASS)
    return np.where(is_known, of_track, kind).astype(np.uint8)


def strongest(
    voxel: np.ndarray, cluster_voxel: np.ndarray, value: np.ndarray, kind: np.ndarray
) -> np.ndarray:
    """Return for each voxel (n,) the kind of the cluster that left most energy: (n,) uint8.

    cluster_voxel, value, kind: (m,) ids, energies and kinds of the clusters' voxels.
    """
    order = np.lexsort((value, cluster_voxel))
    ids = cluster_voxel[order]
    last = np.append(ids[1:] != ids[:-1], True) if len(ids) else np.zeros(0, bool)
    best = order[last]
    return look_up(voxel, cluster_voxel[best], kind[best], missing=Kind.NO_CLASS).astype(np.uint8)


@dataclass(frozen=True)
class Clusters:
    """One entry of cluster3d with V voxels: id, value and cluster of each voxel, (V,) each."""

    id: np.ndarray
    value: np.ndarray
    cluster: np.ndarray


Tensor = tuple[np.ndarray, np.ndarray]  # id and value of the voxels of one entry of sparse3d


def combine(
    where: str,
    products: Products,
    energy: Tensor | None,
    label: Tensor | None,
    clusters: Clusters | None,
    particle_kind: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return id (V,), energy (V,) and kind (V,) of the voxels of one entry, from its products.

    particle_kind: the kind of each cluster's particle; further clusters have no particle.
    """
    of_clusters = None
    if clusters is not None and particle_kind is not None:
        kinds = np.append(particle_kind, np.uint8(Kind.NO_CLASS))
        of_clusters = kinds[np.minimum(clusters.cluster, len(particle_kind))]
    if energy is not None:
        voxel, value = energy
        if clusters is not None and of_clusters is not None:
            of_clusters = strongest(voxel, clusters.id, clusters.value, of_clusters)
    elif clusters is not None:
        voxel, value = clusters.id, clusters.value
    else:
        raise ChallengeError(f"{where}: has neither energies nor clusters")
    if label is None:
        return voxel, value, of_clusters
    kind = kinds_of_types(where, look_up(voxel, *label, missing=-1), products.taxonomy)
    return voxel, value, kind if of_clusters is None else with_particles(kind, of_clusters)


def read_tables(
    path: Path,
    tables: Mapping[str, Any],
    products: Products,
    options: ReadOptions,
    order: Literal["C", "F"],
    remark: str = "",
) -> Iterator[SourceEvent]:
    """Yield the events of a file; event_id is the entry.

    tables: part of `Products.names` -> its table, with a name, a length and these methods:
    entries(part, start, stop), a list for `combine`; grids(start, stop, options), a list of
    (nx, ny, nz) and Grid; numbers(start, stop), a list of (run, subrun, event).
    order: of voxel ids: C if z counts fastest, F if x.
    """
    first = tables["energy" if "energy" in tables else "clusters"]
    n_events = len(first)
    if any(len(table) != n_events for table in tables.values()):
        names = ", ".join(table.name for table in tables.values())
        raise ChallengeError(f"{path}: {names} differ in their events")
    for start in range(0, n_events, _BLOCK_EVENTS):
        stop = min(start + _BLOCK_EVENTS, n_events)
        grids, numbers = first.grids(start, stop, options), first.numbers(start, stop)
        parts = {part: table.entries(part, start, stop) for part, table in tables.items()}
        for i, entry in enumerate(range(start, stop)):
            where = f"{path}: event {entry}"
            mine = [parts[part][i] if part in parts else None for part in _PARTS]
            voxel, energy, kind = combine(where, products, *mine)
            shape, grid = grids[i]
            if len(voxel) and int(voxel.max()) >= np.prod(shape, dtype=object):
                raise ChallengeError(f"{where}: voxel id {voxel.max()} lies outside {shape}")
            index = np.column_stack(np.unravel_index(voxel.astype(np.int64), shape, order))
            yield SourceEvent(
                entry,
                entry,
                numbers[i],
                Voxels(index, grid),
                energy.astype(np.float64),
                kind,
                remarks=(products.remark + remark,),
                n_events=n_events,
            )
