"""List submissions on the server, get their files, cancel and rerun them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from organizer.codabench.client import Server, ServerError
from organizer.codabench.session import Session, parse_time

POLL_SECONDS = 15
ENDED = ("Finished", "Failed", "Cancelled")
_AT_ONCE = 50


@dataclass(frozen=True)
class Submission:
    """A submission. scores: column -> score, all decimals. on_board: on the leaderboard."""

    id: int
    phase: int
    owner: str
    created: datetime
    status: str
    reason: str
    filename: str
    on_board: bool
    scores: dict[str, Decimal]
    fact_sheet: dict[str, Any]

    @property
    def ended(self) -> bool:
        """Whether the server has finished, cancelled or failed it."""
        return self.status in ENDED

    @property
    def finished(self) -> bool:
        """Whether it has scores."""
        return self.status == "Finished"


def read_submission(answer: dict[str, Any]) -> Submission:
    """Make a submission from the server's JSON."""
    return Submission(
        id=answer["id"],
        phase=answer["phase"],
        owner=answer["owner"],
        created=parse_time(answer["created_when"]),
        status=answer["status"],
        reason=answer["status_details"] or "",
        filename=answer["filename"],
        on_board=bool(answer["on_leaderboard"]),
        scores={score["column_key"]: Decimal(score["score"]) for score in answer["scores"]},
        fact_sheet=answer.get("fact_sheet_answers") or {},
    )


def list_submissions(server: Server, phase_id: int) -> list[Submission]:
    """Return all submissions of a phase, the oldest first, without the parts of several tasks."""
    answers = server.items("submissions/", phase=phase_id)
    found = [read_submission(a) for a in answers if a.get("parent") is None]
    return sorted(found, key=lambda submission: submission.id)


def file_urls(server: Server, ids: Iterable[int]) -> dict[int, str]:
    """Return id of a submission -> signed URL of its file, without deleted submissions."""
    wanted, urls = list(ids), {}
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        try:
            answer = server.post("submissions/download_many/", {"pks": part})
            urls |= {int(item["name"].split("_")[0]): item["url"] for item in answer}
        except ServerError as problem:
            if problem.status not in (404, 500):  # one of them was deleted meanwhile
                raise
            for number in part:
                url = _file_url(server, number)
                if url:
                    urls[number] = url
    return urls


def _file_url(server: Server, number: int) -> str | None:
    try:
        return server.get(f"submissions/{number}/get_details/")["data_file"]
    except ServerError as problem:
        if problem.status in (404, 500):
            return None
        raise


def cancel(server: Server, submission: Submission) -> None:
    """Cancel a submission that has not ended."""
    server.get(f"submissions/{submission.id}/cancel_submission/")


def rerun(server: Server, submission: Submission) -> int:
    """Score the file again as a new submission of its owner; return the new id."""
    return server.post(f"submissions/{submission.id}/re_run_submission/")["id"]


def wait_for(session: Session, phase_id: int, patience: timedelta, what: str) -> list[Submission]:
    """Wait until all submissions of the phase have ended or run for longer than `patience`.

    Returns them.
    """
    logged = -1
    while True:
        found = list_submissions(session.server, phase_id)
        waiting = [s for s in found if not s.ended and session.now() - s.created <= patience]
        if not waiting:
            return found
        if len(waiting) != logged:
            logged = len(waiting)
            session.log(f"waits for {logged} submissions of {what}")
        session.sleep(POLL_SECONDS)
