"""The commands upload and publish: upload a bundle, compare it, make it visible."""

from __future__ import annotations

from pathlib import Path

from lartpc_challenge.format import ChallengeError
from organizer.codabench.bundle import Bundle, read_bundle
from organizer.codabench.client import ServerError
from organizer.codabench.compare import differences
from organizer.codabench.session import Session
from organizer.codabench.transfer import check_quota, find_dataset, new_dataset, progress_bar
from organizer.competition import Competition
from organizer.source import sha256_of

UNPACKING_SECONDS = 3600
POLL_SECONDS = 3


def upload(session: Session, path: Path, declared: Competition, *, replace: bool = False) -> None:
    """Upload a bundle, or continue an upload, and compare the competition on the server with it.

    declared: the competition of the bundle. replace: forget another bundle that was uploaded
    before. Raises ChallengeError if the server refuses the bundle, if the competition differs from
    it, or if another one was uploaded before.
    """
    bundle, state = read_bundle(path, declared), session.state
    sha256 = sha256_of(path)
    if state.competition and state.bundle_sha256 != sha256 and not replace:
        raise ChallengeError(
            f"{state.path}: has competition {state.competition} of another bundle; --replace "
            "forgets it (it stays on the server until you delete it)"
        )
    if state.bundle_sha256 != sha256 or replace:
        state.competition, state.upload = 0, {}
        state.references, state.opened = {}, {}
        state.bundle_sha256 = sha256
    state.server, state.bundle = session.server.url, str(path.resolve())
    state.declaration = str(declared.path.resolve())
    if not state.competition:
        state.competition = send_bundle(session, path, sha256, state.upload)
        state.upload = {}
    state.save()
    session.say(f"{session.server.url}/competitions/{state.competition}/ holds {path}")
    report_differences(session, bundle)


def report_differences(session: Session, bundle: Bundle) -> None:
    """Print that the server shows the bundle. Raises ChallengeError with all differences."""
    found = differences(session.server, session.competition(), bundle, session.state.references)
    if found.different:
        raise ChallengeError(
            "\n  - ".join(
                ("the competition on the server differs from the bundle", *found.different)
            )
        )
    session.say(f"The server agrees with the bundle: {found.n_same} values compared.")
    for sentence in found.unchecked:
        session.say(f"Not compared: {sentence}")


def publish(session: Session) -> None:
    """Compare once more and publish the competition. The server can only toggle this state."""
    report_differences(session, session.bundle())
    number = session.state.need_competition()
    if not session.competition()["published"]:
        session.server.post(f"competitions/{number}/toggle_publish/")
    if not session.competition()["published"]:
        raise ChallengeError(f"{session.server.url}: competition {number} is still not published")
    session.say(f"{session.server.url}/competitions/{number}/ is published")


def send_bundle(session: Session, path: Path, sha256: str, upload: dict, kind: str = "") -> int:
    """Upload a bundle and wait until it is unpacked; return the id of the new competition.

    upload: the progress, kept in the state; an interrupted upload is continued or repeated. kind: a
    word in the bundle's name on the server, in addition to its sha256.
    """
    server, name = session.server, f"{path.stem} {kind}{sha256[:16]}"
    if not upload.get("status_id"):
        made = find_dataset(server, name)  # by an interrupted upload
        if made and made.get("competition"):
            return made["competition"]["id"]
        check_quota(server, 2 * path.stat().st_size)  # the bundle and its unpacked files
        key, url = new_dataset(server, path, "competition_bundle", name)
        server.send_file(url, path, progress_bar(path))
        upload["status_id"] = server.put(f"datasets/completed/{key}/")["status_id"]
        session.state.save()
    return _unpacked(session, upload)


def _unpacked(session: Session, upload: dict) -> int:
    """Wait until the bundle is unpacked. Raises ChallengeError if the server refuses it."""
    for waited in range(0, UNPACKING_SECONDS, POLL_SECONDS):
        try:
            status = session.server.get(f"competitions/{upload['status_id']}/creation_status/")
        except ServerError as problem:
            if problem.status == 404:
                upload.clear()
                session.state.save()
            raise
        if status["status"] == "Finished":
            return status["resulting_competition"]
        if status["status"] == "Failed":
            upload.clear()
            session.state.save()
            raise ChallengeError(f"{session.server.url}: refuses the bundle: {status['details']}")
        if waited % 60 == 0:
            session.log("waits for the server to unpack the bundle")
        session.sleep(POLL_SECONDS)
    raise ChallengeError(
        f"{session.server.url}: has not unpacked the bundle within {UNPACKING_SECONDS // 60} "
        "minutes; run upload again to wait longer"
    )
