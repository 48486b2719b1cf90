"""Where randomness comes from: 128 bits a purpose, kept secret, or fixed for the demonstration.

A purpose is, say, "cycle1 train": the simulation of a cycle's train events. Each has bits of its
own, so that who learns one learns nothing of the others.
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
    """The demonstration's: anybody can make its data again, hidden labels included."""
    return blake2b(f"demonstration {purpose}".encode(), digest_size=SEED_BYTES).digest()


def kept_seeds(path: Path) -> Seeds:
    """Seeds from the operating system, drawn once a purpose and kept in `path` for the next run.

    The file is for its owner's eyes only. Raises ChallengeError where it can't be read or written.
    """

    def seeds(purpose: str) -> bytes:
        kept = _read(path)
        if purpose not in kept:
            kept[purpose] = secrets.token_bytes(SEED_BYTES)
            _write(path, kept)
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
            f"{path}: the seeds can't be read, put the file back or begin elsewhere ({reason})"
        ) from reason


def _write(path: Path, kept: dict[str, bytes]) -> None:
    text = json.dumps({purpose: seed.hex() for purpose, seed in kept.items()}, indent=1)
    write_text(path, text, private=True)
