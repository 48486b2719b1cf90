"""Convert the classes of sources to those of a cycle.

A reader converts its source's classes to `Kind` with one table per source, printed by --help. A
kind becomes the first class of the cycle with one of the names in CLASS_NAMES_OF_KIND. So every
cycle whose classes have these names can be used, also one that is declared later.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from lartpc_challenge.cycles import CYCLES, Cycle
from lartpc_challenge.format import ChallengeError
from organizer.pdg import ELECTRON, FIRST_NUCLEUS, MUON, PHOTON, PROTON


class Kind(IntEnum):
    """The kinds of deposits, as detailed as in any source."""

    NO_CLASS = 0  # charge without a class in the source, or a ghost
    PROTON = 1
    ION = 2  # deuterons and heavier nuclei
    MIP = 3  # muons, pions, kaons and other charged hadrons
    TRACK = 4  # one of the three above, not specified by the source
    SHOWER = 5
    DELTA = 6
    MICHEL = 7
    LOW_ENERGY = 8
    ELECTRON = 9  # an electron, positron or photon of unknown origin


_SHOWER_NAMES = ("shower", "electron/positron")
CLASS_NAMES_OF_KIND = {
    Kind.PROTON: ("proton", "HIP", "track", "other"),
    Kind.ION: ("HIP", "track", "other"),
    Kind.MIP: ("MIP", "track", "other"),
    Kind.TRACK: ("track", "MIP", "other"),
    Kind.SHOWER: _SHOWER_NAMES,
    Kind.DELTA: ("delta", *_SHOWER_NAMES),
    Kind.MICHEL: ("Michel", *_SHOWER_NAMES),
    Kind.LOW_ENERGY: ("low-energy", *_SHOWER_NAMES),
    Kind.ELECTRON: _SHOWER_NAMES,
}
# The possible kinds behind a kind that is not specific.
_ONE_OF = {
    Kind.TRACK: (Kind.PROTON, Kind.ION, Kind.MIP),
    Kind.ELECTRON: (Kind.SHOWER, Kind.DELTA, Kind.MICHEL),
}
# The kind of each class of ours.
_KIND_OF_CLASS = {
    "proton": Kind.PROTON,
    "HIP": Kind.PROTON,
    "MIP": Kind.MIP,
    "track": Kind.TRACK,
    "shower": Kind.SHOWER,
    "electron/positron": Kind.ELECTRON,
    "delta": Kind.DELTA,
    "Michel": Kind.MICHEL,
    "low-energy": Kind.LOW_ENERGY,
}


@dataclass(frozen=True)
class Taxonomy:
    """A source's classes in its own words, and the facts that it does not contain."""

    title: str
    classes: tuple[tuple[str, Kind], ...]
    not_known: tuple[str, ...] = ()


def class_of_kind(kind: Kind, cycle: Cycle) -> str | None:
    """Return the name of the cycle's class for `kind`; None if there is none."""
    for name in CLASS_NAMES_OF_KIND.get(kind, ()):
        if name in cycle.class_names:
            return name
    return None


def kind_of_class(name: str, names: Sequence[str]) -> Kind:
    """Return the kind of the class `name`, one of a cycle's classes `names`.

    Raises ChallengeError for a class of the particle's source, such as `cosmic`.
    """
    if name == "other":  # without protons if they have their own class
        return Kind.MIP if "proton" in names else Kind.TRACK
    try:
        return _KIND_OF_CLASS[name]
    except KeyError:
        raise ChallengeError(
            f"other formats have no class `{name}`; they have shower, track, Michel, delta and "
            "low-energy"
        ) from None


def label_of_kind(cycle: Cycle) -> np.ndarray:
    """Return the cycle's label of every kind: (number of kinds,) uint8, 0 for NO_CLASS.

    Raises ChallengeError if the cycle's classes do not depend on the kind of particle.
    """
    labels = np.zeros(len(Kind), np.uint8)
    for kind in CLASS_NAMES_OF_KIND:
        name = class_of_kind(kind, cycle)
        if name is None:
            raise ChallengeError(
                f"cycle {cycle.number} has the classes {', '.join(cycle.class_names)}: none is for "
                f"{_said(kind)}. The source only contains the kind of particle that left the "
                "charge; choose another --cycle"
            )
        labels[kind] = cycle.label(name)
    return labels


def ambiguities(kinds: Iterable[Kind], cycle: Cycle) -> list[str]:
    """Return a sentence for each kind in a file that can belong to several of the classes."""
    sentences = []
    for kind in sorted(set(kinds) & set(_ONE_OF)):
        possible = dict.fromkeys(class_of_kind(one, cycle) for one in _ONE_OF[kind])
        if len(possible) > 1:
            sentences.append(
                f"the source does not separate {' from '.join(map(str, possible))}: all "
                f"{_said(kind)} becomes `{class_of_kind(kind, cycle)}`"
            )
    return sentences


def table(taxonomy: Taxonomy) -> str:
    """Return the table of one source as text: its classes, and the class in every cycle."""
    columns: dict[tuple[str, ...], list[str]] = {}
    for cycle in CYCLES.values():
        if class_of_kind(Kind.SHOWER, cycle):
            columns.setdefault(cycle.class_names, []).append(str(cycle.number))
    of_names = {cycle.class_names: cycle for cycle in CYCLES.values()}
    rows = [["its class", *(f"cycle {', '.join(numbers)}" for numbers in columns.values())]]
    for words, kind in taxonomy.classes:
        becomes = (class_of_kind(kind, of_names[names]) for names in columns)
        rows.append([words, *(name or "left out" for name in becomes)])
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]
    lines = [taxonomy.title, *(f"  {line.rstrip()}" for line in lines)]
    return "\n".join([*lines, *(f"  Not known: {words}" for words in taxonomy.not_known)])


def _said(kind: Kind) -> str:
    return kind.name.lower().replace("_", "-")


# ---- particles by their numbers in the scheme of the Particle Data Group


def kind_of_pdg(pdg: np.ndarray) -> np.ndarray:
    """Return the kinds (n,) uint8 of particles with PDG codes (n,), without their ancestors."""
    kind = np.full(len(pdg), Kind.MIP, np.uint8)
    kind[is_electromagnetic(pdg)] = Kind.ELECTRON
    kind[pdg == PROTON] = Kind.PROTON
    kind[np.abs(pdg) >= FIRST_NUCLEUS] = Kind.ION
    return kind


def is_electromagnetic(pdg: np.ndarray) -> np.ndarray:
    """Return (n,) bool: whether PDG codes (n,) are electrons, positrons or photons."""
    return (np.abs(pdg) == ELECTRON) | (pdg == PHOTON)


def is_electron(pdg: np.ndarray) -> np.ndarray:
    """Return (n,) bool: whether PDG codes (n,) are electrons or positrons."""
    return np.abs(pdg) == ELECTRON


def is_muon(pdg: np.ndarray) -> np.ndarray:
    """Return (n,) bool: whether PDG codes (n,) are muons of either charge."""
    return np.abs(pdg) == MUON
