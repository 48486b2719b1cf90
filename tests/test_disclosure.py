"""Probes of one voxel, alone and with others, learn nothing from a page."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import toy

from lartpc_challenge.disclosure import OWN, PUBLIC
from lartpc_challenge.page.report import page
from lartpc_challenge.reference import read_reference
from lartpc_challenge.scoring import score

N_EVENTS = 400
PUBLIC_EVENTS = range(0, N_EVENTS, 2)


@pytest.fixture(scope="module")
def events():
    return toy.make_events(N_EVENTS, cycle=2, n_voxels=(150, 300), seed=6)


@pytest.fixture(scope="module")
def reference(events, tmp_path_factory):
    path = tmp_path_factory.mktemp("disclosure") / "r.h5"
    toy.make_reference(path, events, phase=3, scored=PUBLIC_EVENTS, scale="full")
    return read_reference(path)


@pytest.fixture(scope="module")
def truth(events):
    return toy.labels(events)


def shown(reference, pred) -> str:
    return page(score(reference, pred))


def probes(events, n: int, seed: int) -> list:
    """(event, voxel in the file, label): n of public and n of hidden events, right and wrong."""
    rng, start = np.random.default_rng(seed), toy.offsets(events)
    chosen = [*rng.choice(N_EVENTS // 2, n) * 2, *(rng.choice(N_EVENTS // 2, n) * 2 + 1)]
    return [(i, rng.integers(start[i], start[i + 1]), label) for i in chosen for label in (1, 2, 3)]


def test_a_voxel_alone_tells_nothing(events, reference, truth):
    """Pages are equal for every label of the voxel, in a public and in a hidden event."""
    nothing = np.zeros_like(truth)
    expected, seen = shown(reference, nothing), set()
    for event, voxel, label in probes(events, 20, seed=1):
        pred = nothing.copy()
        pred[voxel] = label
        assert shown(reference, pred) == expected
        seen.add((event % 2, truth[voxel] == label))
    assert len(seen) == 4


def test_the_dash_of_precision_tells_nothing(events, reference, truth):
    """The ballast is one voxel short of what precision wants: whatever the voxel added is, the page
    has a number then. Here all ballast lies in hidden events, which a participant doesn't know:
    even so the number doesn't tell whether the voxel is right, or public."""
    start = toy.offsets(events)
    ballast = np.zeros_like(truth)
    for i in range(1, N_EVENTS, 2):
        ballast[start[i] : start[i] + 50] = 1
    assert np.count_nonzero(ballast) > PUBLIC.predicted
    extra = np.flatnonzero(ballast)[PUBLIC.predicted - 1 :]
    ballast[extra] = 0
    assert math.isnan(score(reference, ballast).details.precision[0])
    free = [probe for probe in probes(events, 15, seed=2) if not ballast[probe[1]]]
    pages, seen = set(), set()
    for event, voxel, label in free:
        if label == 1:
            pred = ballast.copy()
            pred[voxel] = 1
            assert score(reference, pred).details.precision[0] == 0
            pages.add(shown(reference, pred))
            seen.add((event % 2, truth[voxel] == 1))
    assert len(pages) == 1
    assert len(seen) == 4


def numbers(value):
    """Return all figures of a page that do not follow from others; NaN as -1."""
    if isinstance(value, dict):
        return [n for key, item in value.items() if key not in DERIVED for n in numbers(item)]
    if isinstance(value, (list, tuple)):
        return [n for item in value for n in numbers(item)]
    return [-1.0 if math.isnan(value) else value]


DERIVED = ("intervals", "quantiles", "histogram")


@pytest.mark.parametrize("label", [1, 2, 3])
def test_a_voxel_with_ballast_moves_no_figure_by_more_than_a_last_digit(
    events, reference, truth, label
):
    """A change of half a digit changes a printed figure by one digit at most.

    The ballast is of one class, just enough for its precision to be shown, and random.
    """
    rng, start = np.random.default_rng(label), toy.offsets(events)
    within = np.arange(len(truth)) - np.repeat(start[:-1], np.diff(start))
    just_enough = np.where(within < 1 + PUBLIC.predicted // N_EVENTS, label, 0).astype(np.uint8)
    at_random = toy.degrade(events, rng.beta(1, 3, N_EVENTS), n_labels=4)
    for ballast in (just_enough, at_random):
        before = dataclasses.asdict(score(reference, ballast).details)
        assert not math.isnan(before["precision"][label - 1])
        for _, voxel, other in probes(events, 10, seed=label):
            pred = ballast.copy()
            pred[voxel] = other
            after = dataclasses.asdict(score(reference, pred).details)
            for name, digit in DIGITS.items():
                moved = np.subtract(numbers(after[name]), numbers(before[name]))
                assert np.abs(moved).max() <= digit + 1e-9, name


# 200 events: shares of them come in steps of 0.01, one event moves them by half of that.
DIGITS = {
    **dict.fromkeys(("confusion", "recall", "precision", "iou", "macro_f1", "mean_iou"), 0.001),
    **dict.fromkeys(("by_energy", "by_voxels", "class_share"), 0.001),
    "cumulative": 0.01,
}


def test_intervals_and_quantiles_follow_from_what_is_printed(events, reference):
    """They are computed from the page's own numbers, by interpolation in the distribution."""
    pred = toy.degrade(events, np.random.default_rng(3).beta(2, 5, N_EVENTS), n_labels=4)
    scores = score(reference, pred)
    details = scores.details
    edges = np.arange(51) / 50
    # Where each share is first reached: the curve is flat where no event lies.
    steps, first = np.unique([0, *details.cumulative], return_index=True)

    def accuracy_at(share):
        i = np.searchsorted(steps, share)
        part = (share - steps[i - 1]) / (steps[i] - steps[i - 1])
        return edges[first[i] - 1] + part * 0.02

    for percent in (5, 20):
        assert details.quantiles[percent] == pytest.approx(accuracy_at(percent / 100), abs=6e-4)
    for name, rank in (("acc_at_80", 0.8), ("acc_at_50", 0.5)):
        width = 1.96 * math.sqrt(rank * (1 - rank) / 200)
        low, middle, high = accuracy_at([rank - width, rank, rank + width])
        centre = scores.leaderboard[name] - middle
        assert details.intervals[name] == pytest.approx((centre + low, centre + high), abs=6e-4)
    mean = np.dot(details.histogram, edges[:-1] + 0.01)
    error = math.sqrt(np.dot(details.histogram, (edges[:-1] + 0.01 - mean) ** 2) / 200)
    centre = scores.leaderboard["acc_mean"]
    expected = (centre - 1.96 * error, centre + 1.96 * error)
    assert details.intervals["acc_mean"] == pytest.approx(expected, abs=6e-4)


# ---- the bound


@pytest.mark.parametrize(
    ("n_events", "step"), [(200, 0.01), (199, 0.02), (2000, 0.001), (5000, 0.001), (1999, 0.002)]
)
def test_an_event_is_at_most_half_a_step_of_a_share(n_events, step):
    counts = np.arange(n_events + 1)
    shares = PUBLIC.event_shares(counts, n_events)
    assert sorted(set(np.diff(shares).round(6))) == [0, step]
    assert step >= 2 / n_events
    assert np.abs(shares - counts / n_events).max() <= step / 2 + 1e-12
    # One event can't be told from none, nor all but one from all.
    assert shares[[0, 1, -2, -1]].tolist() == [0, 0, 1, 1]


def test_shares_of_events_of_ones_own_are_rounded_to_a_tenth_of_a_percent():
    assert OWN.event_shares(np.array([0, 1, 2, 3]), 3).tolist() == [0, 0.333, 0.667, 1]


@pytest.mark.parametrize(
    ("counts", "holds"),
    [
        ([[100]] * 25, True),  # enough voxels of enough events
        ([[100]] * 24 + [[99]], False),
        ([[1_000_000]] * 24, False),  # one event counts for 100 at most
        ([[50]] * 50, True),
    ],
)
def test_voxels_of_enough_events_must_be_behind_a_figure(counts, holds):
    assert (PUBLIC.capped(np.array(counts)) >= PUBLIC.voxels).tolist() == [holds]


def test_a_voxel_moves_the_mean_of_f1_by_at_most_half_of_its_last_digit():
    """Two classes with the fewest allowed voxels, and the worst predictions for them."""
    n, worst = PUBLIC.voxels, 0

    def f1(right, predicted):
        return 2 * right / (n + predicted)

    shares = (0, 1, 10, n // 3, n // 2, n - 1)
    for right, other_right in itertools.product(shares, shares):
        for wrong, other_wrong in itertools.product((1, 100, n), repeat=2):
            # A voxel of the first class: taken for the other one before, rightly predicted after.
            before = f1(right, right + wrong) + f1(other_right, other_right + other_wrong)
            after = f1(right + 1, right + wrong + 1) + f1(
                other_right, other_right + other_wrong - 1
            )
            worst = max(worst, abs(after - before) / 2)
    assert 0.0002 < worst <= 0.0005
