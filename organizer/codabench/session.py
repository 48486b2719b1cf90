"""The session of a command: the server, the state, the time, and output for the user."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from operator import itemgetter
from pathlib import Path

from lartpc_challenge.format import ChallengeError
from organizer.codabench.bundle import Bundle, read_bundle
from organizer.codabench.client import Server
from organizer.codabench.state import State
from organizer.competition import read_competition
from organizer.source import sha256_of


@dataclass
class Session:
    """The session of a command. now, sleep: the clock; tests simulate it. say: prints a line."""

    server: Server
    state: State
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    sleep: Callable[[float], None] = time.sleep
    say: Callable[[str], None] = print

    def log(self, line: str) -> None:
        """Print a line with the time before it."""
        self.say(f"{self.now():%Y-%m-%d %H:%M:%S} {line}")

    def bundle(self) -> Bundle:
        """Return the uploaded bundle. Raises ChallengeError if the file has changed since."""
        self.state.need_competition()
        path = Path(self.state.bundle)
        bundle = read_bundle(path, read_competition(Path(self.state.declaration)))
        if sha256_of(path) != self.state.bundle_sha256:
            raise ChallengeError(
                f"{path}: is not the uploaded bundle; restore that one (sha256 "
                f"{self.state.bundle_sha256})"
            )
        return bundle

    def competition(self) -> dict:
        """Return the server's present data of the competition."""
        return self.server.get(f"competitions/{self.state.need_competition()}/")

    def phases(self) -> list[dict]:
        """Return the server's present data of the phases, in order."""
        return in_order(self.competition()["phases"])


def in_order(items: Iterable[dict]) -> list[dict]:
    """Return the server's phases, pages or columns in the order of their index."""
    return sorted(items, key=itemgetter("index"))


def parse_time(text: str) -> datetime:
    """Parse a time of the server: ISO 8601, UTC if it has no time zone."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
