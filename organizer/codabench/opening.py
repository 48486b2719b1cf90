"""The command open: give a hidden phase its truth, move the submissions, and check the result.

The next steps are always derived from the state of the server. So `open` can be stopped anywhere
and run again, and it does nothing if everything is correct. It works at any time after the end of
the public phase and needs no automatic migration. If the server has moved submissions before the
truth was there, they have failed, and are run again.

The server does not show which submissions of a hidden phase were moved there. They are those with
the same file as their owner's submission on the public board. A submission with another file was
uploaded into the hidden phase, which servers before 1.31 allow at any time, perhaps with knowledge
of the truth. It is deleted, because the server would put the better one on the board; the backup
keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from lartpc_challenge.format import ChallengeError
from organizer.codabench.backup import Backup, backup
from organizer.codabench.bundle import Bundle
from organizer.codabench.local import Scorer, local_scorer
from organizer.codabench.session import Session, parse_time
from organizer.codabench.submissions import Submission, cancel, list_submissions, rerun, wait_for
from organizer.codabench.transfer import upload_dataset
from organizer.competition import Phase
from organizer.source import sha256_of

MOST_RUNS = 4
_GRACE = timedelta(minutes=1)  # a submission of the last second arrives a little later


@dataclass(frozen=True)
class Opening:
    """The options of opening a phase.

    folder: of the backup. patience: time after which a run counts as stuck. keep_uploads: keep
    submissions that were uploaded into the hidden phase. drop_late: delete submissions that were
    uploaded into the public phase after its end. early: open it before the public phase has ended.
    """

    phase: Phase
    reference: Path
    folder: Path
    patience: timedelta = timedelta(hours=1)
    keep_uploads: bool = False
    drop_late: bool = False
    early: bool = False

    @property
    def numbers(self) -> list[int]:
        """The numbers of the public and of the hidden phase."""
        return [self.phase.number - 1, self.phase.number]


@dataclass
class Place:
    """A participant of the public board in the hidden phase. problem: empty if there is none."""

    owner: str
    public: Submission
    scores: dict[str, Decimal] = field(default_factory=dict)
    problem: str = ""


def open_phase(session: Session, opening: Opening) -> list[Place]:
    """Open a hidden phase, and print the state of each participant of the public board there.

    Raises ChallengeError if that fails, or if a participant is missing or has a wrong score.
    """
    bundle, hidden = session.bundle(), opening.phase
    if not hidden.hidden:
        raise ChallengeError(
            f"phase {hidden.number} ({hidden.name}) is not hidden; nothing to open"
        )
    shown = session.phases()
    before, after = shown[hidden.number - 2], shown[hidden.number - 1]
    if before["status"] != "Previous" and not opening.early:
        raise ChallengeError(
            f"{before['name']} is open until {before['end']}; open {hidden.name} after that (or "
            "now with --early: then later submissions do not count)"
        )
    settle(session, before, opening)
    see_to_late(session, before, parse_time(before["end"]), opening)
    set_reference(session, hidden, after, opening.reference)
    with local_scorer(bundle, hidden, opening.reference) as scorer:
        places = _bring_right(session, before, after, scorer, opening)
    _report(session, bundle, hidden, after, places)
    session.state.opened[str(hidden.number)] = f"{session.now():%Y-%m-%d %H:%M}"
    session.state.save()
    return places


def settle(session: Session, phase: dict, opening: Opening) -> None:
    """Wait for the phase's runs; cancel the stuck ones and run them once more.

    The server does not move submissions while one of them has not ended.
    """
    while True:
        found = wait_for(session, phase["id"], opening.patience, phase["name"])
        stuck = [submission for submission in found if not submission.ended]
        if not stuck:
            return
        kept = backup(session, opening.folder, opening.numbers)
        for submission in stuck:
            cancel(session.server, submission)
            session.log(f"{phase['name']}: cancelled {_called(submission)}, {submission.status}")
            same = [s for s in found if _same_file(kept, s, submission)]
            if len(same) == 1:  # it has not been run a second time
                number = rerun(session.server, submission)
                session.log(f"{phase['name']}: runs it once more as submission {number}")


def _same_file(kept: Backup, one: Submission, other: Submission) -> bool:
    """Return whether both are runs of the same file of the same participant."""
    sha256 = kept.sha256(one.id)
    same = sha256 is not None and sha256 == kept.sha256(other.id)
    return one.id == other.id or (same and one.owner == other.owner)


def see_to_late(session: Session, phase: dict, end: datetime, opening: Opening) -> None:
    """Report submissions after the phase's end, which servers before 1.31 accept and score.

    They are deleted only with drop_late, because on such a server everybody can change the phase's
    end. If a deletion removed a participant from the board, the best remaining submission is run
    again.
    """
    kept = backup(session, opening.folder, opening.numbers)
    found = list_submissions(session.server, phase["id"])

    def is_late(submission: Submission) -> bool:  # a rerun counts from the upload of the original
        return all(s.created > end + _GRACE for s in found if _same_file(kept, s, submission))

    late = [submission for submission in found if is_late(submission)]
    for submission in late:
        if opening.drop_late:
            _delete(session, submission, kept, f"{phase['name']}: it came after the end")
        else:
            session.log(
                f"{phase['name']}: {_called(submission)} came after the end and counts; with "
                "--drop-late it is deleted"
            )
    left = [s for s in found if not (opening.drop_late and s in late)]
    _restore(session, phase, left, kept, opening)


def _restore(
    session: Session, phase: dict, found: list[Submission], kept: Backup, opening: Opening
) -> None:
    """Run again the best submission of each participant who is no longer on the board.

    The server removes participants from the board when their submission there is deleted. A
    submission that does not get onto the board is run at most MOST_RUNS times.
    """
    placed = {submission.owner for submission in found if submission.on_board}
    scored = [s for s in found if s.finished and s.scores and s.owner not in placed]
    restored = False
    for owner in dict.fromkeys(submission.owner for submission in scored):
        own = [submission for submission in scored if submission.owner == owner]
        best = max(own, key=lambda s: (*s.scores.values(), -s.id))
        if len([s for s in found if _same_file(kept, s, best)]) < MOST_RUNS:
            number = rerun(session.server, best)
            session.log(
                f"{phase['name']}: {owner} is not on the board; runs {_called(best)} once more as "
                f"{number}"
            )
            restored = True
    if restored:
        wait_for(session, phase["id"], opening.patience, phase["name"])


def set_reference(session: Session, phase: Phase, shown: dict, reference: Path) -> None:
    """Upload the truth, unless the server has it, and give it to the phase's task."""
    server, sha256 = session.server, sha256_of(reference)
    known = session.state.references.get(str(phase.number), {})
    if known.get("sha256") != sha256:
        number = session.state.competition
        name = f"truth of phase {phase.number}, competition {number}, {sha256[:16]}"
        key = upload_dataset(server, reference, "reference_data", name=name)
        session.state.references[str(phase.number)] = {"key": key, "sha256": sha256}
        session.state.save()
        session.log(f"{phase.name}: uploaded {reference}")
    key, task_id = session.state.references[str(phase.number)]["key"], shown["tasks"][0]["id"]
    if point_task(session, task_id, key):
        session.log(f"{phase.name}: task {task_id} now has the true reference")


def point_task(session: Session, task_id: int, key: str) -> bool:
    """Give a task another reference; return False if it has it already.

    All fields must be sent: the server removes those that are missing.
    """
    server = session.server
    task = server.get(f"tasks/{task_id}/")
    if task["reference_data"] and task["reference_data"]["key"] == key:
        return False
    kept = {name: task[name]["key"] for name in ("input_data", "ingestion_program") if task[name]}
    server.patch(f"tasks/{task_id}/", {**kept, "reference_data": key})
    found = server.get(f"tasks/{task_id}/")["reference_data"]
    if not found or found["key"] != key:
        raise ChallengeError(f"{server.url}: task {task_id} did not take the reference {key}")
    return True


def _bring_right(
    session: Session, before: dict, after: dict, scorer: Scorer, opening: Opening
) -> list[Place]:
    """Repeat the next steps in the hidden phase until nothing is left to do."""
    has_moved = False
    while True:
        found = wait_for(session, after["id"], opening.patience, after["name"])
        kept = backup(session, opening.folder, opening.numbers)
        turn = _Turn(session, scorer, kept, opening, after)
        public = _origins(session, before, found, kept)
        turn.drop_uploads(found, public)
        places = [turn.see_to(submission, found) for submission in public]
        if turn.to_move and not has_moved:
            session.server.post(f"phases/{before['id']}/manually_migrate/")
            session.log(f"{after['name']}: moves the submissions of {before['name']}")
            has_moved = turn.did_something = True
        if not turn.did_something:
            return sorted(places, key=lambda place: [-value for value in place.scores.values()])


def _origins(
    session: Session, before: dict, found: list[Submission], kept: Backup
) -> list[Submission]:
    """Return the submissions that belong into the hidden phase: one per participant.

    It is the participant's submission on the public board; if there is none, the one that was moved
    before it was deleted.
    """
    public = [s for s in list_submissions(session.server, before["id"]) if s.on_board]
    owners = {submission.owner for submission in public}
    for submission, _ in kept.read():
        if submission.phase != before["id"] or submission.owner in owners:
            continue
        if any(_same_file(kept, submission, moved) for moved in found):
            owners.add(submission.owner)
            public.append(submission)
            session.log(
                f"{before['name']}: {_called(submission)} left the board after it was moved"
            )
    return public


@dataclass
class _Turn:
    """One pass over all submissions of a hidden phase."""

    session: Session
    scorer: Scorer
    kept: Backup
    opening: Opening
    phase: dict
    to_move: bool = False
    did_something: bool = False

    def drop_uploads(self, found: list[Submission], public: list[Submission]) -> None:
        """Delete submissions that do not belong here, if the backup has their files."""
        for submission in found:
            if any(_same_file(self.kept, submission, origin) for origin in public):
                continue
            if self.opening.keep_uploads or self.kept.sha256(submission.id) is None:
                self.session.log(f"{self.phase['name']}: {_called(submission)} was uploaded there")
                continue
            what = f"{self.phase['name']}: it was uploaded there, or is not the one that counts"
            _delete(self.session, submission, self.kept, what)
            self.did_something = True

    def see_to(self, public: Submission, found: list[Submission]) -> Place:
        """Do the next step for one participant, and return the present state."""
        place, path = Place(public.owner, public), self.kept.path(public.id)
        if path is None:
            place.problem = "its file is not in the backup"
            return place
        expected = place.scores = self.scorer.scores(path)
        runs = [s for s in found if _same_file(self.kept, s, public)]
        right = [s for s in runs if s.finished and s.scores == expected]
        if not expected:
            place.problem = f"our scorer refuses it: {self.scorer.run(path).reason}"
        elif not runs:
            self.to_move = True
            place.problem = "it has not been moved; perhaps it was moved and then deleted"
        elif any(not s.ended for s in runs):
            self._cancel([s for s in runs if not s.ended])
        elif not right and len(runs) < MOST_RUNS:
            self._rerun(runs[-1])
        elif not right:
            place.problem = f"{runs[-1].status} {len(runs)} times: {runs[-1].reason}"
        else:
            self._clean(place, runs, right)
        return place

    def _clean(self, place: Place, runs: list[Submission], right: list[Submission]) -> None:
        """Ensure one correct submission on the board and no finished one with another score."""
        wrong = [s for s in runs if s.finished and s not in right]
        for submission in wrong:
            _delete(self.session, submission, self.kept, f"{self.phase['name']}: not our score")
            self.did_something = True
        if not wrong and not any(s.on_board for s in right):
            if len(runs) < MOST_RUNS:
                self._rerun(right[-1])
            else:
                place.problem = "its score is correct, but it does not get onto the board"

    def _cancel(self, runs: list[Submission]) -> None:
        for submission in runs:
            cancel(self.session.server, submission)
            self.session.log(f"{self.phase['name']}: cancelled {_called(submission)}")
            self.did_something = True

    def _rerun(self, submission: Submission) -> None:
        number = rerun(self.session.server, submission)
        self.session.log(
            f"{self.phase['name']}: runs {_called(submission)} ({submission.status}) once more as "
            f"{number}"
        )
        self.did_something = True


def _delete(session: Session, submission: Submission, kept: Backup, why: str) -> None:
    """Delete a submission from the server if the backup has its file."""
    path = kept.path(submission.id)
    if path is None:
        session.log(f"{why}; {_called(submission)} is kept, because the backup has no file of it")
        return
    if not submission.ended:
        cancel(session.server, submission)
    session.server.delete(f"submissions/{submission.id}/")
    kept.submissions[str(submission.id)]["deleted"] = f"{session.now():%Y-%m-%d %H:%M}, {why}"
    kept.save()
    session.log(f"{why}; deleted {_called(submission)}, {path} keeps it")


def _called(submission: Submission) -> str:
    return f"submission {submission.id} of {submission.owner}"


def _report(
    session: Session, bundle: Bundle, phase: Phase, shown: dict, places: list[Place]
) -> None:
    """Print the table. Raises ChallengeError if a participant is missing or has a wrong score."""
    columns = bundle.columns
    wide = max([len(place.owner) for place in places] + [11])
    session.say(f"{'participant':<{wide}}{''.join(f'{c:>14}' for c in columns)}  in {phase.name}")
    for place in places:
        scores = "".join(f"{place.scores.get(c, Decimal('nan')):>14.10f}" for c in columns)
        session.say(f"{place.owner:<{wide}}{scores}  {place.problem or 'right'}")
    wrong = [place.owner for place in places if place.problem]
    if wrong:
        raise ChallengeError(
            f"{phase.name}: not correct yet: {', '.join(wrong)}; see the table above"
        )
    board = session.server.get(f"phases/{shown['id']}/get_leaderboard/")["submissions"]
    if len(board) != len(places):
        raise ChallengeError(
            f"{phase.name}: {len(board)} lines on its board, {len(places)} participants on the "
            "public one"
        )
    session.log(f"{phase.name} is open: {len(board)} participants, all scores are our own scorer's")


def hidden_reference(bundle: Bundle, phase: Phase, folder: Path | None = None) -> Path:
    """Return the zip with the truth of a hidden phase, in the bundle's folder or in `folder`."""
    folder = folder or bundle.path.parent / "hidden_references"
    path = folder / f"reference_phase{phase.number}.zip"
    if not path.is_file():
        raise ChallengeError(
            f"{path}: no such file; `make bundle HIDDEN=placeholder` writes it next to the bundle "
            "(give its folder with --references)"
        )
    return path
