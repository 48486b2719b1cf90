"""Compare a competition on the server with its bundle, field by field.

In version 1.25 any account can edit any phase, so repeat the comparison during the competition.
Files are compared by their bytes if the owner can download them, else by their sizes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from organizer.codabench.bundle import Bundle
from organizer.codabench.client import Server, ServerError
from organizer.codabench.session import in_order, parse_time
from organizer.competition import Phase
from organizer.scratch import scratch_folder
from organizer.source import sha256_of

# Key in the yaml and in the server's answer, and the server's default value.
_COMPETITION = {
    "title": "",
    "description": "",
    "docker_image": "codalab/codalab-legacy:py37",
    "contact_email": None,
    "registration_auto_approve": False,
    "enable_detailed_results": False,
    "can_participants_make_submissions_public": True,
    "make_programs_available": False,
    "make_input_data_available": False,
    "auto_run_submissions": True,
    "forum_enabled": True,
    "fact_sheet": None,
    "reward": None,
}
_PHASE = {
    "name": ("name", ""),
    "description": ("description", None),
    "max_submissions_per_day": ("max_submissions_per_day", 5),
    "max_submissions_per_person": ("max_submissions", 100),
    "execution_time_limit": ("execution_time_limit", 600),
    "auto_migrate_to_this_phase": ("auto_migrate_to_this_phase", False),
    "hide_output": ("hide_output", False),
    "hide_prediction_output": ("hide_prediction_output", False),
    "hide_score_output": ("hide_score_output", False),
}
_COLUMN = {"title": "", "key": "", "sorting": "desc", "precision": 2, "hidden": False}
_FETCHED_BYTES = 1 << 26


@dataclass
class Findings:
    """The result. n_same: number of equal values. different, unchecked: sentences."""

    n_same: int = 0
    different: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    def expect(self, place: str, bundle: Any, server: Any) -> None:
        """Compare two values and record the result."""
        if bundle == server:
            self.n_same += 1
        else:
            self.different.append(
                f"{place}: {_short(bundle)} in the bundle, {_short(server)} on the server"
            )


def differences(
    server: Server, shown: dict[str, Any], bundle: Bundle, references: dict[str, dict]
) -> Findings:
    """Return the differences between a competition on the server, with its files, and the bundle.

    shown: the answer of GET competitions/ID/. references: number of a hidden phase -> {key, sha256}
    of the truth that replaced its placeholder.
    """
    found, keys = Findings(), bundle.keys
    for name, assumed in _COMPETITION.items():
        if name in shown:
            found.expect(name, keys.get(name, assumed), shown[name])
    found.expect("terms", _text(bundle, keys["terms"]), shown["terms"].strip())
    _compare_pages(found, bundle, in_order(shown["pages"]))
    _compare_leaderboard(found, keys["leaderboards"][0], shown["leaderboards"])
    found.expect("number of phases", len(keys["phases"]), len(shown["phases"]))
    files = _Files(found, server, bundle)
    for phase, answer in zip(bundle.phases, in_order(shown["phases"])):
        _compare_phase(found, bundle.listed(phase), answer)
        files.compare_phase(phase, answer)
        files.compare_task(phase, answer["tasks"], references.get(str(phase.number)))
    return found


def _compare_pages(found: Findings, bundle: Bundle, shown: list[dict]) -> None:
    listed = bundle.keys["pages"]
    found.expect("pages", [page["title"] for page in listed], [page["title"] for page in shown])
    for page, answer in zip(listed, shown):
        text = _text(bundle, page["file"])
        found.expect(f"page {page['title']}", text, answer["content"].strip())


def _text(bundle: Bundle, name: str) -> str:
    """Return a page's text as the server stores it: without white space at its ends."""
    return bundle.read(name).decode().strip()


def _compare_leaderboard(found: Findings, listed: dict, shown: list[dict]) -> None:
    found.expect("number of leaderboards", 1, len(shown))
    if not shown:
        return
    for name, assumed in (("title", ""), ("key", ""), ("submission_rule", "Add")):
        found.expect(f"leaderboard, {name}", listed.get(name, assumed), shown[0][name])
    columns, seen = in_order(listed["columns"]), in_order(shown[0]["columns"])
    found.expect("columns", [c["key"] for c in columns], [c["key"] for c in seen])
    for column, answer in zip(columns, seen):
        for name, assumed in _COLUMN.items():
            value = column.get(name, assumed)
            found.expect(f"column {column['key']}, {name}", value, answer[name])


def _compare_phase(found: Findings, listed: dict, answer: dict) -> None:
    place = f"phase {answer['index'] + 1}"
    for shown_name, (name, assumed) in _PHASE.items():
        found.expect(f"{place}, {shown_name}", listed.get(name, assumed), answer[shown_name])
    for name in ("start", "end"):
        ours, theirs = (text and parse_time(text) for text in (listed.get(name), answer[name]))
        found.expect(f"{place}, {name}", ours, theirs)


@dataclass(frozen=True)
class _Files:
    """The comparison of the files of a bundle with those on the server."""

    found: Findings
    server: Server
    bundle: Bundle

    def compare_phase(self, phase: Phase, answer: dict) -> None:
        """Compare the files that a phase offers to participants."""
        place, listed = f"phase {phase.number}", self.bundle.listed(phase)
        for name in ("starting_kit", "public_data"):
            dataset = answer.get(name)
            if bool(listed.get(name)) != bool(dataset):
                self.found.expect(f"{place}, {name}", listed.get(name), dataset and dataset["name"])
            elif dataset:
                self._compare(f"{place}, {name}", listed[name], dataset)

    def compare_task(self, phase: Phase, shown: list[dict], true: dict | None) -> None:
        """Compare a phase's task. true: the reference that replaced its placeholder."""
        place, task, expect = f"phase {phase.number}", self.bundle.task(phase), self.found.expect
        expect(f"{place}, number of tasks", 1, len(shown))
        for seen in shown[:1]:
            expect(f"{place}, task", task["name"], seen["name"])
            details = self.server.get(f"tasks/{seen['id']}/")
            sizes = {dataset["key"]: dataset for dataset in seen.get("public_datasets", ())}
            for name in ("scoring_program", "reference_data"):
                dataset = details[name]
                if dataset is None:
                    expect(f"{place}, {name}", task[name], None)
                elif name == "reference_data" and true:
                    expect(f"{place}, key of the true reference", true["key"], dataset["key"])
                else:
                    dataset = {**dataset, **sizes.get(dataset["key"], {})}
                    self._compare(f"{place}, {name}", task[name], dataset)
            for name in ("input_data", "ingestion_program"):
                expect(f"{place}, {name}", None, details[name])

    def _compare(self, place: str, member: str, dataset: dict) -> None:
        """Compare a member of the bundle with a file on the server: its size, then its bytes."""
        size = self.bundle.size(member)
        if dataset.get("file_size") is not None:
            self.found.expect(f"{place}, bytes of {member}", size, int(float(dataset["file_size"])))
        if size > _FETCHED_BYTES:
            self.found.unchecked.append(f"{place}: the bytes of {member}, which is large")
            return
        digest = _digest(self.server, dataset["key"])
        if digest is None:
            why = "which can't be downloaded"
            self.found.unchecked.append(f"{place}: the bytes of {member}, {why}")
        else:
            ours = hashlib.sha256(self.bundle.read(member)).hexdigest()
            self.found.expect(f"{place}, sha256 of {member}", ours, digest)


def _digest(server: Server, key: str) -> str | None:
    """Return the sha256 of a file on the server; None if it can't be downloaded."""
    with scratch_folder("codabench") as folder:
        try:
            server.fetch_file(f"datasets/download/{key}/", folder / "file")
        except ServerError as problem:
            if problem.status in (401, 403, 404):
                return None
            raise
        return sha256_of(folder / "file")


def _short(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
