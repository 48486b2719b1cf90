from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lartpc_challenge.cycles import CYCLES
from organizer.cycles import PRODUCTIONS
from organizer.simulate.geant4 import Steps, Tracks
from organizer.simulate.truth import Origin
from organizer.simulate.voxels import Truth, deposits_in_crop, find_truth, ideal_readout, tally

CORNER_MM = -288.0  # of the crop, a cube of 192 voxels of 3 mm around the world's centre


def make_tracks(*rows) -> Tracks:
    """Rows of (track id, parent id, PDG code, creator)."""
    track_id, parent_id, pdg, creator = map(np.array, zip(*rows))
    n = len(rows)
    return Tracks(track_id, parent_id, pdg, np.zeros(n), np.zeros((n, 3)), creator)


def make_steps(tracks: Tracks, *rows) -> Steps:
    """Rows of (start in mm from the crop's corner, end, MeV, row of tracks)."""
    start, end, energy, track = zip(*rows)
    start, end = np.array(start, float) + CORNER_MM, np.array(end, float) + CORNER_MM
    length = np.linalg.norm(end - start, axis=1)
    energy = np.array(energy, float)
    return Steps(start, end, energy, energy, length, np.array(track), tracks)


MUON = make_tracks((1, 0, 13, ""))


def read(steps: Steps, threshold_mev: float = 0.0, cycle: int = 2, **changes):
    deposits = deposits_in_crop(steps)
    production = replace(PRODUCTIONS[cycle], **changes)
    truth = find_truth(steps, deposits, [], CYCLES[cycle], production)
    return ideal_readout(deposits, truth, threshold_mev)


def test_a_straight_step_shares_its_energy_by_the_length_in_each_voxel():
    voxels = read(make_steps(MUON, ((1.5, 1.5, 1.5), (10.5, 1.5, 1.5), 0.9, 0)))
    # 9 mm in all: 1.5 mm in the first voxel, 3 in two more, 1.5 in the last.
    assert voxels.coords.tolist() == [[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]]
    assert voxels.energy == pytest.approx([0.15, 0.3, 0.3, 0.15])
    assert voxels.label.tolist() == [2, 2, 2, 2]


def test_axes_are_x_y_z():
    voxels = read(make_steps(MUON, ((4, 70, 550), (4, 70, 550), 1, 0)))
    assert voxels.coords.tolist() == [[1, 23, 183]]


def test_energy_in_the_crop_is_kept():
    rng = np.random.default_rng(1)
    rows = [
        (rng.uniform(100, 400, 3), rng.uniform(100, 400, 3), rng.exponential(), 0)
        for _ in range(50)
    ]
    voxels = read(make_steps(MUON, *rows))
    assert voxels.energy.sum(dtype=float) == pytest.approx(sum(row[2] for row in rows), rel=1e-6)


def test_a_step_through_the_wall_leaves_inside_only_what_is_inside():
    voxels = read(make_steps(MUON, ((570, 1, 1), (582, 1, 1), 1.2, 0)))
    assert voxels.coords[:, 0].tolist() == [190, 191]
    assert voxels.energy == pytest.approx([0.3, 0.3])


def test_steps_outside_the_crop_leave_no_voxel():
    voxels = read(
        make_steps(MUON, ((-5, 1, 1), (-1, 1, 1), 1, 0), ((1, 577, 1), (1, 580, 1), 1, 0))
    )
    assert len(voxels.label) == 0
    assert voxels.coords.shape == (0, 3)


@pytest.mark.parametrize("pdg", [22, 2112, -2112, 130, 3122])
def test_a_neutral_particle_leaves_its_energy_where_its_step_ends(pdg):
    """This holds for a photon, a neutron, an antineutron, a K0L and a Lambda."""
    track = make_tracks((1, 0, pdg, ""))
    voxels = read(make_steps(track, ((1, 1, 1), (100, 1, 1), 0.01, 0)))
    assert voxels.coords.tolist() == [[33, 0, 0]]


def test_label_is_the_class_that_left_most():
    tracks = make_tracks((1, 0, 2212, ""), (2, 0, 11, ""), (3, 0, 211, ""), (4, 0, -11, ""))
    here = (1, 1, 1)
    # Protons 3, electrons and positrons 2 + 2, pions 1 MeV: the class counts, not the particle.
    rows = [(here, here, 3, 0), (here, here, 2, 1), (here, here, 1, 2), (here, here, 2, 3)]
    voxels = read(make_steps(tracks, *rows))
    assert voxels.label.tolist() == [1]
    assert voxels.energy == pytest.approx([8])
    assert voxels.second_share == pytest.approx([3 / 8])


def test_without_a_class_of_their_own_protons_count_with_the_rest():
    tracks = make_tracks((1, 0, 2212, ""), (2, 0, 11, ""), (3, 0, 211, ""))
    here = (1, 1, 1)
    rows = [(here, here, 3, 0), (here, here, 4, 1), (here, here, 2, 2)]
    assert read(make_steps(tracks, *rows), cycle=2).label.tolist() == [1]
    assert read(make_steps(tracks, *rows), cycle=1).label.tolist() == [2]


def test_a_precedence_decides_shared_voxels_instead_of_the_energy():
    tracks = make_tracks((1, 0, 2212, ""), (2, 0, 211, ""), (3, 2, 11, "hIoni"))
    here, there = (1, 1, 1), (10, 1, 1)
    rows = [(here, here, 0.1, 0), (here, here, 3, 1), (there, there, 1, 1), (there, there, 2, 2)]
    five = CYCLES[6]
    names = ("HIP", "MIP", "shower", "delta", "Michel")  # MicroBooNE's, arXiv:2012.08513
    most = read(make_steps(tracks, *rows), cycle=6)
    assert [five.label_names[label] for label in most.label] == ["MIP", "delta"]
    first = read(make_steps(tracks, *rows), cycle=6, precedence=names)
    assert [five.label_names[label] for label in first.label] == ["HIP", "MIP"]


def test_voxels_at_the_threshold_are_left_out():
    rows = [((x, 1, 1), (x, 1, 1), energy, 0) for x, energy in ((1, 0.25), (4, 0.5), (7, 0.75))]
    assert read(make_steps(MUON, *rows), threshold_mev=0.5).coords[:, 0].tolist() == [2]


def test_origin_of_a_voxel_is_the_commonest_within_the_label():
    tracks = make_tracks((1, 0, 211, ""), (2, 1, 211, "pi+Inelastic"), (3, 1, 11, "hIoni"))
    here = (1, 1, 1)
    # The delta electron leaves most of any track, but less than both pions together.
    rows = [(here, here, 1.0, 0), (here, here, 1.5, 1), (here, here, 2.0, 2)]
    voxels = read(make_steps(tracks, *rows))
    assert voxels.label.tolist() == [2]
    assert voxels.origin.tolist() == [Origin.HADRONIC]


def test_tally_sums_equal_keys_whatever_their_order():
    rng = np.random.default_rng(2)
    key, track = rng.integers(0, (50, 28), (1000, 2)).T
    label, origin = np.divmod(np.arange(28), 7)  # each label with each origin
    of_track = Truth(label, origin, primary=np.arange(28) % 3, n_labels=4)
    label, origin = of_track.label[track], of_track.origin[track]
    weight = rng.integers(1, 10, 1000).astype(float)  # whole numbers: sums are exact in any order
    tallied = tally(key, weight, track, of_track)
    expected = {}
    for cell, value in zip(zip(key, label, origin), weight):
        expected[cell] = expected.get(cell, 0) + value
    assert tallied.key.tolist() == sorted(set(key.tolist()))
    rows, labels, origins = np.nonzero(tallied.parts)
    found = dict(zip(zip(tallied.key[rows], labels, origins), tallied.parts[rows, labels, origins]))
    assert found == expected
    by_particle = [
        weight[(key == k) & (track % 28 % 3 == p)].sum() for k in tallied.key for p in range(3)
    ]
    assert tallied.by_primary.ravel().tolist() == by_particle


def test_particle_of_a_voxel_is_the_one_whose_descendants_left_most():
    tracks = make_tracks(
        (1, 0, 211, ""), (2, 0, 22, ""), (3, 1, 2212, "pi+Inelastic"), (4, 2, 11, "conv"),
        (5, 4, 22, "eBrem"), (6, 5, -11, "conv"),
    )  # fmt: skip
    here, there = (1, 1, 1), (10, 1, 1)
    # Here the photon's descendants leave 1.2 MeV, the pion and its proton 1.1 MeV.
    rows = [(here, here, 1.2, 5), (here, here, 0.5, 0), (here, here, 0.6, 2), (there, there, 1, 2)]
    voxels = read(make_steps(tracks, *rows))
    assert voxels.particle.tolist() == [1, 0]
