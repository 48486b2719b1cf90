"""The leaderboard: Codabench's order and migration, and the statistics."""

import csv
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import toy
from calls import ROOT, call
from damage import edited
from tiny import make_tiny

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.format import METRICS
from lartpc_challenge.reference import Manifest
from organizer.leaderboard.__main__ import find_submissions, main, read_submissions
from organizer.leaderboard.boards import boards, paired_lead, readable, resample
from organizer.leaderboard.tables import as_cell, as_frame, as_text
from organizer.source import Source

PERFECT, BAD = [0.0] * 6, [0.5] * 6


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_tiny(tmp_path_factory.mktemp("data"), scale="demonstration", baseline=False)


def submit(tiny, folder, participant, name, error_rates, uploaded=0, cycle=1, seed=2):
    path = tiny.submit(folder / participant / f"cycle{cycle}" / name, cycle, error_rates, seed)
    os.utime(path, (uploaded, uploaded))
    return path


def ranked(tiny, folder, cycle=1):
    """The public and the hidden board of a cycle."""
    refused = []
    source = Source.of(toy.COMPETITION, tiny.folder)
    found = find_submissions(folder, CYCLES[cycle])
    manifest = Manifest.from_events(source.test(CYCLES[cycle]))
    submissions = read_submissions(found, manifest, refused)
    assert refused == []
    return boards(submissions, CYCLES[cycle], source)


def names(board):
    return [row.participant for row in board.rows]


# ---- Codabench's order


def test_ranked_by_the_columns_in_their_order(tiny, tmp_path):
    """Public events have even places. With A of three events sorted a <= b <= c, the scores are
    acc_at_80 = b + 0.6 (c - b), acc_at_50 = b, acc_mean = (a + b + c) / 3.

    first:  0.5 0.5 1.0 -> 0.80, 0.50         second: 0.5 0.8 0.8 -> 0.80, 0.80
    third:  0.6 0.8 0.8 -> 0.80, 0.80, 0.733  fourth: 0.0 0.0 0.9 -> 0.54
    """
    submit(tiny, tmp_path, "first", "a.zip", [0.5, 0, 0.5, 0, 0, 0])
    submit(tiny, tmp_path, "second", "a.zip", [0.5, 0, 0.2, 0, 0.2, 0])
    submit(tiny, tmp_path, "third", "a.zip", [0.4, 0, 0.2, 0, 0.2, 0])
    submit(tiny, tmp_path, "fourth", "a.zip", [1, 0, 1, 0, 0.1, 0])
    public, _ = ranked(tiny, tmp_path)
    assert names(public) == ["third", "second", "first", "fourth"]
    assert public.rows[0].scores == {"acc_at_80": 0.8, "acc_at_50": 0.8, "acc_mean": 0.7333}
    assert public.rows[3].scores["acc_at_80"] == 0.54
    assert not any(row.tied for row in public.rows)


def test_ties_go_to_the_earlier_upload_and_share_no_rank(tiny, tmp_path):
    """Codabench sorts by created_when last and numbers the lines."""
    for participant, uploaded in (("late", 30), ("early", 10), ("middle", 20)):
        submit(tiny, tmp_path, participant, "a.zip", BAD, uploaded)
    submit(tiny, tmp_path, "best", "a.zip", PERFECT, uploaded=99)
    for board in ranked(tiny, tmp_path):
        assert names(board) == ["best", "early", "middle", "late"]
        assert [row.rank for row in board.rows] == [1, 2, 3, 4]
        assert [row.tied for row in board.rows] == [False, False, True, True]


def test_the_best_submission_stands_on_the_board_and_moves_on(tiny, tmp_path):
    """bad.zip is worse in public and would be better in hidden: it must not move."""
    submit(tiny, tmp_path, "alice", "bad.zip", [0.5, 0.0] * 3, uploaded=2)
    submit(tiny, tmp_path, "alice", "good.zip", [0.1, 0.4] * 3, uploaded=1)
    public, hidden = ranked(tiny, tmp_path)
    assert [row.submission.rsplit("/", 1)[1] for row in public.rows] == ["good.zip"]
    assert public.rows[0].scores["acc_mean"] == 0.9
    assert [row.submission.rsplit("/", 1)[1] for row in hidden.rows] == ["good.zip"]
    assert hidden.rows[0].scores["acc_mean"] == 0.6


def test_of_equal_submissions_the_earlier_moves_on(tiny, tmp_path):
    submit(tiny, tmp_path, "alice", "z_first.zip", [0.5, 0.1] * 3, uploaded=1)
    submit(tiny, tmp_path, "alice", "a_second.zip", [0.5, 0.3] * 3, uploaded=2)
    _, hidden = ranked(tiny, tmp_path)
    assert hidden.rows[0].submission.endswith("z_first.zip")


# ---- statistics


def test_equal_entries_have_no_lead(tiny, tmp_path):
    for participant in ("alice", "bob"):
        submit(tiny, tmp_path, participant, "a.zip", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    for board in ranked(tiny, tmp_path):
        first, last = board.rows
        assert (first.lead, first.lead_interval, first.p) == (0, (0, 0), 1)
        assert (last.lead, last.lead_interval, last.p) == (None, None, None)
        for name in METRICS:
            low, high = first.intervals[name]
            assert low <= first.scores[name] <= high


def test_a_lead_in_every_event_is_certain():
    """Each event of the first entry is better by 0.1, so no resample can change the order."""
    accuracy = np.linspace(0.2, 0.8, 50)
    first, second = resample(np.stack([accuracy + 0.1, accuracy]))[0]
    lead = paired_lead(first, second)
    assert lead["p"] == 2 / 2001
    assert lead["lead_interval"] == pytest.approx((0.1, 0.1))


def test_a_paired_test_sees_what_two_intervals_hide():
    """Events differ far more than entries: intervals overlap, but pairs show the order."""
    rng = np.random.default_rng(5)
    accuracy = rng.uniform(0.2, 0.9, 400)
    pair = np.stack([accuracy + 0.02, accuracy + rng.normal(0, 0.01, 400)])
    first, second = resample(pair)[0]
    assert np.percentile(first, 2.5) < np.percentile(second, 97.5)
    assert paired_lead(first, second)["p"] < 0.01


def test_p_is_right_for_entries_of_equal_skill():
    """Under the null p < 0.05 happens in about one pair of twenty; more than 16 of 100 pairs has
    odds below 1 in 10,000 (binomial), however conservative a bootstrap of a percentile is."""
    rng = np.random.default_rng(11)
    wrong = 0
    for _ in range(100):
        shared = rng.uniform(0.3, 0.9, 100)
        pair = [np.clip(shared + rng.normal(0, 0.1, 100), 0, 1) for _ in range(2)]
        wrong += paired_lead(*resample(np.stack(pair), n_resamples=200)[0])["p"] < 0.05
    assert wrong <= 16


def test_intervals_of_the_mean_have_the_ends_of_the_normal_law():
    accuracy = np.random.default_rng(31).beta(8, 2, (2, 400))
    ends = np.percentile(resample(accuracy)[METRICS.index("acc_mean")], (2.5, 97.5), axis=-1)
    error = accuracy.std(axis=1) / np.sqrt(400)
    # Each end is a percentile of 2,000 draws and scatters by 0.06 of the error: 0.24 is four
    # standard deviations, for the seed fixed here.
    assert (ends - accuracy.mean(axis=1)) / error == pytest.approx(
        np.array([[-1.96] * 2, [1.96] * 2]), abs=0.24
    )


def test_resamples_are_the_same_each_time_and_for_whoever_is_on_the_board():
    """An entry's interval does not depend on others. With one event all resamples are equal."""
    accuracy = np.random.default_rng(32).beta(8, 2, (3, 50))
    drawn = resample(accuracy)
    assert drawn.shape == (3, 3, 2000)
    assert np.array_equal(drawn[:, :2], resample(accuracy[:2]))
    assert not np.array_equal(drawn, resample(accuracy, seed=1))
    assert (resample(np.array([[0.25], [0.5]]))[:, :, 7] == [[0.25, 0.5]] * 3).all()


def test_events_without_labelled_voxels_are_not_counted(tiny, tmp_path):
    submit(tiny, tmp_path / "all", "alice", "a.zip", PERFECT)
    folder = shutil.copytree(tiny.folder, tmp_path / "data")
    with edited(folder / "reference_data/phase1/reference.h5") as file:
        file["label"][: file["offset"][1]] = 0
    source, cycle = Source.of(toy.COMPETITION, folder), CYCLES[1]
    manifest = Manifest.from_events(source.test(cycle))
    submissions = read_submissions(find_submissions(tmp_path / "all", cycle), manifest, [])
    assert [board.n_events for board in boards(submissions, cycle, source)] == [2, 3]


# ---- names


NAMES = {
    "alice": "alice",
    "Zoë 中": "Zoë 中",
    "bad\udcff": r"bad\udcff",
    r"bad\udcff": r"bad\\udcff",
    "\x1b[31mred": r"\x1b[31mred",
    "two\nlines": r"two\nlines",
    "\u202eevil": r"\u202eevil",
    "=1+1": "=1+1",
    "nan": "nan",
}


def test_names_are_printable_and_no_two_are_alike():
    shown = {name: readable(name) for name in NAMES}
    assert shown == NAMES
    assert all(name.isprintable() for name in shown.values())


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@sum", "'=1+1"])
def test_no_cell_is_a_formula(name):
    assert as_cell(name) == f"'{name}"
    assert as_cell(f"a{name}") == f"a{name}"


def test_any_names_are_ranked_and_nobody_is_merged_or_lost(tiny, tmp_path):
    """This holds for every file that the command writes."""
    folder = tmp_path / "all"
    for i, name in enumerate(NAMES):
        submit(tiny, folder, name, f"{name}.ZIP", [0.02 * i] * 6, uploaded=i)
    for name in ("one", "two"):  # links to folders that are both called team
        team = tmp_path / name / "team"
        submit(tiny, team.parent, "team", "a.zip", BAD)
        (folder / name).symlink_to(team)
    (folder / "notes.txt").write_text("not a participant")
    (folder / "gone").symlink_to(tmp_path / "nowhere")
    (folder / "alice/cycle1/dangling\x1b.zip").symlink_to(tmp_path / "nowhere")
    done = call(main, folder, "--data", tiny.folder, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    everybody = {*NAMES.values(), "one", "two"}
    text = (tmp_path / "out/leaderboard.txt").read_text(encoding="utf-8")
    assert set(filter(lambda c: not c.isprintable(), text)) == {"\n"}
    assert r"dangling\x1b.zip: " in text.split("Refused:")[1]
    for name in everybody:
        assert sum(name in line.split("0.")[0] for line in text.splitlines()) >= 2, name
    with open(tmp_path / "out/leaderboard.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    for phase in ("Public 1", "Private 1"):
        named = [line["participant"] for line in lines if line["phase"] == phase]
        assert sorted(named) == sorted({as_cell(name) for name in everybody})
    html = (tmp_path / "out/leaderboard.html").read_text(encoding="utf-8")
    root = ET.fromstring(html.split("\n", 1)[1])
    heads = [cell.text for cell in root.findall(".//tbody/tr/th")]
    assert sorted(heads) == sorted(2 * list(everybody))


def test_one_participant_is_called_as_the_link_to_the_folder_is(tiny, tmp_path):
    submit(tiny, tmp_path, "team", "a.zip", PERFECT)
    (tmp_path / "alice").symlink_to(tmp_path / "team")
    assert list(find_submissions(tmp_path / "alice", CYCLES[1])) == ["alice"]


def test_a_participant_may_be_called_cycle1(tiny, tmp_path):
    for participant in ("cycle1", "bob"):
        submit(tiny, tmp_path, participant, "a.zip", PERFECT)
    assert list(find_submissions(tmp_path, CYCLES[1])) == ["bob", "cycle1"]


def test_the_table_is_a_data_frame(tiny, tmp_path):
    submit(tiny, tmp_path, "alice", "a.zip", PERFECT)
    submit(tiny, tmp_path, "bob", "a.zip", BAD)
    frame = as_frame(ranked(tiny, tmp_path))
    best = frame[frame["rank"] == 1].set_index("phase")
    assert best.loc["Public 1", "participant"] == "alice"
    assert best.loc["Private 1", "lead"] == 0.5
    assert frame["lead_p"].isna().tolist() == [False, True] * 2


def test_what_is_wrong_with_a_refused_submission_stands_below_its_name():
    assert as_text([], ["a.zip: one\ntwo", "b.zip: three"]) == (
        "Refused:\n  a.zip: one\n    two\n  b.zip: three\n"
    )


# ---- the command


def test_the_command_writes_text_csv_and_page(tiny, tmp_path):
    for cycle in (1, 2, 3):
        submit(tiny, tmp_path / "all", "alice", "a.zip", PERFECT, 1, cycle)
        submit(tiny, tmp_path / "all", "<b>ob", "a.zip", BAD, 2, cycle)
    (tmp_path / "all/carol/cycle1").mkdir(parents=True)
    (tmp_path / "all/carol/cycle1/broken.zip").write_bytes(b"PK\x03\x04 broken")
    command = [sys.executable, "-m", "organizer.leaderboard", tmp_path / "all"]
    command += ["--data", tiny.folder, "--out", tmp_path / "out"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out/leaderboard.txt").read_text(encoding="utf-8")
    assert text in done.stdout
    boards_named = [f"{kind} {cycle}" for cycle in (1, 2, 3) for kind in ("Public", "Private")]
    for name in boards_named:
        assert f"{name}, 3 events" in text
    assert "carol/cycle1/broken.zip: " in text.split("Refused:")[1]

    with open(tmp_path / "out/leaderboard.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["phase"] for line in lines] == [name for name in boards_named for _ in range(2)]
    assert [line["participant"] for line in lines] == ["alice", "<b>ob"] * 6
    for line in lines:
        assert [float(line[name]) for name in METRICS] == [1.0 if line["rank"] == "1" else 0.5] * 3
        assert float(line["acc_mean_low"]) <= float(line["acc_mean"])
    assert float(lines[0]["lead"]) == 0.5
    assert lines[1]["lead"] == ""

    page = (tmp_path / "out/leaderboard.html").read_text(encoding="utf-8")
    root = ET.fromstring(page.split("\n", 1)[1])
    assert len(root.findall(".//table")) == 6
    heads = [cell.text for cell in root.findall(".//tbody/tr/th")]
    assert heads == ["alice", "<b>ob"] * 6
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_one_participants_folder_serves_too(tiny, tmp_path):
    submit(tiny, tmp_path, "alice", "a.zip", PERFECT)
    done = call(main, tmp_path / "alice", "--data", tiny.folder, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "1 alice" in done.stdout


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [
        ("gone", "gone: no such folder"),
        ("empty", "empty: holds no submission that can be scored; give a folder with"),
    ],
)
def test_the_command_ends_with_a_sentence(tiny, tmp_path, folder, sentence):
    (tmp_path / "empty").mkdir()
    done = call(main, tmp_path / folder, "--data", tiny.folder, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
