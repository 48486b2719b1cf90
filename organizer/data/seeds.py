"""Draw and keep the seeds: 128 bits per purpose, secret, or fixed for the demonstration.

A purpose is a text, for example "cycle1 train" for the simulation of the train events of cycle 1.
Seeds are independent: one seed reveals nothing about the others.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from lartpc_challenge.files import write_text
from lartpc_challenge.format import ChallengeError

SEED_BYTES = 16
Seeds = Callable[[str], bytes]  # purpose -> 16 bytes


def fixed_seeds(purpose: str) -> bytes:
    """Return the demonstration's seed of a purpose. Anybody can make its data and labels again."""
    return blake2b(f"demonstration {purpose}".encode(), digest_size=SEED_BYTES).digest()


def kept_seeds(path: Path) -> Seeds:
    """Return seeds from the operating system, drawn once per purpose and kept in the file `path`.

    Only the owner can read the file. The result raises ChallengeError if the file can't be read or
    written.
    """

    def seeds(purpose: str) -> bytes:
        kept = _read(path)
        if purpose not in kept:
            kept[purpose] = secrets.token_bytes(SEED_BYTES)
            text = {purpose: seed.hex() for purpose, seed in kept.items()}
            write_text(path, json.dumps(text, indent=1), private=True)
        return kept[purpose]

    return seeds


def _read(path: Path) -> dict[str, bytes]:
    if not path.exists():
        return {}
    try:
        kept = json.loads(path.read_text())
        return {purpose: bytes.fromhex(seed) for purpose, seed in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError) as reason:
        raise ChallengeError(
            f"{path}: the seeds can't be read, restore the file or use another folder ({reason})"
        ) from reason
