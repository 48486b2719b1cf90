"""The class of a deposit: the conditions, and the rule of every cycle."""

from __future__ import annotations

import numpy as np
import pytest
from test_voxels import make_tracks

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.format import ChallengeError
from organizer.cycles import PRODUCTIONS
from organizer.simulate.geant4 import Particle
from organizer.simulate.truth import Origin, TrackFacts, is_proton, labels_of_tracks

ALPHA, ARGON = 1000020040, 1000180400
# (track id, parent id, PDG code, creator), and the name of its class in cycles 1, 2, 4, 6.
CASES = [
    ((1, 0, 13, ""), "other", "other", "track", "MIP"),
    ((2, 0, 2212, ""), "other", "proton", "track", "HIP"),
    ((3, 0, 22, ""), "electron/positron", "electron/positron", "shower", "shower"),
    ((4, 1, 11, "muIoni"), "electron/positron", "electron/positron", "shower", "delta"),
    ((5, 4, 22, "eBrem"), "electron/positron", "electron/positron", "shower", "delta"),
    ((6, 1, 11, "muMinusCaptureAtRest"), *["electron/positron"] * 2, "shower", "Michel"),
    ((7, 3, -11, "conv"), "electron/positron", "electron/positron", "shower", "shower"),
    ((8, 2, ALPHA, "protonInelastic"), "other", "other", "track", "HIP"),
    ((9, 2, 211, "protonInelastic"), "other", "other", "track", "MIP"),
    ((10, 2, ARGON, "hadElastic"), "other", "other", "track", "HIP"),
    ((11, 9, 321, "pi+Inelastic"), "other", "other", "track", "MIP"),
]
PRIMARIES = [
    Particle(pdg, 100.0, (0.0, 0.0, 0.0), (0.0, 0.0, 1.0), is_cosmic)
    for pdg, is_cosmic in ((13, True), (2212, False), (22, False))
]


def facts_of(rows, deposits=()) -> TrackFacts:
    """deposits: (row of its track, flat index of its voxel, MeV)."""
    columns = np.array(deposits, float).reshape(-1, 3).T
    track, voxel = columns[:2].astype(np.int64)
    return TrackFacts(make_tracks(*rows), PRIMARIES, track, voxel, columns[2])


def classes_of(facts: TrackFacts, cycle: int) -> list[str]:
    labels = labels_of_tracks(facts, PRODUCTIONS[cycle].rule, CYCLES[cycle])
    return [CYCLES[cycle].label_names[label] for label in labels]


@pytest.mark.parametrize(("cycle", "column"), [(1, 1), (2, 2), (3, 2), (4, 3), (6, 4)])
def test_classes_of_species_and_origins(cycle, column):
    facts = facts_of([row for row, *_ in CASES])
    assert classes_of(facts, cycle) == [case[column] for case in CASES]


def test_every_descendant_of_a_crossing_muon_is_cosmic():
    facts = facts_of([row for row, *_ in CASES])
    assert facts.primary.tolist() == [0, 1, 2, 0, 0, 0, 2, 1, 1, 1, 1]
    is_cosmic = [name == "cosmic" for name in classes_of(facts, 5)]
    assert is_cosmic == [primary == 0 for primary in facts.primary]


def test_origins_follow_the_ancestors():
    rows = [
        ((1, 0, 13, ""), Origin.PRIMARY),
        ((2, 1, 11, "muIoni"), Origin.DELTA),
        ((3, 2, 22, "eBrem"), Origin.DELTA),
        ((4, 3, 11, "compt"), Origin.DELTA),
        ((5, 1, 11, "muMinusCaptureAtRest"), Origin.MICHEL),
        ((6, 5, 11, "eIoni"), Origin.MICHEL),
        ((7, 5, 22, "eBrem"), Origin.MICHEL),
        ((8, 7, -11, "conv"), Origin.MICHEL),
        ((9, 1, 2112, "muMinusCaptureAtRest"), Origin.HADRONIC),
        ((10, 0, 22, ""), Origin.PRIMARY),
        ((11, 10, -11, "conv"), Origin.CONVERSION),
        ((12, 11, 22, "annihil"), Origin.CONVERSION),
        ((13, 0, 11, ""), Origin.PRIMARY),
        ((14, 13, 11, "eIoni"), Origin.PRIMARY),
        ((15, 13, 22, "eBrem"), Origin.PRIMARY),
        ((16, 15, 11, "compt"), Origin.CONVERSION),
        ((17, 0, 211, ""), Origin.PRIMARY),
        ((18, 17, 2212, "pi+Inelastic"), Origin.HADRONIC),
        ((19, 18, 11, "hIoni"), Origin.DELTA),
        ((20, 17, -13, "Decay"), Origin.DECAY),
        ((21, 20, -11, "Decay"), Origin.MICHEL),
        ((22, 17, 111, "pi+Inelastic"), Origin.HADRONIC),
        ((25, 18, ALPHA, "protonInelastic"), Origin.NUCLEUS),
        ((26, 9, ARGON, "hadElastic"), Origin.NUCLEUS),
        ((23, 22, 22, "Decay"), Origin.CONVERSION),
        ((24, 23, 11, "conv"), Origin.CONVERSION),
    ]
    assert facts_of([row for row, _ in rows]).origin.tolist() == [origin for _, origin in rows]


def test_fragments_are_pieces_of_connected_ionisation():
    rows = [
        (1, 0, 13, ""),  # a muon,
        (2, 1, 11, "muIoni"),  # its delta ray,
        (3, 2, 11, "eIoni"),  # and what that knocks out;
        (4, 2, 22, "eBrem"),  # a photon of the delta ray
        (5, 4, 11, "compt"),  # sets an electron free elsewhere,
        (6, 5, 11, "eIoni"),  # which knocks one out
    ]
    voxels = [(0, 10, 2.0), (0, 11, 2.0), (1, 12, 0.5), (2, 12, 0.1), (4, 99, 0.3), (5, 98, 0.2)]
    facts = facts_of(rows, voxels)
    assert facts.fragment.tolist() == [0, 1, 1, 3, 4, 4]
    assert facts.fragment_voxels.tolist() == [2, 1, 1, 0, 2, 2]
    assert facts.fragment_energy_mev == pytest.approx([4.0, 0.6, 0.6, 0.0, 0.5, 0.5])


@pytest.mark.parametrize(("n_voxels", "name"), [(9, "low-energy"), (10, "shower")])
def test_small_fragments_away_from_tracks_are_low_energy_deposits(n_voxels, name):
    rows = [(1, 0, 22, ""), (2, 1, 11, "compt")]
    facts = facts_of(rows, [(1, voxel, 0.2) for voxel in range(n_voxels)])
    assert classes_of(facts, 7)[1] == name


def test_a_small_piece_of_a_primary_track_is_a_track():
    assert classes_of(facts_of([(1, 0, 13, "")], [(0, 5, 1.0)]), 7) == ["track"]


def test_a_rule_must_decide_every_track_by_a_class_of_the_cycle():
    facts = facts_of([(1, 0, 13, "")])
    with pytest.raises(ChallengeError, match=r"PDG codes 13; end the rule with .*anything"):
        labels_of_tracks(facts, (("proton", is_proton),), CYCLES[2])
    with pytest.raises(ChallengeError, match=r"'proton' returned int64 \(1,\), expected bool"):
        labels_of_tracks(facts, (("proton", lambda facts: facts.pdg),), CYCLES[2])
