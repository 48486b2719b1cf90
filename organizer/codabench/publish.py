"""The command publish: make the competition visible, after a last comparison with the bundle."""

from __future__ import annotations

from lartpc_challenge.format import ChallengeError
from organizer.codabench.session import Session
from organizer.codabench.upload import report_differences


def publish(session: Session) -> None:
    """Publish the competition if it is not published. The server can only toggle this state."""
    report_differences(session, session.bundle())
    number = session.state.need_competition()
    if not session.competition()["published"]:
        session.server.post(f"competitions/{number}/toggle_publish/")
    if not session.competition()["published"]:
        raise ChallengeError(f"{session.server.url}: competition {number} is still not published")
    session.say(f"{session.server.url}/competitions/{number}/ is published")
