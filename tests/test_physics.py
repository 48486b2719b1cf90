"""The simulation compared with published numbers (quick set); the checks notice mistakes.

Each check states its limits and the odds of failing by chance; all together stay below 1 in 1,000
for the fixed seed's sample sizes (half a minute of one core).
"""

import dataclasses
import importlib.util
import os
import platform
import sys

import numpy as np
import pytest

from organizer.physics import beams, checks, observe, plots, report
from organizer.physics.__main__ import main
from organizer.physics.runs import plan, shoot

SEED = 1
HAS_NO_WHEEL = importlib.util.find_spec("geant4_pybind") is None and (
    sys.version_info < (3, 11) or platform.machine() not in ("x86_64", "AMD64", "arm64")
)
needs_geant4 = pytest.mark.skipif(
    HAS_NO_WHEEL, reason="geant4_pybind has no wheel for this Python or machine"
)


@pytest.fixture(scope="module")
def samples():
    return shoot("quick", seed=SEED, jobs=os.cpu_count())


@pytest.fixture(scope="module")
def done(samples):
    return checks.all_checks(samples)


@needs_geant4
def test_simulation_agrees_with_published_numbers(done):
    failed = [report.line(check) for check in done if not check.passed]
    assert not failed, "\n".join(failed)
    assert len(done) == 40
    assert len({check.title for check in done}) == len(done)


@needs_geant4
def test_checks_seldom_fail_by_chance(done):
    assert sum(check.odds for check in done) < 1e-3


@needs_geant4
def test_limits_are_narrow(done):
    # The two that are wider rest on measurements that differ, or are known no better.
    wide = {
        "share of stopped mu- that decay",
        "inelastic reactions of neutrons, 5 MeV, with that line",
    }
    for check in done:
        if check.title not in wide and check.published > 0.1:
            assert check.high - check.low < 0.7 * check.published, check.title


@needs_geant4
def test_samples_do_not_depend_on_who_shoots_them(samples):
    beam = beams.STOPPED_MUONS
    alone = shoot("quick", seed=SEED, jobs=1, only=[beam])
    np.testing.assert_array_equal(alone[beam.name]["decayed"], samples[beam.name]["decayed"])


@needs_geant4
def test_long_smooth_steps_are_noticed():
    # What Geant4 does without a step limit: the artefact that a classifier learns at once.
    coarse = shoot(
        "quick", seed=SEED, jobs=1, only=[beams.CROSSING_MUONS], changes={"max_step_mm": 1e4}
    )
    passed = {check.title: check.passed for check in checks.check_minimum_ionisation(coarse)}
    assert passed == {
        "mean dE/dx of mu-, 279 MeV": True,
        "most probable energy in 3 mm of that track": False,
        "its full width at half maximum": False,
        "rank correlation of neighbouring 3 mm": False,
        "delta electrons above 1 MeV": True,
    }


@needs_geant4
def test_unquenched_recoils_and_missing_levels_are_noticed():
    # What Geant4 does by default: recoils leave all their energy, and gammas are a continuum.
    default = shoot(
        "quick", seed=SEED, jobs=1, only=[beams.NEUTRONS],
        changes={"quenching": False, "gamma_lines": False},
    )  # fmt: skip
    failed = [check for check in checks.check_nuclei(default) if not check.passed]
    assert {check.unit for check in failed} == {""}
    assert len(failed) == 3
    assert [check.measured for check in failed[:2]] == [1.0, 1.0]


@needs_geant4
def test_report_holds_every_check_and_figure(samples, done):
    figures = plots.all_figures(samples)
    page = report.page(done, figures, "Made by a test.")
    assert page.count("<tr><td class='title'>") == len(done)
    assert page.count('src="data:image/png;base64,') == len(figures) == 7
    assert "All checks passed" in page


@needs_geant4
def test_wrong_changes_are_told():
    with pytest.raises(TypeError, match="wrong_field"):
        shoot("quick", seed=1, jobs=1, only=[beams.STOPPED_MUONS], changes={"wrong_field": 1})


def test_failed_check_is_told():
    check = checks.Check("length of a foot", "cm", 30.48, 30, 31, "NIST", 28.0, 0.1)
    page = report.page([check], [], "A test.")
    assert not check.passed
    assert "1 of 1 checks failed" in page
    assert '<td class="failed">failed</td>' in page
    assert report.line(check).startswith("FAILED  length of a foot: 28 ± 0.1 cm")


@pytest.mark.parametrize("size", ["quick", "full"])
@pytest.mark.parametrize("jobs", [1, 3, 2000])
def test_plan_shares_every_particle_once(jobs, size):
    whole = [0] * len(beams.BEAMS)
    names = [beam.name for beam in beams.BEAMS]
    for shots in plan(size, jobs):
        worlds = {beams.BEAMS[names.index(name)].settings for name, _, _ in shots}
        assert len(worlds) == 1
        for name, first, last in shots:
            assert first < last
            whole[names.index(name)] += last - first
    assert whole == [getattr(beam, size) for beam in beams.BEAMS]


def test_beams_are_shot_into_the_product_but_for_what_they_say():
    product = dataclasses.asdict(beams.Settings())
    said = {"half_size_mm", "hadronic", "decay"}
    for beam in beams.BEAMS:
        changed = {k for k, v in dataclasses.asdict(beam.settings).items() if v != product[k]}
        bare = {"production_cut_mm", "max_step_mm"} if beam.settings == beams.BARE else set()
        assert changed <= said | bare


def test_odds_are_those_of_the_normal_distribution():
    check = checks.Check("", "", 10.0, 9.0, 11.0, "", 10.2, 0.5)
    assert check.odds == pytest.approx(0.0455, abs=1e-4)  # two standard deviations, both sides


# The statistics on samples of known distributions; limits of 5 standard deviations, odds 6e-7 each.


def test_value_and_error_of_a_mean():
    values = np.random.default_rng(1).normal(5.0, 2.0, 20_000)
    mean, error = checks.value_and_error(np.mean, values)
    assert abs(mean - 5.0) < 5 * 2 / np.sqrt(20_000)
    # the spread of 60 resamples is known to 1 in sqrt(120)
    assert error == pytest.approx(2 / np.sqrt(20_000), rel=5 / np.sqrt(120))


def test_peak_and_width_of_a_gaussian():
    values = np.random.default_rng(2).normal(0.5, 0.05, 400_000)
    peak, width = checks.peak_and_width(values)
    assert peak == pytest.approx(0.5, abs=0.01)
    assert width == pytest.approx(2.3548 * np.hypot(0.05, 0.008), rel=0.02)


def test_rank_correlation_of_moving_sums():
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(300, 101))
    # Neighbours that share one of two normal terms: Pearson 1/2, Spearman 6/pi asin(1/4).
    slices = noise[:, 1:] + noise[:, :-1]
    assert checks.rank_correlation(slices, 1) == pytest.approx(0.4826, abs=0.03)
    assert checks.rank_correlation(slices, 2) == pytest.approx(0.0, abs=0.03)


def test_radius_holding_90_of_an_even_disc():
    # energy even up to 50 cm in radius (per bin, not per area): 90 % within 45 cm
    radial = np.zeros((1, len(observe.RADIUS_BINS_CM) - 1))
    radial[0, :100] = 1.0
    assert checks.radius_holding_90(radial) == pytest.approx(45.0)


def test_shower_shape_finds_the_maximum_of_a_gamma_distribution():
    # shape 3.5 and scale 2 have their mode at (3.5 - 1) * 2 = 5
    depth = np.random.default_rng(4).gamma(3.5, 2.0, 100_000)
    profile = np.histogram(depth, observe.DEPTH_BINS_X0)[0][None, :]
    maximum, shape = checks.shower_shape(profile)
    assert maximum == pytest.approx(5.0, abs=0.1)
    assert shape(np.array([5.0])) == pytest.approx(0.1220, abs=0.003)


def test_command_tells_bad_input_in_one_sentence(tmp_path, capsys):
    (tmp_path / "report").touch()
    assert main(["--out", str(tmp_path / "report")]) == 1
    told = capsys.readouterr().err
    assert told == f"physics: {tmp_path}/report: can't be written into: is not a folder\n"
