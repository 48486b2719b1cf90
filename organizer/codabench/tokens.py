"""Where an account's token comes from: the environment, the user's keyring, or a prompt.

Never from the command line, which every user of the machine can read, nor from a file here.
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
    """The token of `who`, a key of VARIABLES, for a server. ChallengeError where nobody gives one.

    ask: for name and password, where somebody sits at a terminal.
    """
    token = os.environ.get(VARIABLES[who], "").strip() or _from_keyring(url, who)
    if not token and ask and sys.stdin.isatty():
        token = ask_token(url, who)
    if not token:
        raise ChallengeError(
            f"no token of the {who}: set {VARIABLES[who]}, or run `python -m organizer.codabench "
            f"login` once in a terminal, which keeps it in your keyring"
        )
    return token


def ask_token(url: str, who: str) -> str:
    """The token that the server gives for a name and a password typed in a terminal."""
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
    """Put a token into the user's keyring; False where there is none."""
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
