"""The command leaks: show what strangers and participants can read of the competition.

It only reads, and only what belongs to this competition. The answers depend on the version of the
server.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from organizer.codabench.client import Server, ServerError
from organizer.codabench.session import Session, in_order
from organizer.codabench.submissions import list_submissions


@dataclass(frozen=True)
class Question:
    """A thing to read. path: below api/ or of the site. secret: others should not read it."""

    what: str
    path: str
    api: bool = True
    secret: bool = True


def leaks(session: Session, participant: Server | None) -> bool:
    """Print who can read what; return whether strangers can read references.

    participant: the server with a participant's token; None leaves that column empty.
    """
    shown = session.competition()
    with Server(session.server.url) as stranger:
        rows = []
        for question in _questions(session, shown):
            one, other = _ask(stranger, question), "not asked"
            if participant and question.api:
                other = _ask(participant, question)
            is_open = "yes" in (one[:3], other[:3])
            remark = "ATTENTION" if question.secret and is_open else ""
            rows.append((question.what, one, other, remark))
        listed = _listed_keys(stranger, session.state.need_competition())
    wide = max(len(row[0]) for row in rows)
    session.say(f"{'':<{wide}}  {'a stranger':<14}{'a participant':<14}".rstrip())
    for what, one, other, remark in rows:
        session.say(f"{what:<{wide}}  {one:<14}{other:<14}{remark}".rstrip())
    session.say(f"Keys of files that a stranger finds on the competition's page: {listed}")
    if not shown["published"]:
        session.say("The competition is not published: repeat this when it is.")
    if participant is None:
        session.say("No token of a participant was given (CODABENCH_PARTICIPANT_TOKEN).")
    gives = any(row[0].startswith("reference") and row[1].startswith("yes") for row in rows)
    session.say(
        "This server gives a reference to anybody who has its key: build with HIDDEN=placeholder, "
        "and open each hidden phase after its public phase."
        if gives
        else "This server does not give references away. HIDDEN=placeholder is still safer."
    )
    return gives


def _questions(session: Session, shown: dict[str, Any]) -> Iterator[Question]:
    """Yield what others may try to read. shown: the server's data of the competition."""
    number = shown["id"]
    yield Question("the competition's pages", f"competitions/{number}/", secret=False)
    for phase in in_order(shown["phases"]):
        name = phase["name"]
        task = session.server.get(f"tasks/{phase['tasks'][0]['id']}/")
        for kind, title in (("reference_data", "reference"), ("scoring_program", "program")):
            if task[kind] and (kind == "reference_data" or phase["index"] == 0):
                path = f"datasets/download/{task[kind]['key']}/"
                yield Question(f"{title} of {name}, by its key", path, api=False)
        if phase["index"] == 0:
            yield Question("the task itself", f"tasks/{task['id']}/")
        found = list_submissions(session.server, phase["id"])
        board = f"phases/{phase['id']}/get_leaderboard/"
        yield Question(f"board of {name}", board, secret=False)
        for submission in [s for s in found if s.on_board][:1]:
            path = f"submissions/{submission.id}"
            yield Question(f"a submission of {name}: file and logs", f"{path}/get_details/")
            yield Question(
                f"a submission of {name}: detailed page", f"{path}/get_detail_result/", secret=False
            )
    yield Question("scores of all submissions", f"competitions/{number}/results.json")
    yield Question("the uploaded bundle", f"competitions/{number}/get_files/")
    yield Question("participants and addresses", f"participants/?competition={number}")
    yield Question("submissions with their keys", f"submissions/?phase__competition={number}")


def _ask(server: Server, question: Question) -> str:
    """Return `yes` with the HTTP status if the answer has a content, else `no`."""
    status = server.status(question.path, api=question.api)
    if not (200 <= status < 400):
        return f"no ({status})"
    if question.api and question.path.partition("?")[2]:  # a list may be empty for him
        n_items = sum(1 for _ in server.items(question.path))
        return f"yes, {n_items}" if n_items else "no (empty)"
    return f"yes ({status})"


def _listed_keys(server: Server, number: int) -> str:
    try:
        shown = server.get(f"competitions/{number}/")
    except ServerError as problem:
        return f"none ({problem.status})"
    datasets = [
        dataset
        for phase in shown["phases"]
        for task in phase["tasks"]
        for dataset in task.get("public_datasets", ())
    ]
    kinds = sorted({dataset["type"] for dataset in datasets})
    return f"{len(datasets)} ({', '.join(kinds)})" if datasets else "none"
