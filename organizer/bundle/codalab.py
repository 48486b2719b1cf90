"""Convert a competition from Codabench's format to that of CodaLab v1.5.

v1.5 has no version, no tasks and no ends of phases: a phase names its own files and lasts until the
next one starts. Unknown keys are errors, so this module writes only the columns of the Django
models in codalab-competitions c7ef5e28, apps/web/models.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from organizer.bundle.dates import DATE_FORMAT, parse_date
from organizer.competition import Phase

# When Codabench reads this format, it ends a phase one day before the next one starts, so a hidden
# phase of two days is open for one. v1.5 itself migrates while the public phase is running.
HIDDEN_DAYS = 2
_BOARD = "Results"


def to_codalab(competition: dict, phases: Sequence[Phase]) -> dict:
    """Return `competition` in the v1.5 format.

    phases: its phases, in order. Pages become .html. If a hidden phase is shorter than HIDDEN_DAYS,
    all later phases are delayed, so that no public phase becomes shorter.
    """
    tasks = {task["index"]: task for task in competition["tasks"]}
    best = competition["leaderboards"][0]["submission_rule"] == "Force_Best"
    late = timedelta()
    codalab_phases = {}
    for number, (phase, scored) in enumerate(zip(competition["phases"], phases), 1):
        if number > 1 and phases[number - 2].hidden:
            before = competition["phases"][number - 2]
            earliest = parse_date(before["start"]) + timedelta(days=HIDDEN_DAYS)
            late += max(timedelta(), earliest - parse_date(phase["start"]))
        task = tasks[phase["tasks"][0]]
        codalab_phases[number] = _phase(scored, phase, task, parse_date(phase["start"]) + late)
        # A phase with hidden results puts every submission on its board. With force_best,
        # update_submission in apps/web/tasks.py would look for the best one and fail.
        codalab_phases[number]["force_best_submission_to_leaderboard"] = best and not scored.hidden
    end = parse_date(competition["phases"][-1]["end"]) + late
    return {
        "title": competition["title"],
        "description": competition.get("description", ""),
        "image": competition["image"],
        "has_registration": not competition.get("registration_auto_approve", False),
        "competition_docker_image": competition["docker_image"],
        "enable_detailed_results": competition.get("enable_detailed_results", False),
        "force_submission_to_leaderboard": not best,
        "end_date": end.strftime(DATE_FORMAT),
        "html": _pages(competition),
        "phases": codalab_phases,
        "leaderboard": _leaderboard(competition["leaderboards"][0]),
    }


def _phase(scored: Phase, phase: dict, task: dict, start: datetime) -> dict:
    codalab = {
        "phasenumber": scored.number,
        "label": phase["name"],
        "description": phase.get("description", ""),
        "start_date": start.strftime(DATE_FORMAT),
        "max_submissions": phase["max_submissions"],
        "max_submissions_per_day": phase["max_submissions_per_day"],
        "execution_time_limit": phase["execution_time_limit"],
        "scoring_program": task["scoring_program"],
        "reference_data": task["reference_data"],
        "auto_migration": phase.get("auto_migrate_to_this_phase", False),
        "leaderboard_management_mode": "hide_results" if scored.hidden else "default",
        "color": "purple" if scored.hidden else "green",
    }
    for name in ("starting_kit", "public_data"):
        if name in phase:
            codalab[name] = phase[name]
    return codalab


def html_name(markdown_name: str) -> str:
    """Return the name of a page as HTML: pages/data.md -> pages/data.html"""
    return markdown_name.removesuffix(".md") + ".html"


def _pages(competition: dict) -> dict:
    pages = {page["title"].lower(): html_name(page["file"]) for page in competition["pages"]}
    return {**pages, "terms": html_name(competition["terms"])}


def _leaderboard(leaderboard: dict) -> dict:
    columns = sorted(leaderboard["columns"], key=lambda column: column["index"])
    return {
        "leaderboards": {_BOARD: {"label": _BOARD, "rank": 1}},
        "columns": {
            column["key"]: {
                "leaderboard": {"label": _BOARD, "rank": 1},
                "label": column["title"],
                "rank": rank,
                "sort": column["sorting"],
                "numeric_format": column["precision"],
                "selection_default": int(rank == 1),
            }
            for rank, column in enumerate(columns, start=1)
        },
    }
