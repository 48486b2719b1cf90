"""Check a competition against the platforms' rules before it is uploaded.

The rules come from the platforms' code: Codabench c7dbc756 (competitions/unpackers,
leaderboards/models, competitions/tasks) and codalab-competitions c7ef5e28 (apps/web/models).
The keys and types of the competition have been checked before (organizer/competition.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path, PurePosixPath

from lartpc_challenge.format import METRICS
from organizer.bundle.archives import Content, is_allowed
from organizer.bundle.codalab import HIDDEN_DAYS
from organizer.bundle.dates import DATE_FORMAT, parse_date
from organizer.competition import Phase

# Larger uploads often hang (codabench issues 2304 and 2250).
MAX_ZIP_BYTES = 10**9
CODALAB_LENGTHS = {"title": 100, "competition_docker_image": 128, "label": 50, "description": 1000}
CODALAB_PAGES = ("overview", "data", "evaluation", "terms")
_LONG = "%Y-%m-%d %H:%M UTC"


def codabench_problems(
    competition: dict, phases: Sequence[Phase], names: Collection[str], now: datetime | None = None
) -> list[str]:
    """Return a sentence per problem of a competition for Codabench.

    phases: its phases, in order. names: the files in the bundle. now: no phase may start before
    it; None skips that rule.
    """
    return [
        *_structure_problems(competition),
        *_openness_problems(competition),
        *_phase_problems(competition, phases),
        *_date_problems(competition["phases"], now),
        *_leaderboard_problems(competition["leaderboards"]),
        *_file_problems(codabench_files(competition), names),
        *(
            f"{name} can't be in the bundle: name pages and pictures pages/NAME.md, .png or .jpg"
            for name in names
            if not is_allowed("codabench", name)
        ),
    ]


def reference_name(phase: Phase) -> str:
    """Return the name of the zip with a phase's reference data."""
    return f"reference_phase{phase.number}.zip"


def codabench_files(competition: dict) -> list[str]:
    """Return the file names in the competition, in its order."""
    return [
        competition["image"],
        competition["terms"],
        *(page["file"] for page in competition["pages"]),
        *chain.from_iterable(
            (task["scoring_program"], task["reference_data"]) for task in competition["tasks"]
        ),
        *(solution["path"] for solution in competition.get("solutions", ())),
        *(
            phase[name]
            for phase in competition["phases"]
            for name in ("starting_kit", "public_data")
            if name in phase
        ),
    ]


def _structure_problems(competition: dict) -> Iterator[str]:
    for table in ("tasks", "solutions", "phases"):
        counts = Counter(item["index"] for item in competition.get(table, ()))
        for index in (index for index, count in counts.items() if count > 1):
            yield f"{table}: the index {index} occurs twice"
    tasks = {task["index"] for task in competition["tasks"]}
    for item in (*competition.get("solutions", ()), *competition["phases"]):
        for index in item["tasks"]:
            if index not in tasks:
                yield f"{item['name']}: there is no task with the index {index}"


def _openness_problems(competition: dict) -> Iterator[str]:
    if competition.get("can_participants_make_submissions_public", True):
        yield (
            "can_participants_make_submissions_public must be false: others could copy a public "
            "submission and submit it"
        )
    for name, question in competition.get("fact_sheet", {}).items():
        if question["key"] != name:
            yield f"fact_sheet.{name}: its key must be {name} too, found {question['key']}"
    name, at, digest = competition["docker_image"].partition("@")
    if at and not (name and re.fullmatch(r"sha256:[0-9a-f]{64}", digest)):
        yield f"docker_image: expected NAME@sha256: and 64 hexadecimal digits, found @{digest}"


def _phase_problems(competition: dict, phases: Sequence[Phase]) -> Iterator[str]:
    if [phase["index"] for phase in competition["phases"]] != [phase.number for phase in phases]:
        numbers = ", ".join(str(phase.number) for phase in phases)
        yield f"phases: expected the indexes {numbers} in this order"
        return
    reference = {task["index"]: task["reference_data"] for task in competition["tasks"]}
    for scored, phase in zip(phases, competition["phases"]):
        name = phase["name"]
        if reference[phase["tasks"][0]] != reference_name(scored):
            yield f"{name}: its task must have the reference data {reference_name(scored)}"
        if phase["max_submissions"] < 1 or phase["max_submissions_per_day"] < 1:
            yield f"{name}: 0 submissions means no limit, give a number above 0"
        if phase.get("auto_migrate_to_this_phase", False) != scored.hidden:
            yield (
                f"{name}: auto_migrate_to_this_phase must be true in a hidden phase, else false: "
                f"submissions of cycle {scored.cycle.number} move from the public to the hidden one"
            )
        if scored.hidden and not phase.get("hide_output", False):
            yield (
                f"{name}: hide_output must be true, else anybody can read the scorer's output "
                "(Codabench 1.25)"
            )
        if scored.hidden and phase["max_submissions"] != 1:
            yield (
                f"{name}: max_submissions must be 1, so that participants can't submit more than "
                "the one submission that moves there"
            )


def _date_problems(phases: list, now: datetime | None) -> Iterator[str]:
    spans = []
    for phase in phases:
        try:
            start, end = parse_date(phase["start"]), parse_date(phase["end"])
        except ValueError as reason:
            yield f"{phase['name']}: {reason}"
            continue
        if end <= start:
            yield f"{phase['name']}: ends {end:{_LONG}}, not after it starts, {start:{_LONG}}"
        if now and start < now:
            yield (
                f"{phase['name']}: starts {start:{_LONG}}, in the past; Codabench would move "
                "submissions into hidden phases at once, and later not again; give a later START"
            )
            now = None  # one sentence is enough: START moves all phases
        spans.append((phase["name"], start, end))
    for (name, _, end), (next_name, start, _) in zip(spans, spans[1:]):
        if start <= end:
            how = "when" if start == end else "before"
            yield (
                f"{next_name}: starts {start:{_LONG}}, {how} {name} ends; "
                "Codabench requires a later start"
            )


def _leaderboard_problems(leaderboards: list) -> Iterator[str]:
    if len(leaderboards) != 1:
        yield f"leaderboards: Codabench reads only the first one, found {len(leaderboards)}"
        return
    columns = sorted(leaderboards[0]["columns"], key=lambda column: column["index"])
    found = [f"{column['index']} {column['key']}" for column in columns]
    expected = [f"{index} {key}" for index, key in enumerate(METRICS)]
    if found != expected:
        yield (
            f"leaderboard: expected the columns {', '.join(expected)}, which the scorer writes; "
            f"found {', '.join(found)}"
        )
    for column in columns:
        if column["key"] in METRICS and column["sorting"] != "desc":
            yield f"leaderboard: {column['key']} is better when higher, so its sorting must be desc"


def _file_problems(files: Collection[str], names: Collection[str]) -> Iterator[str]:
    for name in dict.fromkeys(files):
        if name not in names:
            yield f"{name} is named by the competition but not in the bundle"
    for name in sorted({*files, *names}):
        if "private" in name.lower():
            yield f"{name}: a file name with `private` in it is not found on self-hosted servers"


def codalab_problems(codalab: dict, phases: Sequence[Phase], names: Collection[str]) -> list[str]:
    """Return a sentence per problem of a competition in the v1.5 format.

    The rules are those of v1.5 and of Codabench when it reads this format.
    """
    problems = [
        *_length_problems(codalab, ("title", "competition_docker_image")),
        *(f"v1.5: the page {p} is missing" for p in CODALAB_PAGES if p not in codalab["html"]),
    ]
    files = [codalab["image"], *codalab["html"].values()]
    dialect = list(codalab["phases"].values())
    for phase in dialect:
        problems += _length_problems(phase, ("label", "description"))
        for name in ("scoring_program", "reference_data", "starting_kit", "public_data"):
            if name in phase:
                files.append(phase[name])
                if PurePosixPath(phase[name]).suffix != ".zip":
                    problems.append(f"v1.5: {phase['label']}: {phase[name]} must be a .zip")
    starts = [parse_date(phase["start_date"]) for phase in dialect]
    ends = [*starts[1:], parse_date(codalab["end_date"])]
    for scored, phase, start, end in zip(phases, dialect, starts, ends):
        if end <= start:
            problems.append(
                f"v1.5: {phase['label']}: starts {start.strftime(DATE_FORMAT)}, not before its "
                f"end, {end.strftime(DATE_FORMAT)}"
            )
        elif scored.hidden and end - start < timedelta(days=HIDDEN_DAYS):
            problems.append(
                f"v1.5: {phase['label']}: lasts less than {HIDDEN_DAYS} days; Codabench removes "
                "one when it reads this format"
            )
    return problems + list(_file_problems(files, names))


def _length_problems(item: dict, keys: Collection[str]) -> list[str]:
    return [
        f"v1.5: {key} has {len(item[key])} characters, the platform accepts "
        f"{CODALAB_LENGTHS[key]}: {item[key][:40]}..."
        for key in keys
        if len(item[key]) > CODALAB_LENGTHS[key]
    ]


def example_problems(competition: dict) -> Iterator[str]:
    """Yield a sentence for each example value that the organiser has to replace."""
    if competition.get("contact_email", "").endswith("@example.org"):
        yield "competition.yaml: contact_email is an example; write your own address"


def size_problems(contents: Iterable[Content]) -> Iterator[str]:
    """Yield a sentence if a bundle of these contents is too large to upload."""
    files = (path for path in contents if isinstance(path, Path) and path.is_file())
    n_bytes = sum(path.stat().st_size for path in files)
    if n_bytes > MAX_ZIP_BYTES:
        yield (
            f"each bundle would have {n_bytes / 1e9:.2f} GB; uploads of more than "
            f"{MAX_ZIP_BYTES / 1e9:.0f} GB often hang: make fewer events (make data EVENTS=...)"
        )
