"""open: gives a hidden phase its truth, moves the submissions, and sees to it that all is right.

What has to be done is read from the server each time, never remembered, so that `open` can be
stopped anywhere and run again, and finds nothing to do when all is right. It works at any time
after the end of the public phase and needs no automatic migration; where the server has moved
submissions by itself before the truth was there, they have failed, and are run again.

The server does not say which submissions of a hidden phase were moved there. Those are the ones
with the same file as their owner's submission on the public board. What has another file was
uploaded into the hidden phase, which servers before 1.31 allow at any time, perhaps with the truth
at hand. It is deleted, since the server would put the better one on the board; the backup keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from lartpc_challenge.format import ChallengeError
from organizer.codabench.backup import Backup, backup
from organizer.codabench.bundle import Bundle, sha256_of
from organizer.codabench.local import Scorer, local_scorer
from organizer.codabench.session import Session, parse_time
from organizer.codabench.submissions import (
    Submission,
    cancel,
    list_submissions,
    read_submission,
    rerun,
    wait_for,
)
from organizer.codabench.transfer import upload_dataset
from organizer.competition import Phase

MOST_RUNS = 4
_GRACE = timedelta(minutes=1)  # a submission sent in the last second arrives a little later


@dataclass(frozen=True)
class Opening:
    """What to open. folder: where the backup lies. patience: after which a run counts as stuck.

    keep_uploads: leave what was uploaded into the hidden phase. drop_late: delete what was uploaded
    into the public phase after its end. early: although the public phase is still open.
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
        """The public phase's number and the hidden one's."""
        return [self.phase.number - 1, self.phase.number]


@dataclass
class Place:
    """A participant of the public board in the hidden phase. problem: empty if all is right."""

    owner: str
    public: Submission
    scores: dict[str, Decimal] = field(default_factory=dict)
    problem: str = ""


def open_phase(session: Session, opening: Opening) -> list[Place]:
    """Open a hidden phase, and say how each participant of the public board stands there.

    ChallengeError where that can't be done, or where not everybody stands there as he should.
    """
    bundle, hidden = session.bundle(), opening.phase
    if not hidden.hidden:
        raise ChallengeError(
            f"phase {hidden.number} ({hidden.name}) is not hidden; nothing to open"
        )
    shown = sorted(session.competition()["phases"], key=lambda phase: phase["index"])
    before, after = shown[hidden.number - 2], shown[hidden.number - 1]
    has_ended = before["status"] == "Previous"
    if not has_ended and not opening.early:
        raise ChallengeError(
            f"{before['name']} is open until {before['end']}; {hidden.name} can be opened after "
            "that (--early does it now, and what comes later does not count)"
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
    """Wait for the phase's runs; cancel what is stuck, and run it once more, that nothing is lost.

    One submission that never ends keeps the server from ever moving the others by itself.
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
    """Whether both are runs of one file of one participant; one without a file is only itself."""
    sha256 = kept.sha256(one.id)
    same = sha256 is not None and sha256 == kept.sha256(other.id)
    return one.id == other.id or (same and one.owner == other.owner)


def see_to_late(session: Session, phase: dict, end: datetime, opening: Opening) -> None:
    """Tell what came after the phase's end, which servers before 1.31 take and score.

    With drop_late it is deleted. Not without being asked to: on such a server everybody can change
    the phase's end. Whoever has no place on the board after a deletion, by whomever, gets it back.
    """
    kept = backup(session, opening.folder, opening.numbers)
    found = list_submissions(session.server, phase["id"])

    def is_late(submission: Submission) -> bool:  # a rerun is as old as what it runs again
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
    """Run again the best of those whose submission on the board was deleted: the server drops them.

    A submission that does not come onto the board is run MOST_RUNS times at most.
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
    """Upload the truth, unless it is there, and give it to the phase's task."""
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
        session.log(f"{phase.name}: task {task_id} has the true reference now")


def point_task(session: Session, task_id: int, key: str) -> bool:
    """Give a task another reference; False where it has it. The server drops what is not named."""
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
    """Do what is to be done in the hidden phase until nothing is."""
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
    """What must stand in the hidden phase: one submission of each participant.

    That is his on the public board; without one there, what was moved before it was deleted.
    """
    public = [s for s in list_submissions(session.server, before["id"]) if s.on_board]
    owners = {submission.owner for submission in public}
    for entry in kept.submissions.values():
        if entry["phase"] != before["id"] or entry["owner"] in owners:
            continue
        submission = read_submission(entry)
        if any(_same_file(kept, submission, moved) for moved in found):
            owners.add(submission.owner)
            public.append(submission)
            session.log(
                f"{before['name']}: {_called(submission)} left the board after it was moved"
            )
    return public


@dataclass
class _Turn:
    """One look at all submissions of a hidden phase."""

    session: Session
    scorer: Scorer
    kept: Backup
    opening: Opening
    phase: dict
    to_move: bool = False
    did_something: bool = False

    def drop_uploads(self, found: list[Submission], public: list[Submission]) -> None:
        """Delete what is no copy of what must stand here; what the backup has no file of stays."""
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
        """Look at one participant, and do the next thing that is to be done for him."""
        place, path = Place(public.owner, public), self.kept.path(public.id)
        if path is None or not path.is_file():
            place.problem = "its file is not in the backup"
            return place
        expected = place.scores = self.scorer.scores(path)
        runs = [s for s in found if _same_file(self.kept, s, public)]
        right = [s for s in runs if s.finished and s.scores == expected]
        if not expected:
            place.problem = f"our scorer refuses it: {self.scorer.run(path).reason}"
        elif not runs:
            self.to_move = True
            place.problem = "it has not been moved; was it moved once and deleted?"
        elif any(not s.ended for s in runs):  # all others have been waited for
            self._cancel([s for s in runs if not s.ended])
        elif not right and len(runs) < MOST_RUNS:
            self._rerun(runs[-1])
        elif not right:
            place.problem = f"{runs[-1].status} {len(runs)} times: {runs[-1].reason}"
        else:
            self._clean(place, runs, right)
        return place

    def _clean(self, place: Place, runs: list[Submission], right: list[Submission]) -> None:
        """One right submission on the board and no finished one with another score."""
        wrong = [s for s in runs if s.finished and s not in right]
        for submission in wrong:
            _delete(self.session, submission, self.kept, f"{self.phase['name']}: not our score")
            self.did_something = True
        if not wrong and not any(s.on_board for s in right):
            if len(runs) < MOST_RUNS:
                self._rerun(right[-1])
            else:
                place.problem = "it is scored rightly but does not come onto the board"

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
    """Delete a submission from the server, if the backup keeps its file."""
    path = kept.path(submission.id)
    if path is None or not path.is_file():
        session.log(f"{why}; {_called(submission)} stays, since the backup has no file of it")
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
    """The table; ChallengeError where somebody does not stand on the board as he should."""
    columns = [c["key"] for c in bundle.competition["leaderboards"][0]["columns"]]
    wide = max([len(place.owner) for place in places] + [11])
    session.say(f"{'participant':<{wide}}{''.join(f'{c:>14}' for c in columns)}  in {phase.name}")
    for place in places:
        scores = "".join(f"{place.scores.get(c, Decimal('nan')):>14.10f}" for c in columns)
        session.say(f"{place.owner:<{wide}}{scores}  {place.problem or 'right'}")
    wrong = [place.owner for place in places if place.problem]
    if wrong:
        raise ChallengeError(
            f"{phase.name}: not right yet: {', '.join(wrong)}; see the table above"
        )
    board = session.server.get(f"phases/{shown['id']}/get_leaderboard/")["submissions"]
    if len(board) != len(places):
        raise ChallengeError(
            f"{phase.name}: {len(board)} lines on its board, {len(places)} participants on the "
            "public one"
        )
    session.log(f"{phase.name} is open: {len(board)} participants, all scores are our own scorer's")


def held_back(bundle: Bundle, phase: Phase, folder: Path | None = None) -> Path:
    """The zip with the truth of a hidden phase, which make bundle wrote beside the bundle."""
    folder = folder or bundle.path.parent / "hidden_references"
    path = folder / f"reference_phase{phase.number}.zip"
    if not path.is_file():
        raise ChallengeError(
            f"{path}: no such file; it is what `make bundle HIDDEN=placeholder` wrote beside the "
            "bundle (give its folder with --references)"
        )
    return path
