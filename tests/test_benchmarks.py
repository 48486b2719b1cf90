"""Benchmarks that score networks on fresh events: figures by hand, and tables in the texts."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from toy import labels, make_events, offsets

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.events import EventWriter
from lartpc_challenge.submission.forms import write_submission

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import fill  # noqa: E402
import left_to_win  # noqa: E402
import literature  # noqa: E402


def test_the_oracle_tosses_coins_where_two_classes_are_alike():
    """A share of 0.4 lies one standard error below one half: 15.87 % are wrong. Of 40,000 voxels,
    four standard deviations are at most 1 %."""
    share = np.repeat([0.0, 0.4, 0.5], 40_000)
    right = left_to_win.oracle(share, np.random.default_rng(1)).reshape(3, -1).mean(axis=1)
    assert right == pytest.approx([1, 0.8413, 0.5], abs=0.01)


def test_smallest_differences_are_those_of_the_normal_distribution():
    """Submissions that share half of the variance: their difference has the variance of one. The
    bootstrap's own spread is 1.6 %, that of the standard deviation of 4,000 events 1.1 %."""
    rng = np.random.default_rng(2)
    of_event = 0.9 + 0.01 * (rng.normal(size=4000) + rng.normal(size=(2, 4000))) / np.sqrt(2)
    rows = left_to_win.smallest_differences(of_event, {"full": 2000, "demonstration": 200})
    found = {name: float(text.split()[2]) for name, text in rows.items()}
    one = 1.96 / np.sqrt(2000)
    assert list(found.values()) == pytest.approx(
        [one, one * np.sqrt(2), one * np.sqrt(10), one * np.sqrt(20)], rel=0.1
    )
    assert [name.split(", ")[1:] for name in rows][:2] == [
        ["full hidden board", "paired"], ["full hidden board", "unpaired"]
    ]  # fmt: skip


@pytest.fixture
def simulated(tmp_path):
    """Two events of cycle 2 with ten voxels each, half of them shared by 0.4, and a submission that
    is wrong in two of the shared ones of the first event and in one other of the second."""
    events = make_events(2, cycle=2, n_voxels=(10, 11))
    path, submission = tmp_path / "simulated.h5", tmp_path / "submission.zip"
    share = np.repeat([0.4, 0.0], 5).astype(np.float32)
    columns = {"second_share": np.float32}
    with EventWriter(path, kind="simulation", cycle=2, scale="full", columns=columns) as writer:
        for event in events:
            writer.append(event, second_share=share)
    pred = labels(events)
    for wrong in (0, 1, 19):
        pred[wrong] = pred[wrong] % 3 + 1
    ids = np.array([event.event_id for event in events])
    write_submission(submission, ids, offsets(events), pred)
    return path, submission


def test_errors_by_share_of_a_second_class(simulated, tmp_path):
    out = tmp_path / "left"
    call = ["--run", *map(str, (*simulated, simulated[1])), "--out", str(out)]
    assert left_to_win.main(call) == 0
    ambiguity = (out / "ambiguity.md").read_text()
    rows = dict(line.strip("| \n").split(" | ") for line in ambiguity.splitlines()[2:])
    assert rows["35 to 50 %: of the voxels"] == "50.0 %"
    assert rows["35 to 50 %: points lost"].startswith("10.00 (")
    assert rows["one class alone: points lost"] == "5.00 (0.00)"
    left = (out / "left.md").read_text()
    assert "| the network: acc_at_80, acc_at_50, acc_mean | 0.8800, 0.8500, 0.8500 |" in left
    # Two equal submissions never differ.
    assert "full hidden board, paired | 0.000, 0.000, 0.000 (5,000) |" in left


def test_figures_of_each_class_by_hand(simulated, tmp_path):
    path, submission = map(str, simulated)
    call = ["--run", submission, path, "by hand", "--out", str(tmp_path / "out")]
    assert literature.main(call) == 0
    text = (tmp_path / "out/literature.md").read_text()
    overview = text.splitlines()[2]
    assert overview.startswith("| 2 three_classes, by hand | 2 | 0.8500 | 0.8500 | ")
    assert "#### 2 three_classes, by hand" in text


def test_a_table_of_classes():
    confusion = np.array([[0, 0, 0], [0, 30, 10], [0, 20, 140]])
    header, _, first, second = literature.classes_table(confusion, CYCLES[1]).splitlines()
    assert header.startswith("|  | of the voxels | taken for electron/positron | taken for other |")
    # F1 = 60 / (50 + 40), IoU = 30 / 60.
    assert first.endswith(" 20.0 % | 75.0 % | 25.0 % | 75.0 % | 60.0 % | 66.7 % | 50.0 % |")
    assert second.startswith("| other | 80.0 % | 12.5 % | 87.5 % |")


def test_texts_show_the_tables_of_the_results():
    for path in fill.TEXTS:
        text = path.read_text(encoding="utf-8")
        assert fill.filled(text) == text
        assert text.count("python benchmarks/fill.py writes this") > 0


def test_only_what_stands_between_marks_is_replaced(tmp_path):
    (tmp_path / "a.md").write_text("new\n")
    begin, end = "<!-- begin a.md: python benchmarks/fill.py writes this -->\n", "<!-- end a.md -->"
    text = f"before\n{begin}old\n{end}\nafter\n"
    assert fill.filled(text, tmp_path) == f"before\n{begin}new\n{end}\nafter\n"
