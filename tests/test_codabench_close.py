"""The command close writes final boards, irregularities and a bundle of the open benchmark."""

from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import codabench_toy as toy
import pytest
import yaml
from tiny import make_tiny

from organizer.codabench.backup import Backup
from organizer.codabench.benchmark import write_benchmark
from organizer.codabench.bundle import read_bundle
from organizer.codabench.close import as_markdown, fact_sheets, final_report, write_report
from organizer.codabench.submissions import read_submission
from organizer.competition import read_competition
from organizer.source import Source

END = datetime(2027, 1, 7, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_tiny(tmp_path_factory.mktemp("data"), scale="demonstration", baseline=False)


class Kept:
    """A backup to which tests add submissions."""

    def __init__(self, folder: Path, tiny) -> None:
        self.backup, self.tiny = Backup(folder), tiny

    def add(self, owner, phase, scores, rates, *, day=5, seed=2, deleted="", sheet=None) -> int:
        number = len(self.backup.submissions) + 1
        name = f"{owner}/cycle1/{number:06d}_a.zip"
        path = self.tiny.submit(self.backup.folder / name, 1, rates, seed)
        columns = ("acc_at_80", "acc_at_50", "acc_mean")
        self.backup.submissions[str(number)] = {
            "id": number,
            "phase": phase,
            "phase_number": phase,
            "phase_name": f"phase {phase}",
            "owner": owner,
            "created_when": f"2027-01-{day:02d}T12:00:00Z",
            "status": "Finished",
            "status_details": None,
            "filename": "a.zip",
            "on_leaderboard": True,
            "scores": [
                {"column_key": key, "score": f"{value:.10f}"} for key, value in zip(columns, scores)
            ],
            "fact_sheet_answers": sheet,
            "file": name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "deleted": deleted,
        }
        return number


@pytest.fixture
def kept(tmp_path, tiny):
    return Kept(tmp_path / "backup", tiny)


def report(kept: Kept, shown=None):
    source = Source.of(read_competition(), kept.tiny.folder)
    phases = source.competition.phases
    return final_report(kept.backup, phases, source, shown or {}, {n: END for n in (1, 3, 5)})


PERFECT, HALF = [0.0] * 6, [0.5] * 6
ONES, HALVES = (1, 1, 1), (0.5, 0.5, 0.5)


def test_final_boards_hold_each_participant_once_with_our_scores(kept):
    kept.add("ada", 1, HALVES, HALF)
    kept.add("ada", 1, ONES, PERFECT)
    kept.add("bob", 1, HALVES, HALF, seed=3)
    (public, hidden), _ = report(kept)
    for board in (public, hidden):
        assert [(row.participant, row.scores["acc_mean"]) for row in board.rows] == [
            ("ada", 1.0),
            ("bob", 0.5),
        ]


def test_what_the_server_shows_otherwise_is_told(kept):
    ada = kept.add("ada", 1, ONES, PERFECT)
    kept.add("bob", 1, HALVES, HALF)
    right = read_submission(kept.backup.submissions[str(ada)])
    wrong = dataclasses.replace(right, owner="bob", scores={"acc_at_80": Decimal(1)})
    eve = dataclasses.replace(right, owner="eve")
    _, found = report(kept, {1: [right, wrong], 2: [right, eve]})
    assert found.differences == [
        "Public 1: bob has other scores on the server's board",
        "Private 1: bob is missing on the server's board",
        "Private 1: eve is only on the server's board",
    ]


def test_uploads_where_none_belong_are_told_and_reruns_are_not(kept):
    kept.add("ada", 1, HALVES, HALF)
    kept.add("ada", 2, HALVES, HALF)  # the moved one: the same file
    kept.add("ada", 1, HALVES, HALF, day=9)  # a rerun after the end: the same file
    kept.add("bob", 1, ONES, PERFECT, day=9)
    kept.add("eve", 2, ONES, PERFECT, day=6)
    _, found = report(kept)
    assert [sentence.split(",")[0] for sentence in found.uploads] == [
        "Public 1: submission 4 of bob",
        "Private 1: submission 5 of eve",
    ]


def test_identical_predictions_of_different_participants_are_told(kept):
    kept.add("ada", 1, HALVES, HALF)
    kept.add("ada", 1, HALVES, HALF)
    kept.add("bob", 1, HALVES, HALF)
    kept.add("eve", 1, HALVES, HALF, seed=5)
    _, found = report(kept)
    assert found.identical == ["Public 1: ada (submission 1), bob (submission 3)"]


def test_deleted_submissions_are_listed_and_do_not_count(kept):
    kept.add("ada", 1, ONES, PERFECT, deleted="2027-01-06 10:00")
    kept.add("ada", 1, HALVES, HALF)
    (public, _), found = report(kept)
    assert public.rows[0].scores["acc_mean"] == 0.5
    assert found.deleted == ["submission 1 of ada, phase 1, 1, 1, 1: 2027-01-06 10:00"]


def test_report_shows_what_people_typed_as_text(kept, tmp_path):
    sheet = {"method": "<script>alert(1)</script> | a|b\n# big", "team": "*us*"}
    kept.add("ada", 1, ONES, PERFECT, sheet=sheet)
    made, found = report(kept)
    text = as_markdown("Seven words", made, found, fact_sheets(kept.backup))
    write_report(tmp_path / "out", "Seven words", text, made)
    page = (tmp_path / "out" / "close.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; | a|b # big" in page
    assert "*us*" in page
    assert "<td>ada</td>" in page
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "close.md",
        "close.html",
        "boards.csv",
    }
    assert all(p.stat().st_mode & 0o077 == 0 for p in (tmp_path / "out").iterdir())


def test_benchmark_bundle_has_one_phase_without_an_end(tmp_path):
    bundle = read_bundle(toy.write_bundle(tmp_path / "dist"), toy.parsed())
    truth = tmp_path / "dist" / "hidden_references" / "reference_phase4.zip"
    path = write_benchmark(bundle, bundle.phase(4), truth, END, tmp_path / "benchmark.zip")
    with zipfile.ZipFile(path) as archive:
        competition = yaml.safe_load(archive.read("competition.yaml"))
        assert archive.read("reference_phase4.zip") == truth.read_bytes()
        named = yaml.safe_dump(competition)
        assert [name for name in archive.namelist() if name not in named] == ["competition.yaml"]
    (phase,) = competition["phases"]
    assert "end" not in phase
    assert phase["start"] == "2027-01-07 00:00"
    assert competition["competition_type"] == "benchmark"
    (task,) = competition["tasks"]
    assert phase["tasks"] == [task["index"]]
    assert task["reference_data"] == "reference_phase4.zip"
    made = read_bundle(path, toy.parsed())
    assert [(phase.name, phase.cycle.number) for phase in made.phases] == [("Benchmark 2", 2)]
