"""What helped: gains by hand, variants do not change the baseline, runs continue."""

import sys
from pathlib import Path

import pytest
from toy import make_events, make_events_file

import baseline.model

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from what_helped import RECIPE, VARIANTS, measure, table, train_and_score


def test_gains_and_their_uncertainty_by_hand():
    rows = [(RECIPE, 1, 0.90), (RECIPE, 2, 0.92)]
    rows += [("8 views", 1, 0.91), ("8 views", 2, 0.93)]
    # Gains of 2 and 0 points: 1, with a standard error of sqrt(2) / sqrt(2); pooled with one of 0.
    rows += [("depth 4", 1, 0.92), ("depth 4", 2, 0.92)]
    rows += [("8 filters", 1, 0.89), ("8 filters", 2, 0.91)]
    assert table(rows).splitlines()[2:] == [
        f"| {RECIPE} | 0.9100 |  |",
        "| 8 views | 0.9200 | +1.00 ± 0.00 |",
        "| depth 4 | 0.9200 | +1.00 ± 0.71 |",
        "| 8 filters | 0.9000 | -1.00 ± 0.71 |",
    ]


def test_one_seed_shows_no_uncertainty():
    assert "+1.00 ± nan" in table([(RECIPE, 1, 0.90), ("depth 4", 1, 0.91)])


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    path = tmp_path_factory.mktemp("events") / "events.h5"
    make_events_file(path, make_events(3, cycle=2, n_voxels=(30, 40)), kind="train", cycle=2)
    return path


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_trains_and_leaves_the_baseline_as_it_was(name, events):
    before = baseline.model.input_features
    budget = {"n_events": 2, "epochs": 1, "views": (2,)}
    rows = train_and_score(name, 1, train=events, test=events, **budget)
    assert rows[0][:2] == (name, 1)
    assert all(0 <= acc_mean <= 1 for _, _, acc_mean in rows)
    assert baseline.model.input_features is before


def test_finished_trainings_are_not_repeated(tmp_path):
    runs = tmp_path / "runs.csv"
    runs.write_text("variant,seed,acc_mean\nthe recipe,1,0.5\n", encoding="utf-8")
    assert measure([RECIPE], 1, 1, tmp_path, train=None, test=None) == [(RECIPE, 1, 0.5)]
