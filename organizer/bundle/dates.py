"""Parse and move the dates of a competition, and write it as YAML."""

from __future__ import annotations

import copy
import re
from datetime import date, datetime, time, timedelta

import yaml

from lartpc_challenge.format import ChallengeError

DATE_FORMAT = "%Y-%m-%d %H:%M"
DEMONSTRATION = "DEMONSTRATION: hidden labels are public"
LEAD_DAYS = 28


def parse_date(text: str) -> datetime:
    """Parse a date of competition.yaml, UTC. Raises ValueError for other formats."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", text):
        raise ValueError(f"{text!r} is not a date as YYYY-MM-DD HH:MM (UTC, no seconds)")
    try:
        return datetime.strptime(text, DATE_FORMAT)
    except ValueError as reason:
        raise ValueError(f"{text!r} is not a date that exists") from reason


def default_start(today: date) -> date:
    """Return the first Monday at least LEAD_DAYS after `today`."""
    earliest = today + timedelta(days=LEAD_DAYS)
    return earliest + timedelta(days=-earliest.weekday() % 7)


def moved(competition: dict, start: date) -> dict:
    """Return the competition with all dates moved by whole days; the first phase opens on `start`.

    Raises ChallengeError if a date can't be read.
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
    """A YAML dumper that puts texts that start with a digit into quotes, dates for example."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = '"' if re.match(r"\d", text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dumped(competition: dict) -> bytes:
    """Return the competition as YAML, with keys in their order and dates in quotes."""
    text = yaml.dump(competition, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text.encode()
