"""Upload a zip: ask the server for an address, send the bytes, confirm the upload."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lartpc_challenge.format import ChallengeError
from organizer.codabench.client import Server


def check_quota(server: Server, n_bytes: int) -> None:
    """Raise ChallengeError if the account has not enough space for `n_bytes`."""
    quota = server.get("user_quota/")
    free = float(quota["quota"]) * 1000**3 - float(quota["storage_used"])
    if n_bytes > free:
        raise ChallengeError(
            f"{server.url}: the account has {max(free, 0) / 1e6:.0f} MB left of "
            f"{quota['quota']} GB, {n_bytes / 1e6:.0f} MB are needed; remove something under "
            "Resources, or ask the server's administrators for more"
        )


def find_dataset(server: Server, name: str) -> dict[str, Any] | None:
    """Return the account's dataset with this name, or None."""
    for dataset in server.items("datasets/", name=name):
        if dataset["name"] == name:
            return dataset
    return None


def new_dataset(
    server: Server, path: Path, kind: str, name: str, competition: int | None = None
) -> tuple[str, str]:
    """Create a dataset for a zip; return its key and a signed URL for the upload.

    kind: the server's type, for example "submission". name: unique in the account, or empty: then
    the server names it. competition: id of the competition that a submission is for. An incomplete
    dataset of the same name is deleted.
    """
    request = {
        "type": kind,
        "request_sassy_file_name": path.name,
        "file_name": path.name,
        "file_size": path.stat().st_size,
    }
    if name:
        left = find_dataset(server, name)
        if left:
            server.delete(f"datasets/{left['id']}/")
        request["name"] = name
    if competition:
        request["competition"] = competition
    answer = server.post("datasets/", request)
    return answer["key"], answer["sassy_url"]


def upload_dataset(
    server: Server, path: Path, kind: str, *, name: str = "", competition: int | None = None
) -> str:
    """Upload a zip and return its key. kind, name, competition: as in `new_dataset`."""
    key, url = new_dataset(server, path, kind, name, competition)
    server.send_file(url, path, progress_bar(path))
    server.put(f"datasets/completed/{key}/")
    return key


def progress_bar(path: Path) -> Callable[[int], None]:
    """Return a function that shows the progress of an upload in a terminal."""
    size = path.stat().st_size
    if size < 1 << 22 or not sys.stderr.isatty():
        return lambda sent: None

    def show(sent: int) -> None:
        end = "\n" if sent == size else ""
        print(f"\r{path.name}: {sent / 1e6:.0f} of {size / 1e6:.0f} MB", end=end, file=sys.stderr)

    return show
