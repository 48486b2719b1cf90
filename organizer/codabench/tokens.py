"""Get an account's token from the environment, the user's keyring, or a prompt.

The command line is not used, because other users of the machine can read it.
"""

from __future__ import annotations

import getpass
import os
import sys

import keyring
import keyring.errors

from lartpc_challenge.format import ChallengeError
from organizer.codabench.client import Server, ServerError

VARIABLES = {"organiser": "CODABENCH_TOKEN", "participant": "CODABENCH_PARTICIPANT_TOKEN"}


def find_token(url: str, who: str, *, ask: bool = True) -> str:
    """Return the token of `who` (a key of VARIABLES) for a server.

    ask: ask for name and password if stdin is a terminal. Raises ChallengeError without a token.
    """
    token = os.environ.get(VARIABLES[who], "").strip() or _from_keyring(url, who)
    if not token and ask and sys.stdin.isatty():
        token = ask_token(url, who)
    if not token:
        raise ChallengeError(
            f"no token of the {who}: set {VARIABLES[who]}, or run `python -m organizer.codabench "
            f"login` in a terminal once, which stores it in your keyring"
        )
    return token


def ask_token(url: str, who: str) -> str:
    """Ask for name and password in the terminal; return the server's token."""
    name = input(f"{url}, user name of the {who}: ")
    request = {"username": name, "password": getpass.getpass("password: ")}
    try:
        with Server(url) as server:
            return server.post("api-token-auth/", request)["token"]
    except ServerError as problem:
        if problem.status != 400:
            raise
        raise ChallengeError(
            f"{url}: refuses this name and password; an account made through GitHub has no "
            "password: set one on the site first (Forgot password)"
        ) from None


def keep_token(url: str, who: str, token: str) -> bool:
    """Store a token in the user's keyring; return False if there is no keyring."""
    try:
        keyring.set_password(f"lartpc-challenge {url}", who, token)
    except (keyring.errors.KeyringError, RuntimeError):
        return False
    return True


def _from_keyring(url: str, who: str) -> str:
    try:
        return keyring.get_password(f"lartpc-challenge {url}", who) or ""
    except (keyring.errors.KeyringError, RuntimeError):
        return ""
