"""The command rehearse: run the whole competition on an invisible copy, which is then deleted.

The copy is made from the same bundle. Its phases are opened one after the other; the baselines and
broken submissions are uploaded, moved and scored; all results are compared with those of a worker
on this machine. The competition itself is not changed, because a phase whose start was moved into
the past counts as migrated.

A hidden phase with a placeholder gets a stand-in reference: random labels for a random half of the
test events. No truth leaves this machine, because servers of version 1.25 show everybody the keys
of references, also of unpublished competitions.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from lartpc_challenge.format import ChallengeError
from organizer.codabench.bundle import Bundle
from organizer.codabench.client import Server, ServerError
from organizer.codabench.local import local_scorer, stored
from organizer.codabench.opening import point_task
from organizer.codabench.session import Session, in_order
from organizer.codabench.submissions import Submission, list_submissions, wait_for
from organizer.codabench.transfer import upload_dataset
from organizer.codabench.upload import send_bundle
from organizer.competition import Phase
from organizer.score.worker import Run
from organizer.scratch import scratch_folder
from organizer.source import sha256_of

PATIENCE = timedelta(minutes=30)


@dataclass(frozen=True)
class Try:
    """A zip that is uploaded to a public phase. what: its name in the table."""

    phase: int
    what: str
    path: Path


def rehearse(
    session: Session,
    bundle: Bundle,
    tries: Iterable[Try],
    stand_in: Callable[[Phase, Path], Path | None],
) -> None:
    """Rehearse, print a table, and delete the copy. Raises ChallengeError for any difference.

    tries: the zips to upload. stand_in: writes a zip with a reference for a hidden phase into a
    folder; returns None if the bundle has the phase's own reference.
    """
    wrong = []
    with scratch_folder("rehearsal") as folder, _copy(session, bundle) as copy:
        for phase in bundle.phases:
            phases = in_order(session.server.get(f"competitions/{copy}/")["phases"])
            if phase.hidden:
                wrong += _hidden_phase(session, bundle, phase, phases, stand_in, folder)
            else:
                chosen = [one for one in tries if one.phase == phase.number]
                wrong += _public_phase(session, bundle, phase, phases, chosen)
    if wrong:
        raise ChallengeError("\n  - ".join(("the server and this machine differ", *wrong)))
    session.say("The rehearsal is finished without differences; its copy is deleted.")


def _public_phase(
    session: Session, bundle: Bundle, phase: Phase, phases: list[dict], tries: list[Try]
) -> Iterator[str]:
    """Open a public phase of the copy, upload the tries, and yield differences."""
    server, shown = session.server, phases[phase.number - 1]
    now = session.now()
    opened = {"start": (now - timedelta(hours=1)).isoformat()}
    opened["end"] = (now + timedelta(days=1)).isoformat()
    server.patch(f"phases/{shown['id']}/", opened)
    session.log(f"rehearsal: {phase.name} is open")
    sent: dict[int, Try] = {}
    for one in tries:
        number = session.state.rehearsal["competition"]
        key = upload_dataset(server, one.path, "submission", competition=number)
        _remember(session, key)
        sent[server.post("submissions/", {"data": key, "phase": shown["id"]})["id"]] = one
    found = wait_for(session, shown["id"], PATIENCE, phase.name)
    by_id = {submission.id: submission for submission in found}
    with local_scorer(bundle, phase) as scorer:
        for number, one in sent.items():
            difference = _compared(server, by_id.get(number), one.path, scorer.run(one.path))
            yield from _told(session, phase, one.what, difference)


def _hidden_phase(
    session: Session,
    bundle: Bundle,
    phase: Phase,
    phases: list[dict],
    stand_in: Callable[[Phase, Path], Path | None],
    folder: Path,
) -> Iterator[str]:
    """Move the submissions into a hidden phase of the copy, and yield differences."""
    server, before, after = session.server, phases[phase.number - 2], phases[phase.number - 1]
    reference = stand_in(phase, folder)
    if reference:
        key = upload_dataset(server, reference, "reference_data")
        _remember(session, key)
        point_task(session, after["tasks"][0]["id"], key)
    best = [s for s in list_submissions(server, before["id"]) if s.on_board]
    server.post(f"phases/{before['id']}/manually_migrate/")
    session.log(f"rehearsal: {phase.name} gets the submissions of {before['name']}")
    found = wait_for(session, after["id"], PATIENCE, phase.name)
    if len(found) != len(best):
        yield f"{phase.name}: {len(found)} submissions were moved, {len(best)} on the public board"
    with local_scorer(bundle, phase, reference) as scorer:
        for submission in found:
            path = folder / f"moved_{submission.id}.zip"
            details = server.get(f"submissions/{submission.id}/get_details/")
            server.fetch_file(details["data_file"], path)
            difference = _compared(server, submission, path, scorer.run(path))
            yield from _told(session, phase, "moved", difference)


def _compared(server: Server, submission: Submission | None, path: Path, run: Run) -> str:
    """Return the difference between a submission on the server and our run; empty if none."""
    if submission is None or not submission.ended:
        return "has not ended within half an hour; check that a worker is running"
    if submission.status != run.status:
        return f"is {submission.status} ({submission.reason}) there and {run.status} here"
    if run.finished:
        here = stored(run.scores)
        if submission.scores != here:
            return f"has the scores {_words(submission.scores)} there, {_words(here)} here"
        page = server.get(f"submissions/{submission.id}/get_detail_result/")
        return "" if page else "has no detailed page"
    if _is_bad_zip(path):  # the server stops before the scoring program, with its own message
        return ""
    there, here = _stderr(server, submission.id).strip(), run.stderr.strip()
    return "" if there == here else f"says {there!r} there, {here!r} here"


def _is_bad_zip(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return not archive.namelist()
    except zipfile.BadZipFile:
        return True


def _words(scores: dict) -> str:
    return ", ".join(f"{name} {value}" for name, value in scores.items())


def _stderr(server: Server, number: int) -> str:
    for log in server.get(f"submissions/{number}/get_details/")["logs"]:
        if log["name"] == "scoring_stderr":
            with scratch_folder("codabench") as folder:
                path = folder / "log"
                server.fetch_file(log["data_file"], path)
                return path.read_text(encoding="utf-8", errors="replace")
    return ""


def _told(session: Session, phase: Phase, what: str, difference: str) -> Iterator[str]:
    session.say(f"  {phase.name:<12}{what:<28}{difference or 'as here'}")
    if difference:
        yield f"{phase.name}, {what}: {difference}"


@contextmanager
def _copy(session: Session, bundle: Bundle) -> Iterator[int]:
    """Yield a second competition from the bundle; delete it at the end with all its files."""
    state = session.state
    _delete_copy(session)  # the copy of a rehearsal that was killed
    sha256 = sha256_of(bundle.path)
    state.rehearsal = {"upload": {}, "keys": []}
    number = send_bundle(session, bundle.path, sha256, state.rehearsal["upload"], "rehearsal ")
    state.rehearsal["competition"] = number
    state.save()
    try:
        title = f"Rehearsal. {bundle.keys['title']}"[:256]
        session.server.patch(f"competitions/{number}/", {"title": title, "whitelist_emails": []})
        yield number
    finally:
        _delete_copy(session)


def _remember(session: Session, key: str) -> None:
    """Keep the key of an uploaded file in the state, so that it can be deleted."""
    session.state.rehearsal["keys"].append(key)
    session.state.save()


def _delete_copy(session: Session) -> None:
    """Delete the competition, tasks and files of a rehearsal."""
    server, held = session.server, session.state.rehearsal
    if not held.get("competition"):
        return
    number = held["competition"]
    with suppress(ServerError):  # already deleted: its tasks and files are in the state
        held["tasks"], held["datasets"] = _belongings(server, server.get(f"competitions/{number}/"))
        session.state.save()
    server.delete(f"competitions/{number}/")
    for task in held.get("tasks", ()):
        server.delete(f"tasks/{task}/")
    ids = list(held.get("datasets", ()))
    for key in held.get("keys", ()):
        ids += [dataset["id"] for dataset in server.items("datasets/", key=key)]
    for dataset in ids:
        server.delete(f"datasets/{dataset}/")
    session.state.rehearsal = {}
    session.state.save()


def _belongings(server: Server, shown: dict[str, Any]) -> tuple[list[int], list[int]]:
    """Return the ids of the competition's tasks, and of the files from its bundle."""
    tasks, datasets, keys = set(), set(), set()
    for phase in shown["phases"]:
        datasets |= {phase[name]["id"] for name in ("starting_kit", "public_data") if phase[name]}
        for task in phase["tasks"]:
            tasks.add(task["id"])
            datasets |= {dataset["id"] for dataset in task.get("public_datasets", ())}
            keys |= {solution["data"] for solution in task["solutions"] if solution["data"]}
    for key in keys:
        datasets |= {dataset["id"] for dataset in server.items("datasets/", key=key)}
    for dataset in server.items("datasets/", _type="bundle"):
        if (dataset.get("competition") or {}).get("id") == shown["id"]:
            datasets.add(dataset["id"])
    return sorted(tasks), sorted(datasets)
