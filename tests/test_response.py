from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from organizer.simulate.response import (
    Conditions,
    Detector,
    arriving_electrons,
    diffuse,
    draw_conditions,
    measured_readout,
    recombination,
)
from organizer.simulate.voxels import Deposits, Truth

NOTHING_DEAD = np.zeros((3, 192), bool)
# Four tracks, each of the label of its own number.
TRUTH = Truth(
    label=np.arange(4), origin=np.ones(4, np.int64), primary=np.array([0, 0, 1, 2]), n_labels=4
)
QUIET = replace(Detector(), noise_electrons=0.0)


def make_deposits(
    position_mm, energy_mev=1.0, length_mm=None, label=1, is_nucleus=False
) -> Deposits:
    """Deposits of minimum-ionising tracks (2.11 MeV/cm), unless a length says otherwise."""
    position_mm = np.atleast_2d(np.asarray(position_mm, float))
    n = len(position_mm)
    energy_mev = np.broadcast_to(np.asarray(energy_mev, float), n)
    length_mm = energy_mev / 0.211 if length_mm is None else np.full(n, length_mm)
    label = np.broadcast_to(label, n)
    return Deposits(position_mm, energy_mev, length_mm, np.full(n, is_nucleus), track=label)


def read(deposits, detector=QUIET, drift_mm=0.0, dead=NOTHING_DEAD, threshold_mev=0.0, seed=1):
    rng = np.random.default_rng(seed)
    return measured_readout(
        deposits, TRUTH, detector, Conditions(drift_mm, dead), threshold_mev, rng
    )


@pytest.mark.parametrize("dedx_mev_cm", [1.7, 2.1, 3.0, 5.0, 10.0])
def test_recombination_agrees_with_icarus(dedx_mev_cm):
    # Birks' law as ICARUS measured it, S. Amoruso et al., NIM A 523 (2004) 275: another formula
    # and another experiment than the code's; they differ by up to 4 % in this range.
    birks = 0.800 / (1 + 0.0486 * dedx_mev_cm / (1.396 * 0.5))
    assert recombination(dedx_mev_cm) == pytest.approx(birks, rel=0.05)


def test_a_minimum_ionising_track_at_the_anode_keeps_its_energy():
    voxels = read(make_deposits([1.5, 1.5, 1.5], 0.63))
    assert voxels.coords.tolist() == [[0, 0, 0]]
    assert voxels.energy == pytest.approx([0.63], rel=1e-3)


def test_electrons_of_a_minimum_ionising_mev():
    # 1 MeV / 23.6 eV = 42,373 electron-ion pairs, of which about 70 % escape (ICARUS, above).
    electrons = arriving_electrons(
        make_deposits([0, 1, 1], 1.0), Detector(), Conditions(0.0, NOTHING_DEAD)
    )
    assert electrons == pytest.approx([0.70 * 42373], rel=0.02)


def test_a_stopping_protons_charge_is_quenched():
    track, stub = (make_deposits([1.5, 1.5, 1.5], 1.0, length_mm=mm) for mm in (4.7, 0.5))
    assert read(stub).energy[0] < 0.6 * read(track).energy[0]


def test_an_alpha_leaves_nearly_no_charge():
    # 5.3 MeV over 0.05 mm; 1 to 2 % of its electrons escape (J. Thomas, D. A. Imel, 1987).
    alpha, proton = (
        make_deposits([1.5, 1.5, 1.5], 5.3, length_mm=0.05, is_nucleus=is_nucleus)
        for is_nucleus in (True, False)
    )
    conditions = Conditions(0.0, NOTHING_DEAD)
    share = arriving_electrons(alpha, QUIET, conditions) * 23.6e-6 / 5.3
    assert 0.005 < share[0] < 0.03
    assert arriving_electrons(proton, QUIET, conditions)[0] > 5 * share[0] * 5.3 / 23.6e-6


def test_a_voxels_particle_is_the_one_whose_charge_arrives_there():
    # Tracks 1 and 3 descend from particles 0 and 2; what spreads into a neighbour stays theirs.
    voxels = read(
        make_deposits([[1.5, 1.5, 1.5], [31.5, 1.5, 1.5]], 1.0, label=[1, 3]), drift_mm=1500.0
    )
    is_first = voxels.coords[:, 0] < 5
    assert len(voxels.coords) > 4
    assert voxels.particle.dtype == np.int16
    assert voxels.particle.tolist() == np.where(is_first, 0, 2).tolist()


def test_steps_without_length_still_leave_charge():
    assert 0 < read(make_deposits([1.5, 1.5, 1.5], 1.0, length_mm=0.0)).energy[0] < 0.5


def test_one_lifetime_away_arrives_one_part_in_e():
    # 8 ms at 1.6 mm/us are 12.8 m.
    near, far = (
        arriving_electrons(make_deposits([1, 1, 1]), Detector(), Conditions(mm, NOTHING_DEAD))
        for mm in (0.0, 12_800.0)
    )
    assert far / near == pytest.approx(np.exp(-1))


def test_spread_is_the_diffusion_of_the_drift_time():
    # After 2 m, 1.25 ms, at 7.2 (along x) and 12 cm^2/s: sigma^2 = 2 D t = 1.8 and 3.0 mm^2. Over
    # points spread evenly through a voxel, being put into voxels adds 3^2/12 = 0.75 mm^2 exactly.
    offset_mm, charge = [], []
    for shift in (np.arange(20) + 0.5) * 3.0 / 20:
        point = 300.0 + np.full(3, shift)
        conditions = Conditions(2000.0 - point[0], NOTHING_DEAD)
        spread = diffuse(make_deposits(point), TRUTH, np.array([1e6]), Detector(), conditions)
        index = np.stack(np.unravel_index(spread.key, (192,) * 3), axis=1)
        offset_mm += list((index + 0.5) * 3.0 - point)
        charge += list(spread.parts.sum(axis=(1, 2)))
    offset_mm = np.array(offset_mm)
    assert np.average(offset_mm, axis=0, weights=charge) == pytest.approx([0, 0, 0], abs=0.01)
    variance = np.average(offset_mm**2, axis=0, weights=charge)
    assert variance == pytest.approx([1.8 + 0.75, 3.0 + 0.75, 3.0 + 0.75], rel=0.01)


def test_diffusion_keeps_the_charge_in_the_crop():
    rng = np.random.default_rng(3)
    deposits = make_deposits(rng.uniform(10, 560, (700, 3)))  # more than a block
    electrons = rng.uniform(1e4, 1e5, 700)
    spread = diffuse(deposits, TRUTH, electrons, Detector(), Conditions(1000.0, NOTHING_DEAD))
    # Shares below one electron a voxel are dropped.
    assert spread.parts.sum() == pytest.approx(electrons.sum(), rel=1e-3)


def test_charge_that_diffuses_through_the_wall_is_lost():
    # A point on the wall loses half of its charge, one in a corner seven eighths.
    for position, kept in (([0, 300, 300], 1 / 2), ([0, 0, 0], 1 / 8), ([0, 576, 300], 1 / 4)):
        deposits = make_deposits(np.array(position) * (1 - 1e-9))
        spread = diffuse(
            deposits, TRUTH, np.array([1e6]), Detector(), Conditions(1000.0, NOTHING_DEAD)
        )
        assert spread.parts.sum() == pytest.approx(kept * 1e6, rel=0.01)


def test_label_is_the_class_of_most_of_the_charge():
    # Two deposits in neighbouring voxels, 100 and 1 in size: the greater one's charge wins the
    # smaller one's voxel too once it has spread, 2 m from the anode.
    deposits = make_deposits(
        [[301.5, 301.5, 301.5], [301.5, 304.5, 301.5]], [10, 0.1], label=[3, 2]
    )
    assert read(deposits, drift_mm=0.0).label.tolist() != [3] * 2
    far = read(deposits, drift_mm=1700.0, threshold_mev=0.1)
    here = far.label[(far.coords == (100, 101, 100)).all(axis=1)]
    assert here.tolist() == [3]


def test_dead_planes_are_not_read():
    dead = NOTHING_DEAD.copy()
    dead[1, 20:24] = True
    line = np.column_stack([np.full(300, 91.0), np.arange(300) * 1.0, np.full(300, 91.0)])
    voxels = read(make_deposits(line, 0.2), drift_mm=500.0, dead=dead)
    assert not np.isin(voxels.coords[:, 1], np.arange(20, 24)).any()
    assert {19, 24} <= set(voxels.coords[:, 1].tolist())


def test_drawn_planes_lie_across_y_and_z():
    rng = np.random.default_rng(4)
    for _ in range(200):
        conditions = draw_conditions(rng, Detector())
        assert not conditions.dead[0].any()
        assert all(1 <= conditions.dead[axis].sum() <= 4 * 5 for axis in (1, 2))
        assert 0 <= conditions.drift_mm <= 1500


def test_noise_is_that_of_500_electrons():
    # 500 electrons x 23.6 eV / 0.70 = 0.0169 MeV. The deviation of n voxels' scatter is
    # sigma / sqrt(2 n); 5 sigma fail by chance once in 10^6.
    middles = np.arange(40) * 3.0 + 1.5
    y, z = map(np.ravel, np.meshgrid(middles, middles))
    deposits = make_deposits(np.column_stack([np.full(1600, 1.5), y, z]), 0.4)
    loud, quiet = read(deposits, Detector()), read(deposits, QUIET)
    assert len(loud.energy) == len(quiet.energy) == 1600
    scatter = np.std(loud.energy - quiet.energy)
    assert scatter == pytest.approx(0.0169, rel=5 / np.sqrt(2 * 1600))


def test_noise_makes_no_voxels_of_its_own():
    # Beside a track, and everywhere else, less than the noise arrives.
    deposits = make_deposits([[301.5, 301.5, 301.5]], 1.0)
    voxels = read(deposits, replace(Detector(), noise_electrons=2000.0), drift_mm=1000.0)
    near = np.abs(voxels.coords.astype(int) - 100).max(axis=1)
    assert len(near) > 1
    assert near.max() <= 2


def test_voxels_below_the_threshold_are_left_out():
    deposits = make_deposits([[1.5, 1.5, 1.5], [31.5, 1.5, 1.5]], [0.07, 0.09])
    assert read(deposits, threshold_mev=0.08).coords[:, 0].tolist() == [10]


def test_no_deposit_gives_no_voxel():
    voxels = read(make_deposits(np.zeros((0, 3))), Detector())
    assert voxels.coords.shape == (0, 3)
    assert len(voxels.label) == 0


def test_the_same_stream_gives_the_same_voxels():
    deposits = make_deposits(np.random.default_rng(6).uniform(0, 576, (50, 3)))
    a, b = (read(deposits, Detector(), drift_mm=800.0) for _ in range(2))
    assert a.energy.tobytes() == b.energy.tobytes()
