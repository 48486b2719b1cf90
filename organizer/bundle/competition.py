"""competition.yaml: reading it strictly, and moving its dates.

The file is in Codabench's dialect, version 2, as a dict here and everywhere else. A key that the
platform does not know would be passed over there without a word (`max_submision: 5`), so that
unknown keys, missing ones and wrong types are problems here, each with its place.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

import yaml

from lartpc_challenge.format import ChallengeError

DATE_FORMAT = "%Y-%m-%d %H:%M"
DEMONSTRATION = "DEMONSTRATION: hidden labels are public"
LEAD_DAYS = 28


@dataclass(frozen=True)
class Key:
    """What a key's value must be. `longest`: characters; `each`: table of a list's items."""

    kind: type
    required: bool = False
    longest: int = 0
    choices: tuple = ()
    each: str = ""


# Lengths and choices: the models of Codabench 1.25 (competitions, leaderboards, datasets).
_TEXT, _FLAG, _NUMBER, _LIST = Key(str), Key(bool), Key(int), Key(list)
_INDEX, _NAME, _FILE = Key(int, True), Key(str, True, 256), Key(str, True)
_RULES = (
    "Add",
    "Add_And_Delete",
    "Add_And_Delete_Multiple",
    "Force_Last",
    "Force_Latest_Multiple",
    "Force_Best",
)
TABLES = {
    "competition": {
        "version": Key(int, True, choices=(2,)),
        "title": Key(str, True, 256),
        "description": _TEXT,
        "image": _FILE,
        "terms": _FILE,
        "docker_image": Key(str, True, 128),
        "contact_email": Key(str, False, 256),
        "reward": Key(str, False, 256),
        "registration_auto_approve": _FLAG,
        "enable_detailed_results": _FLAG,
        "show_detailed_results_in_submission_panel": _FLAG,
        "show_detailed_results_in_leaderboard": _FLAG,
        "can_participants_make_submissions_public": _FLAG,
        "make_programs_available": _FLAG,
        "make_input_data_available": _FLAG,
        "auto_run_submissions": _FLAG,
        "forum_enabled": _FLAG,
        "competition_type": Key(str, choices=("competition", "benchmark")),
        "queue": _TEXT,
        "pages": Key(list, True, each="page"),
        "tasks": Key(list, True, each="task"),
        "solutions": Key(list, each="solution"),
        "phases": Key(list, True, each="phase"),
        "leaderboards": Key(list, True, each="leaderboard"),
    },
    "page": {"title": Key(str, True, 255), "file": _FILE},
    "task": {
        "index": _INDEX,
        "name": _NAME,
        "description": _TEXT,
        "scoring_program": _FILE,
        "reference_data": _FILE,
    },
    "solution": {
        "index": _INDEX,
        "name": _NAME,
        "description": _TEXT,
        "tasks": Key(list, True),
        "path": _FILE,
    },
    "phase": {
        "index": _INDEX,
        "name": _NAME,
        "description": _TEXT,
        "start": Key(str, True),
        "end": Key(str, True),
        "tasks": Key(list, True),
        "max_submissions": Key(int, True),
        "max_submissions_per_day": Key(int, True),
        "execution_time_limit": Key(int, True),
        "auto_migrate_to_this_phase": _FLAG,
        "hide_output": _FLAG,
        "hide_prediction_output": _FLAG,
        "hide_score_output": _FLAG,
        "starting_kit": _TEXT,
        "public_data": _TEXT,
    },
    "leaderboard": {
        "title": Key(str, True, 64),
        "key": Key(str, True, 36),
        "hidden": _FLAG,
        "submission_rule": Key(str, True, choices=_RULES),
        "columns": Key(list, True, each="column"),
    },
    "column": {
        "title": Key(str, True, 36),
        "key": Key(str, True, 36),
        "index": _INDEX,
        "sorting": Key(str, True, choices=("desc", "asc")),
        "precision": Key(int, True),
        "hidden": _FLAG,
    },
}


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML would silently keep the last."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key, (key_node, _) in zip(keys, node.value):
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key} stands twice", problem_mark=key_node.start_mark
                )
        return super().construct_mapping(node, deep)


def read_competition(path) -> dict:
    """The competition as a dict, its keys and types checked. ChallengeError lists all problems."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as reason:
        raise ChallengeError(f"{path}: no such file") from reason
    except (OSError, UnicodeDecodeError) as reason:
        raise ChallengeError(f"{path}: can't be read: {reason}") from reason
    return parse_competition(text, str(path))


def parse_competition(text: str, where: str) -> dict:
    """As `read_competition`, of the file's text."""
    try:
        competition = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as reason:
        line = f", line {reason.problem_mark.line + 1}" if reason.problem_mark else ""
        raise ChallengeError(f"{where}{line}: not valid YAML: {reason.problem}") from reason
    except yaml.YAMLError as reason:
        raise ChallengeError(f"{where}: not valid YAML: {reason}") from reason
    if not isinstance(competition, dict):
        raise ChallengeError(f"{where}: expected keys and values, found none")
    problems = list(_problems(competition, "competition", ""))
    if problems:
        raise ChallengeError("\n".join(f"{where}: {problem}" for problem in problems))
    return competition


def _problems(item: dict, table: str, place: str) -> Iterator[str]:
    """One sentence for each key of `item` that is unknown, missing or of another kind."""
    keys = TABLES[table]
    for name in item.keys() - keys.keys():
        yield f"{place}{name} is not a key that Codabench knows here; known: {', '.join(keys)}"
    for name, key in keys.items():
        if name in item:
            yield from _value_problems(item[name], key, f"{place}{name}")
        elif key.required:
            yield f"{place}{name} is missing"


def _value_problems(value, key: Key, place: str) -> Iterator[str]:
    if type(value) is not key.kind:
        advice = "; write dates in quotes" if isinstance(value, date) else ""
        yield (
            f"{place} is {_KINDS.get(type(value), type(value).__name__)}, "
            f"expected {_KINDS[key.kind]}{advice}"
        )
        return
    if key.required and value in ("", []):
        yield f"{place} is empty"
    if key.longest and len(value) > key.longest:
        yield f"{place} has {len(value)} characters, the platform takes {key.longest}"
    if key.choices and value not in key.choices:
        yield f"{place} is {value}, expected {' or '.join(map(str, key.choices))}"
    if key.each:
        for number, item in enumerate(value):
            if isinstance(item, dict):
                yield from _problems(item, key.each, f"{place}[{number}].")
            else:
                yield f"{place}[{number}] must have keys: {', '.join(TABLES[key.each])}"


_KINDS = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number with a point",
    list: "a list",
    dict: "a group of keys",
    datetime: "a date",
    date: "a date",
    type(None): "empty",
}


def parse_date(text: str) -> datetime:
    """A date of the yaml, UTC. ValueError where it is written otherwise."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", text):
        raise ValueError(f"{text!r} is not a date as YYYY-MM-DD HH:MM (UTC, no seconds)")
    try:
        return datetime.strptime(text, DATE_FORMAT)
    except ValueError as reason:
        raise ValueError(f"{text!r} is not a date that exists") from reason


def default_start(today: date) -> date:
    """The first Monday at least LEAD_DAYS ahead."""
    earliest = today + timedelta(days=LEAD_DAYS)
    return earliest + timedelta(days=-earliest.weekday() % 7)


def moved(competition: dict, start: date) -> dict:
    """The competition with all dates moved by whole days, so that its first phase opens on `start`.

    Raises ChallengeError where a date can't be read.
    """
    competition = copy.deepcopy(competition)
    try:
        first = min(parse_date(phase["start"]) for phase in competition["phases"])
        shift = datetime.combine(start, time()) - datetime.combine(first.date(), time())
        for phase in competition["phases"]:
            for name in ("start", "end"):
                phase[name] = (parse_date(phase[name]) + shift).strftime(DATE_FORMAT)
    except (ValueError, OverflowError) as reason:
        raise ChallengeError(f"competition.yaml: {reason}") from reason
    return competition


class _Dumper(yaml.SafeDumper):
    """Quotes every text that could be taken for something else, dates above all."""

    def ignore_aliases(self, data):
        return True


def _represent_text(dumper: _Dumper, text: str):
    style = '"' if re.match(r"\d", text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dumped(competition: dict) -> bytes:
    """The competition as YAML, keys in their order, dates in quotes."""
    text = yaml.dump(competition, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text.encode()
