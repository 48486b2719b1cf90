"""Write and check seals. A seal is a digest at the end of a file that detects changed bytes.

A damaged HDF5 file can hang or crash HDF5 or give other values; a damaged checkpoint gives other
weights. So the seal is checked before anything else reads the file. A seal is
    16 bytes  MAGIC
    32 bytes  BLAKE2b (RFC 7693) of all bytes before the seal
HDF5, zip programs and PyTorch ignore bytes after the end of a file.

A seal detects damage, not forgery: anybody who changes a file can seal it again.
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
    """Append a seal to a file that is open for reading and writing."""
    n_bytes = file.seek(0, 2)
    seal = MAGIC + _digest(file, n_bytes)
    file.seek(n_bytes)
    file.write(seal)


def seal(path: Path) -> None:
    """Seal the file at `path`. An existing seal is replaced."""
    with open(path, "r+b") as file:
        if has_seal(file):
            file.truncate(file.seek(-SEAL_BYTES, 2))
        append_seal(file)


def has_seal(file: IO[bytes]) -> bool:
    """Return whether an open file ends with a seal, valid or not."""
    return _sealed_bytes(file) is not None


def is_whole(file: IO[bytes]) -> bool | None:
    """Return whether the seal of an open file is valid; None if it has no seal.

    Reads the whole file (about 1 GB per second) and seeks back to its beginning.
    """
    n_bytes = _sealed_bytes(file)
    if n_bytes is None:
        return None
    written = _digest(file, n_bytes)
    stored = file.read(SEAL_BYTES)[len(MAGIC) :]
    file.seek(0)
    return written == stored


def _sealed_bytes(file: IO[bytes]) -> int | None:
    """Return the number of bytes before the seal of an open file; None if it has no seal."""
    n_bytes = file.seek(0, 2) - SEAL_BYTES
    file.seek(max(n_bytes, 0))
    magic = file.read(len(MAGIC))
    file.seek(0)
    return n_bytes if magic == MAGIC and n_bytes >= 0 else None


def _digest(file: IO[bytes], n_bytes: int) -> bytes:
    """Return the digest of the first `n_bytes` bytes; the file is then positioned after them."""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    file.seek(0)
    while n_bytes > 0 and (block := file.read(min(n_bytes, _BLOCK_BYTES))):
        digest.update(block)
        n_bytes -= len(block)
    return digest.digest()
