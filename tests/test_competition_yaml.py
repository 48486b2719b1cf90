"""The rules for competition.yaml of both platforms, each with a violation."""

import copy
import re
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from lartpc_challenge.format import METRICS, ChallengeError
from organizer.bundle.codalab import html_name, to_codalab
from organizer.bundle.dates import default_start, dumped, moved
from organizer.bundle.rules import (
    codabench_files,
    codabench_problems,
    codalab_problems,
    example_problems,
)
from organizer.competition import parse_competition, read_competition

PATH = Path(__file__).parent.parent / "competition.yaml"
VERSION_LINE = PATH.read_text(encoding="utf-8").splitlines().index("version: 2") + 1
READ = read_competition(PATH)
COMPETITION, PHASES = READ.keys, READ.phases

# Columns of codalab-competitions c7ef5e28, apps/web/models.py, that a bundle may set; the yaml's
# keys go into these models as they are.
CODALAB_COMPETITION = {
    "title",
    "description",
    "image",
    "has_registration",
    "end_date",
    "competition_docker_image",
    "enable_detailed_results",
    "force_submission_to_leaderboard",
}
CODALAB_PHASE = {
    "phasenumber",
    "label",
    "description",
    "start_date",
    "max_submissions",
    "max_submissions_per_day",
    "execution_time_limit",
    "scoring_program",
    "reference_data",
    "starting_kit",
    "public_data",
    "auto_migration",
    "leaderboard_management_mode",
    "force_best_submission_to_leaderboard",
    "color",
}


def files(competition):
    return codabench_files(competition)


def edited(**changes) -> dict:
    return {**copy.deepcopy(COMPETITION), **changes}


def with_phase(number: int, **changes) -> dict:
    competition = edited()
    competition["phases"][number - 1].update(changes)
    return competition


def without(number: int, key: str) -> dict:
    competition = edited()
    del competition["phases"][number - 1][key]
    return competition


def with_columns(edit) -> dict:
    competition = edited()
    edit(competition["leaderboards"][0]["columns"])
    return competition


# ---- the competition as it is tracked


def test_the_tracked_competition_has_no_problem():
    assert codabench_problems(COMPETITION, PHASES, files(COMPETITION)) == []
    codalab = to_codalab(COMPETITION, PHASES)
    html = [html_name(name) if name.endswith(".md") else name for name in files(COMPETITION)]
    assert codalab_problems(codalab, PHASES, html) == []


def test_it_is_filled_in_as_the_challenge_asks():
    assert COMPETITION["version"] == 2
    assert COMPETITION["docker_image"] == "codalab/codalab-legacy:py39"
    names = [phase["name"] for phase in COMPETITION["phases"]]
    assert names == [phase.name for phase in PHASES]
    assert [phase.cycle.number for phase in PHASES] == [1, 1, 2, 2, 3, 3]
    assert [phase.hidden for phase in PHASES] == [False, True] * 3
    assert names == ["Public 1", "Private 1", "Public 2", "Private 2", "Public 3", "Private 3"]
    columns = COMPETITION["leaderboards"][0]["columns"]
    assert [column["key"] for column in columns] == ["acc_at_80", "acc_at_50", "acc_mean"]
    assert [column["key"] for column in columns] == list(METRICS)
    assert {column["precision"] for column in columns} == {4}
    for scored, phase in zip(PHASES, COMPETITION["phases"]):
        assert phase.get("hide_output", False) == scored.hidden
        assert phase.get("auto_migrate_to_this_phase", False) == scored.hidden
        assert (phase["max_submissions"] == 1) == scored.hidden
        if not scored.hidden:
            assert phase["public_data"] == f"cycle{scored.cycle.number}_data.zip"


def test_the_cadence_is_that_of_2018():
    """Public 1 opens on day 0 at 00:00, Private 1 and 2 on days 3 and 6 at 01:00; phase 5 lasts
    until early October, some 54 days; a public phase follows its hidden one within the hour."""
    dates = {
        phase["name"]: [datetime.fromisoformat(phase[end]) for end in ("start", "end")]
        for phase in COMPETITION["phases"]
    }
    start = dates["Public 1"][0]
    assert start.time() == datetime.min.time()
    assert dates["Private 1"][0] - start == timedelta(days=3, hours=1)
    assert dates["Private 2"][0] - start == timedelta(days=6, hours=1)
    for cycle in (1, 2):
        gap = dates[f"Public {cycle + 1}"][0] - dates[f"Private {cycle}"][0]
        assert timedelta() < gap <= timedelta(hours=1)
    assert timedelta(days=50) < dates["Public 3"][1] - dates["Public 3"][0] < timedelta(days=60)
    # An organiser needs time to upload a reference that was held back.
    for cycle in (1, 2, 3):
        assert dates[f"Private {cycle}"][0] - dates[f"Public {cycle}"][1] == timedelta(hours=1)


@pytest.mark.parametrize("start", [date(2027, 1, 4), date(2028, 2, 29), date(2031, 12, 31)])
def test_start_moves_all_dates_alike(start):
    competition = moved(COMPETITION, start)
    shifts = {
        datetime.fromisoformat(new[end]) - datetime.fromisoformat(old[end])
        for new, old in zip(competition["phases"], COMPETITION["phases"])
        for end in ("start", "end")
    }
    assert len(shifts) == 1
    assert competition["phases"][0]["start"] == f"{start} 00:00"
    assert moved(competition, date(2027, 1, 4)) == moved(COMPETITION, date(2027, 1, 4))


def test_default_start_is_the_first_monday_four_weeks_ahead():
    for day in range(14):
        today = date(2026, 11, 21) + timedelta(days=day)
        start = default_start(today)
        assert start.strftime("%A") == "Monday"
        assert timedelta(days=28) <= start - today < timedelta(days=35)
    assert default_start(date(2026, 11, 30)) == date(2026, 12, 28)


def test_written_yaml_reads_back_the_same_with_dates_in_quotes():
    text = dumped(COMPETITION).decode()
    assert yaml.safe_load(text) == COMPETITION
    assert list(yaml.safe_load(text)) == list(COMPETITION)
    for phase in COMPETITION["phases"]:
        assert f'start: "{phase["start"]}"' in text


# ---- damaged files


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("title: ", "titel: ", "'titel' was unexpected.*; known are: version, title"),
        ("title: ", "titel: ", "'title' is a required property"),
        (
            "max_submissions: 15",
            "max_submision: 15",
            r"phases\[0\]: .*'max_submision' was unexpected",
        ),
        ("version: 2", "version: 2.0", "version: 2.0 is not of type 'integer'"),
        ("version: 2", "version: 1", r"version: 1 is not one of \[2\]"),
        (
            'start: "2027-01-04 00:00"',
            "start: 2027-01-04",
            r"phases\[0\].start: .*not of type 'string'; write dates in quotes",
        ),
        ("index: 1\n", "index: one\n", "index: 'one' is not of type 'integer'"),
        (
            "hide_output: true",
            "hide_output: yes please",
            "hide_output: .* is not of type 'boolean'",
        ),
        ("submission_rule: Force_Best", "submission_rule: Best", "'Best' is not one of .'Add'"),
        ("key: acc_mean", f"key: {'k' * 37}", "is too long; the platform accepts 36 characters"),
        ("key: results", f"key: {'k' * 37}", "is too long; the platform accepts 36 characters"),
        ("codalab/codalab-legacy:py39", "i" * 129, "docker_image: .* platform accepts 128"),
        (
            "version: 2",
            "version: 2\nversion: 2",
            rf"line {VERSION_LINE}.*the key version occurs twice",
        ),
        ("version: 2", "version: [2", "not valid YAML"),
        ("    tasks: [1]\n", "    tasks: [9]\n", "Public 1: there is no task with the index 9"),
        ("    tasks: [1]\n", "    tasks: [1, 3]\n", "Public 1: expected one task, found 2"),
        ("    cycle: 1\n", "    cycle: six\n", "Cycle 1, public events: cycle 'six' is unknown"),
        (
            "    cycle: 1\n",
            "    cycle: 2\n",
            "phases: expected one pair of phases per cycle: first a phase whose",
        ),
        (
            "    events: public\n",
            "    events: hidden\n",
            "phases: expected one pair of phases per cycle",
        ),
        ("    events: public\n", "    events: all\n", r"tasks\[0\].events: 'all' is not one of"),
        ("    events: public\n", "", r"tasks\[0\]: 'events' is a required property"),
        ("tasks: [1]\n", "tasks: 1\n", r"tasks: 1 is not of type 'array'"),
        (
            "- {title: Overview, file: pages/overview.md}",
            "- overview",
            r"pages\[0\]: 'overview' is not of type 'object'",
        ),
    ],
)
def test_damaged_yaml_is_refused_with_its_place(old, new, sentence):
    text = PATH.read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(ChallengeError, match=sentence):
        parse_competition(text.replace(old, new, 1), PATH)


@pytest.mark.parametrize("text", ["", "just words", "- a\n- list", "\0", "a: &b [*b]"])
def test_what_is_no_competition_is_refused(text):
    with pytest.raises(ChallengeError, match=r"competition\.yaml"):
        parse_competition(text, PATH)


def test_unreadable_files_are_refused(tmp_path):
    with pytest.raises(ChallengeError, match="no such file"):
        read_competition(tmp_path / "competition.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ChallengeError, match="can't be read"):
        read_competition(tmp_path / "binary.yaml")


def test_all_problems_are_said_at_once():
    text = PATH.read_text(encoding="utf-8")
    text = text.replace("\nimage:", "\npicture:").replace("\nterms:", "\nrules:")
    with pytest.raises(ChallengeError) as caught:
        parse_competition(text, PATH)
    unknown, *missing = str(caught.value).splitlines()
    assert "'picture', 'rules' were unexpected" in unknown
    assert [line.split(": ")[1] for line in missing] == [
        "'image' is a required property",
        "'terms' is a required property",
    ]


# ---- Codabench's rules


def codabench_sentences(competition, names=None, now=None):
    return "\n".join(codabench_problems(competition, PHASES, names or files(competition), now))


@pytest.mark.parametrize(
    ("competition", "sentence"),
    [
        (with_phase(2, start="2027-01-07 00:00"), "Private 1: starts .* when Public 1 ends"),
        (with_phase(2, start="2027-01-06 23:00"), "Private 1: starts .* before Public 1 ends"),
        (with_phase(1, end="2027-01-03 00:00"), "Public 1: ends .* not after it starts"),
        (with_phase(3, start="2027-01-07"), "Public 2: '2027-01-07' is not a date as YYYY-MM-DD"),
        (with_phase(3, start="2027-02-30 00:00"), "Public 2: .* is not a date that exists"),
        (with_phase(2, auto_migrate_to_this_phase=False), "Private 1: auto_migrate_to_this_phase"),
        (with_phase(3, auto_migrate_to_this_phase=True), "Public 2: auto_migrate_to_this_phase"),
        (with_phase(4, hide_output=False), "Private 2: hide_output must be true"),
        (without(4, "hide_output"), "Private 2: hide_output must be true"),
        (without(4, "auto_migrate_to_this_phase"), "Private 2: auto_migrate_to_this_phase"),
        (with_phase(6, max_submissions=5), "Private 3: max_submissions must be 1"),
        (edited(can_participants_make_submissions_public=True), "make_submissions_public must be"),
        (edited(docker_image="image:py39@sha256:12"), "docker_image: expected NAME@sha256: and 64"),
        (
            edited(fact_sheet={"team": {**COMPETITION["fact_sheet"]["team"], "key": "Team"}}),
            "fact_sheet.team: its key must be team too, found Team",
        ),
        (with_phase(1, max_submissions=0), "Public 1: 0 submissions means no limit"),
        (with_phase(1, tasks=[2]), "Public 1: its task must have the reference data reference_ph"),
        (with_phase(2, index=7), "phases: expected the indexes 1, 2, 3, 4, 5, 6 in this order"),
        (edited(phases=COMPETITION["phases"][:5]), "phases: expected the indexes"),
        (edited(tasks=COMPETITION["tasks"] * 2), "tasks: the index 1 occurs twice"),
        (with_columns(lambda c: c.pop(1)), "columns 0 acc_at_80, 1 acc_at_50, 2 acc_mean, which"),
        (with_columns(lambda c: c[1].update(key="acc_50")), "found 0 acc_at_80, 1 acc_50, 2 acc"),
        (with_columns(lambda c: c[1].update(index=0)), "found 0 acc_at_80, 0 acc_at_50, 2 acc"),
        (
            with_columns(lambda c: (c[0].update(index=1), c[1].update(index=0))),
            "found 0 acc_at_50, 1 acc_at_80, 2 acc_mean",
        ),
        (with_columns(lambda c: c[0].update(sorting="asc")), "acc_at_80 is better when higher"),
        (
            edited(leaderboards=COMPETITION["leaderboards"] * 2),
            "Codabench reads only the first one, found 2",
        ),
        (edited(image="pages/private_logo.png"), "a file name with `private` in it is not found"),
        (edited(terms="terms.html"), "terms.html can't be in the bundle: name pages and pictures"),
    ],
)
def test_codabench_problems(competition, sentence):
    found = codabench_problems(competition, PHASES, files(competition))
    assert any(re.search(sentence, problem) for problem in found), found


def test_dates_in_the_past_are_refused_and_only_if_a_clock_is_given():
    now = datetime(2027, 1, 4, 0, 1)
    assert "Public 1: starts 2027-01-04 00:00 UTC, in the past" in codabench_sentences(
        COMPETITION, now=now
    )
    assert codabench_sentences(COMPETITION, now=datetime(2050, 1, 1)).count("in the past") == 1
    assert codabench_sentences(COMPETITION, now=datetime(2027, 1, 4)) == ""
    assert codabench_sentences(moved(COMPETITION, date(1999, 1, 4))) == ""


def test_a_file_that_is_not_in_the_bundle_is_refused():
    names = [name for name in files(COMPETITION) if name != "reference_phase4.zip"]
    assert codabench_sentences(COMPETITION, names) == (
        "reference_phase4.zip is named by the competition but not in the bundle"
    )


def test_the_examples_address_is_refused_in_earnest():
    assert list(example_problems(COMPETITION)) != []
    assert list(example_problems(edited(contact_email="us@university.edu"))) == []


# ---- the v1.5 dialect


def test_codalab_dialect_knows_nothing_but_the_models_columns():
    codalab = to_codalab(COMPETITION, PHASES)
    assert set(codalab) == CODALAB_COMPETITION | {"html", "phases", "leaderboard"}
    for phase in codalab["phases"].values():
        assert set(phase) <= CODALAB_PHASE
    assert set(codalab["html"]) == {"overview", "evaluation", "terms", "data"}


def test_codalab_dialect_is_a_pure_function():
    before = copy.deepcopy(COMPETITION)
    assert to_codalab(COMPETITION, PHASES) == to_codalab(before, PHASES)
    assert before == COMPETITION


def test_codalab_dialect_keeps_what_matters():
    codalab = to_codalab(COMPETITION, PHASES)
    for number, phase in codalab["phases"].items():
        original = COMPETITION["phases"][number - 1]
        assert phase["phasenumber"] == number
        assert phase["label"] == original["name"]
        assert phase["reference_data"] == f"reference_phase{number}.zip"
        assert phase["auto_migration"] == (number % 2 == 0)
        hides = phase["leaderboard_management_mode"] == "hide_results"
        assert hides == (number % 2 == 0)
        assert phase["force_best_submission_to_leaderboard"] != (number % 2 == 0)
    columns = codalab["leaderboard"]["columns"]
    assert list(columns) == list(METRICS)
    assert [column["rank"] for column in columns.values()] == [1, 2, 3]
    board = codalab["leaderboard"]["leaderboards"]["Results"]["label"]
    assert {column["leaderboard"]["label"] for column in columns.values()} == {board}


def test_codalab_hidden_phases_last_two_days_and_public_ones_no_less():
    """When Codabench reads this format, it ends a phase one day before the next one starts."""
    codalab = to_codalab(COMPETITION, PHASES)
    starts = [datetime.fromisoformat(p["start_date"]) for p in codalab["phases"].values()]
    ends = [*starts[1:], datetime.fromisoformat(codalab["end_date"])]
    originals = [datetime.fromisoformat(p["start"]) for p in COMPETITION["phases"]]
    for number, (start, end) in enumerate(zip(starts, ends), 1):
        if number % 2 == 0:
            assert end - start >= timedelta(days=2)
        elif number < 5:
            assert end - start >= originals[number] - originals[number - 1]


def codalab_with(number=None, **changes) -> dict:
    codalab = to_codalab(COMPETITION, PHASES)
    (codalab["phases"][number] if number else codalab).update(changes)
    return codalab


@pytest.mark.parametrize(
    ("codalab", "sentence"),
    [
        (codalab_with(title="t" * 101), "title has 101 characters, the platform accepts 100"),
        (codalab_with(1, label="l" * 51), "label has 51 characters, the platform accepts 50"),
        (codalab_with(1, description="d" * 1001), "description has 1001 characters"),
        (codalab_with(2, scoring_program="scoring_program"), "scoring_program must be a .zip"),
        (codalab_with(3, start_date="2027-01-08 00:00"), "Private 1: lasts less than 2 days"),
        (
            codalab_with(3, start_date="2027-01-07 01:00"),
            "Private 1: starts .*, not before its end",
        ),
        (codalab_with(end_date="2027-01-08 00:00"), "Private 3: starts .*, not before its end"),
    ],
)
def test_codalab_problems(codalab, sentence):
    names = [codalab["image"], *codalab["html"].values()]
    for phase in codalab["phases"].values():
        names += [
            value for value in phase.values() if "zip" in str(value) or "program" in str(value)
        ]
    found = codalab_problems(codalab, PHASES, names)
    assert len(found) == 1
    with pytest.raises(ChallengeError, match=sentence):
        raise ChallengeError(found[0])


def test_a_page_that_v15_needs_is_missed():
    competition = edited(pages=COMPETITION["pages"][:2])
    codalab = to_codalab(competition, PHASES)
    html = [html_name(name) if name.endswith(".md") else name for name in files(competition)]
    assert codalab_problems(codalab, PHASES, html) == ["v1.5: the page evaluation is missing"]
