"""Recipes: gains by hand, changes do not stay in the baseline, runs continue."""

import sys
from pathlib import Path

import pandas as pd
import pytest
from toy import make_events, make_events_file

import baseline.model

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from recipes import ALL, CHANGES, PRESET, main, table, train_and_score


def runs(*rows):
    """A table of runs from recipe, seed and acc_mean."""
    frame = pd.DataFrame(rows, columns=["recipe", "seed", "acc_mean"])
    return frame.assign(epochs=2.0, acc_at_50=0.5, acc_at_80=0.6)


def test_gains_and_their_uncertainty_by_hand():
    rows = [(PRESET, 1, 0.90), (PRESET, 2, 0.92)]
    rows += [("8 views", 1, 0.91), ("8 views", 2, 0.93)]
    # Gains of 2 and 0 points: 1, with a standard error of sqrt(2) / sqrt(2); pooled with one of 0.
    rows += [("depth 4", 1, 0.92), ("depth 4", 2, 0.92)]
    rows += [("8 filters", 1, 0.89), ("8 filters", 2, 0.91)]
    assert table(runs(*rows)).splitlines()[2:] == [
        f"| {PRESET} | 2.0 | 0.9100 | 0.5000 | 0.6000 |  |",
        "| depth 4 | 2.0 | 0.9200 | 0.5000 | 0.6000 | +1.00 ± 0.71 |",
        "| 8 filters | 2.0 | 0.9000 | 0.5000 | 0.6000 | -1.00 ± 0.71 |",
        "| 8 views | 2.0 | 0.9200 | 0.5000 | 0.6000 | +1.00 ± 0.00 |",
    ]


def test_one_seed_shows_no_uncertainty():
    assert "+1.00 ± nan" in table(runs((PRESET, 1, 0.90), ("depth 4", 1, 0.91)))


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    path = tmp_path_factory.mktemp("events") / "events.h5"
    make_events_file(path, make_events(3, cycle=2, n_voxels=(30, 40)), kind="train", cycle=2)
    return path


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_trains_and_leaves_the_baseline_as_it_was(name, events):
    before = baseline.model.input_features
    epochs = dict.fromkeys(ALL, 1.0)
    rows = train_and_score(name, 1, epochs=epochs, train=events, test=events, n_events=2)
    assert (rows[0]["recipe"], rows[0]["seed"]) == (name, 1)
    assert all(0 <= row["acc_mean"] <= 1 for row in rows)
    assert baseline.model.input_features is before
    extra = ["weights of the last step", "8 views", "24 views"] if name == PRESET else []
    assert [row["recipe"] for row in rows[1:]] == extra


def test_finished_trainings_are_not_repeated(events, tmp_path, capsys):
    """At equal CPU time, with costs that were measured before."""
    (tmp_path / "costs.csv").write_text("recipe,ms_per_event\n2 blocks,10\n1 block,5\n")
    kept = "recipe,seed,epochs,cpu_seconds,acc_at_80,acc_at_50,acc_mean\n"
    kept += "2 blocks,1,1.0,1,0.7,0.6,0.5\n1 block,1,2.0,1,0.8,0.7,0.6\n"
    (tmp_path / "runs.csv").write_text(kept)
    call = ["--train", str(events), "--test", str(events), "--only", "1 block", "--seeds", "1"]
    assert main([*call, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "runs.csv").read_text() == kept
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| 2 blocks | 10.0 | 1.0 | 0.5000 | 0.6000 | 0.7000 |  |",
        "| 1 block | 5.0 | 2.0 | 0.6000 | 0.7000 | 0.8000 | +10.00 ± nan |",
    ]
