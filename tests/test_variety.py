"""Test the detectors of cycle 8: each event has one of its own."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from test_response import NOTHING_DEAD, QUIET, TRUTH, make_deposits, read

from lartpc_challenge.events import EventFile
from organizer.cycles import PRODUCTIONS
from organizer.simulate.chunks import SimulationRequest, simulate
from organizer.simulate.geant4 import Steps, Tracks
from organizer.simulate.response import Conditions, Detector, measured_readout
from organizer.simulate.variety import Readout, Variety, draw_readout, straightened
from organizer.simulate.voxels import ideal_readout

needs_geant4 = pytest.mark.skipif(
    importlib.util.find_spec("geant4_pybind") is None, reason="geant4_pybind is not installed"
)


def sigma_mm(readout: Readout) -> float:
    """Return the width across the drift, for a deposit in the middle of the crop."""
    assert readout.detector is not None
    assert readout.conditions is not None
    time_us = (readout.conditions.drift_mm + 288) / readout.detector.drift_speed_mm_us
    return float(np.sqrt(2 * readout.detector.diffusion_transverse_mm2_us * time_us))


def test_what_is_drawn_reaches_from_nothing_to_the_extremes():
    rng = np.random.default_rng(1)
    drawn = [Variety().draw(rng) for _ in range(2000)]
    detectors, conditions = [r.detector for r in drawn], [r.conditions for r in drawn]
    for values, least, most in (
        ([r.threshold_mev for r in drawn], 0.03, 0.2),
        ([c.scale for c in conditions], 0.9, 1.1),
        ([d.noise_electrons for d in detectors], 0, 1000),
        ([r.straight_mm for r in drawn if r.straight_mm], 3, 60),
    ):
        assert least <= min(values) <= least + 0.05 * (most - least)
        assert most - 0.05 * (most - least) <= max(values) <= most
    sigmas = np.array(list(map(sigma_mm, drawn)))
    assert np.mean(sigmas == 0) == pytest.approx(0.35, abs=0.05)  # 4.7 sigma
    assert np.mean(sigmas > 3) > 0.1  # more than a voxel
    assert max(sigmas) > 5
    for is_there in (
        [c.dead.any() for c in conditions],
        [len(c.missing) > 0 for c in conditions],
        [c.recombines for c in conditions],
        [r.straight_mm > 0 for r in drawn],
    ):
        assert 0.2 < np.mean(is_there) < 0.7


def test_missing_boxes_lie_in_the_cube_and_some_cross_it_along_each_axis():
    rng = np.random.default_rng(2)
    boxes = np.array([b for _ in range(2000) for b in Variety().draw(rng).conditions.missing])
    assert boxes.min() == 0
    assert boxes.max() == 192
    width = boxes[:, :, 1] - boxes[:, :, 0]
    assert width.min() == 5
    crosses = width == 192
    assert set(crosses.sum(axis=1)) == {0, 1, 2}  # blocks, beams, slabs
    assert crosses.any(axis=0).all()


def test_a_cycle_without_variety_has_one_detector_and_threshold():
    rng = np.random.default_rng(3)
    assert draw_readout(rng, None, 0.05) == Readout(0.05)
    of_three = PRODUCTIONS[3]
    readout = draw_readout(rng, of_three.detector, of_three.threshold_mev)
    assert (readout.detector, readout.threshold_mev) == (Detector(), 0.08)
    assert readout.straight_mm == 0


def test_nothing_is_read_in_a_missing_box():
    deposits = make_deposits(np.arange(300)[:, None] * [1.0, 0, 0] + 31.5)
    conditions = Conditions(0.0, NOTHING_DEAD, missing=(np.array([[20, 30], [0, 192], [10, 11]]),))
    voxels = measured_readout(deposits, TRUTH, QUIET, conditions, 0.0, np.random.default_rng(1))
    x = set(voxels.coords[:, 0].tolist())
    assert not x & set(range(20, 30))
    assert {15, 19, 30, 50} <= x


def test_the_scale_multiplies_all_energies():
    deposits = make_deposits(np.random.default_rng(4).uniform(0, 576, (50, 3)))
    conditions = Conditions(0.0, NOTHING_DEAD, scale=1.1)
    scaled = measured_readout(deposits, TRUTH, QUIET, conditions, 0.0, np.random.default_rng(1))
    assert scaled.energy == pytest.approx(1.1 * read(deposits).energy, rel=1e-6)


def test_without_drift_and_recombination_the_true_energies_are_read():
    rng = np.random.default_rng(5)
    deposits = make_deposits(rng.uniform(0, 576, (400, 3)), rng.uniform(0.01, 3, 400), 0.5)
    still = replace(
        QUIET, diffusion_longitudinal_mm2_us=0.0, diffusion_transverse_mm2_us=0.0, lifetime_us=1e12
    )
    conditions = Conditions(0.0, NOTHING_DEAD, recombines=False)
    found = measured_readout(deposits, TRUTH, still, conditions, 0.05, rng)
    expected = ideal_readout(deposits, TRUTH, 0.05)
    assert found.coords.tolist() == expected.coords.tolist()
    assert found.energy == pytest.approx(expected.energy, rel=1e-6)
    assert found.label.tolist() == expected.label.tolist()


def test_strong_diffusion_has_its_width_and_keeps_the_charge():
    # 2 m away, 1.25 ms; 2 D t = 36 mm^2: sigma 6 mm across, and along as wide here. Points spread
    # evenly through a voxel have 3^2/12 = 0.75 mm^2 more, and those of one voxel may be gathered.
    wide = replace(
        QUIET, diffusion_longitudinal_mm2_us=36 / 2500, diffusion_transverse_mm2_us=36 / 2500,
        lifetime_us=1e12,
    )  # fmt: skip
    points = 288 + (np.stack(np.meshgrid(*[np.arange(6)] * 3), -1).reshape(-1, 3) + 0.5) / 2
    voxels = read(make_deposits(points), wide, drift_mm=2000.0 - 288)
    place = (voxels.coords + 0.5) * 3.0 - points.mean(axis=0)
    assert voxels.energy.sum() == pytest.approx(len(points), rel=0.02)
    variance = np.average(place**2, axis=0, weights=voxels.energy)
    assert variance == pytest.approx([36.75] * 3, rel=0.06)  # cut off at 3 sigma
    assert len(voxels.energy) > 13**3 / 2


def test_straight_segments_keep_energy_ends_and_electrons():
    tracks = Tracks(
        track_id=np.array([1, 2, 3], np.int32),
        parent_id=np.array([0, 1, 0], np.int32),
        pdg=np.array([13, 11, 2212]),
        kinetic_energy_mev=np.ones(3),
        vertex_mm=np.zeros((3, 3)),
        creator=np.array(["", "muIoni", ""]),
    )
    track = np.repeat([0, 1, 2], [40, 5, 3])
    end = np.random.default_rng(6).normal(size=(48, 3)).cumsum(axis=0)
    start = np.vstack([[[0, 0, 0]], end[:-1]])
    energy = np.linspace(0.1, 1, 48)
    steps = Steps(start, end, energy, energy / 2, np.ones(48), track, tracks)
    merged = straightened(steps, 10.0)
    assert np.bincount(merged.track).tolist() == [4, 5, 1]
    assert np.bincount(merged.track, merged.energy_mev) == pytest.approx(np.bincount(track, energy))
    assert merged.ionising_mev == pytest.approx(merged.energy_mev / 2)
    assert merged.length_mm.max() == 10
    assert merged.start_mm[0].tolist() == start[0].tolist()
    assert (merged.start_mm[1:] == merged.end_mm[:-1]).all()
    assert merged.end_mm[-1].tolist() == end[-1].tolist()
    none = straightened(replace(steps, **{
        name: getattr(steps, name)[:0]
        for name in ("start_mm", "end_mm", "energy_mev", "ionising_mev", "length_mm", "track")
    }), 10.0)  # fmt: skip
    assert len(none.energy_mev) == 0


@needs_geant4
def test_events_of_general_hold_every_class_and_some_are_diffused_as_strongly_as_others_data(
    tmp_path,
):
    # Open LArTPC data have been seen with 11.8 neighbours per voxel and a median of 0.10 MeV, where
    # cycle 1 has 4.2 and 0.40 MeV.
    request = SimulationRequest(8, 30, 5, "demonstration")
    simulate(tmp_path / "general.h5", request, jobs=1, progress=lambda events: None)
    with EventFile(tmp_path / "general.h5") as events:
        labels = np.bincount(events.column("label"), minlength=4) / events.n_voxels
        medians = np.array([np.median(event.energy) for event in events])
        neighbours = np.array([count_neighbours(event.coords) for event in events])
        least = [event.energy.min() for event in events]
    assert (labels[1:] > 0.05).all()
    assert min(least) < 0.05 < 0.1 < max(least)
    assert neighbours.min() < 4
    assert np.count_nonzero((neighbours > 10) & (medians < 0.15)) >= 2


def count_neighbours(coords: np.ndarray) -> float:
    """Return the mean number of neighbours (of 26) of a voxel that have energy too."""
    filled = np.zeros((194,) * 3, bool)
    filled[tuple(coords.T.astype(int) + 1)] = True
    around = [step for step in np.ndindex(3, 3, 3) if step != (1, 1, 1)]
    return float(sum(filled[tuple((coords + step).T.astype(int))].mean() for step in around))
