"""Find the kind of deposit of each track of edep-sim (Geant4) from its ancestors.

An electron from ionisation by a muon, hadron or nucleus is a delta; one from a muon's decay or
capture is a Michel electron; descendants have the kind of their ancestor. All other electrons,
positrons and photons are showers. Our own simulation has the same rule (`simulate.truth`).
"""

from __future__ import annotations

import numpy as np

from organizer.convert.deposits import look_up
from organizer.convert.taxonomy import (
    Kind,
    Taxonomy,
    is_electromagnetic,
    is_electron,
    is_muon,
    kind_of_pdg,
)

# Geant4's process types and subtypes, as in TG4TrajectoryPoint.
_ELECTROMAGNETIC, _IONISATION = 2, 2
NO_PROCESS = -1

TAXONOMY = Taxonomy(
    "edep-sim (HDF5 `segments`, ROOT `EDepSimEvents`): the track that left most of a hit",
    (
        ("p", Kind.PROTON),
        ("d, t, He and heavier nuclei", Kind.ION),
        ("mu, pi, K and other charged hadrons", Kind.MIP),
        ("e, gamma of a primary, a photon, a hadron's decay", Kind.SHOWER),
        ("e by ionisation of one of those above, with descendants", Kind.DELTA),
        ("e of a muon's decay or capture, with descendants", Kind.MICHEL),
        ("e, gamma in a file without trajectories", Kind.ELECTRON),
    ),
    (
        "tracks that edep-sim did not store: their energy counts as their ancestor's",
        "low-energy deposits: Compton electrons are showers",
        "where a particle comes from (beam, cosmic)",
    ),
)
NO_TRAJECTORIES = "it has no trajectories: deltas and Michel electrons count as showers"


def kind_of_tracks(
    track: np.ndarray,
    parent: np.ndarray,
    pdg: np.ndarray,
    process: np.ndarray,
    subprocess: np.ndarray,
) -> np.ndarray:
    """Return the kinds (T,) uint8 of an event's tracks.

    All arguments are (T,) integers: the track's number, its parent's number (-1 or missing in
    `track`: a primary), its PDG code, and Geant4's process type and subtype that created it
    (NO_PROCESS: not known).
    """
    kind = kind_of_pdg(pdg)
    is_em = is_electromagnetic(pdg)
    if not is_em.any():
        return kind
    order = np.argsort(track, kind="stable")
    row = np.searchsorted(track, parent, sorter=order)
    row = order[np.minimum(row, len(track) - 1)]
    has_parent = track[row] == parent
    kind[is_em] = Kind.SHOWER
    is_freed = is_em & has_parent & ~is_em[row] & is_electron(pdg)
    of_decay = is_freed & is_muon(pdg[row]) & (process != _ELECTROMAGNETIC)
    kind[of_decay] = Kind.MICHEL
    kind[is_freed & (process == _ELECTROMAGNETIC) & (subprocess == _IONISATION)] = Kind.DELTA
    kind[is_freed & (process == NO_PROCESS)] = Kind.ELECTRON
    inherits = is_em & has_parent & is_em[row]
    while True:  # once per generation of a shower
        heir = np.where(inherits, kind[row], kind)
        if (heir == kind).all():
            return kind
        kind = heir


def kind_of_hits(hit_track: np.ndarray, track: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Return the kind of each hit's track: (H,) uint8; NO_CLASS if it is not in `track` (T,)."""
    return look_up(hit_track, track, kind, missing=Kind.NO_CLASS).astype(np.uint8)
