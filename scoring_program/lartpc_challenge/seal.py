"""Seals: a digest at the end of a file, by which its readers notice that a byte has changed.

HDF5 hangs, crashes or reads other values where its own bookkeeping is damaged, and a checkpoint
gives other weights. So readers check a file's seal before anything else reads the file. A seal is
    16 bytes  MAGIC
    32 bytes  BLAKE2b (RFC 7693) of all bytes before the seal
Readers of HDF5 files and of zips, PyTorch's checkpoints included, ignore bytes after the end.

A seal tells of damage, not of forgery: whoever changes a file on purpose can seal it again.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import IO

MAGIC = b"LArTPC seal v1\r\n"
_DIGEST_BYTES = 32
SEAL_BYTES = len(MAGIC) + _DIGEST_BYTES
_BLOCK_BYTES = 1 << 20


def append_seal(file: IO[bytes]) -> None:
    """Seal a file that is open for reading and writing."""
    n_bytes = file.seek(0, 2)
    seal = MAGIC + _digest(file, n_bytes)
    file.seek(n_bytes)
    file.write(seal)


def seal(path: Path) -> None:
    """Seal the file at `path` as it is; an earlier seal is replaced."""
    with open(path, "r+b") as file:
        if has_seal(file):
            file.truncate(file.seek(-SEAL_BYTES, 2))
        append_seal(file)


def has_seal(file: IO[bytes]) -> bool:
    """Whether a file that is open for reading ends with a seal, whole or broken."""
    return _sealed_bytes(file) is not None


def is_whole(file: IO[bytes]) -> bool | None:
    """Whether all bytes of an open file are as they were sealed; None if it has no seal.

    Reads the whole file, about a gigabyte a second, and goes back to its beginning.
    """
    n_bytes = _sealed_bytes(file)
    if n_bytes is None:
        return None
    written = _digest(file, n_bytes)
    stored = file.read(SEAL_BYTES)[len(MAGIC) :]
    file.seek(0)
    return written == stored


def _sealed_bytes(file: IO[bytes]) -> int | None:
    """How many bytes stand before the seal at the end of an open file; None without one."""
    n_bytes = file.seek(0, 2) - SEAL_BYTES
    file.seek(max(n_bytes, 0))
    magic = file.read(len(MAGIC))
    file.seek(0)
    return n_bytes if magic == MAGIC and n_bytes >= 0 else None


def _digest(file: IO[bytes], n_bytes: int) -> bytes:
    """The digest of a file's first bytes; leaves the file at their end."""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    file.seek(0)
    while n_bytes > 0 and (block := file.read(min(n_bytes, _BLOCK_BYTES))):
        digest.update(block)
        n_bytes -= len(block)
    return digest.digest()
