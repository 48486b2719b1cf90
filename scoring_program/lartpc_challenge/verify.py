"""Tells which files are as they were written: by their seals, and in zips by the zips' own sums."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from lartpc_challenge.files import NOT_AS_WRITTEN, check_file
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.seal import is_whole

WHOLE = "whole"
NOT_PROVEN = (
    "can't be proven: it has no seal, as files of version 1 and those that other programs wrote"
)
_BLOCK_BYTES = 1 << 20


def verify(path: Path) -> str:
    """WHOLE, or a clause that says what is wrong with the file, a zip's members included.

    ChallengeError where it is no file or can't be read.
    """
    check_file(path)
    try:
        with open(path, "rb") as file:
            return _verify(file)
    except OSError as reason:
        raise ChallengeError(f"{path}: can't be read: {reason.strerror or reason}") from reason


def _verify(file: IO[bytes]) -> str:
    whole = is_whole(file)
    if whole is not None:
        return WHOLE if whole else NOT_AS_WRITTEN
    try:
        is_zip = zipfile.is_zipfile(file)
    except zipfile.BadZipFile:  # it says that there are other parts of it
        return NOT_AS_WRITTEN
    return "; ".join(_wrong_members(file)) or WHOLE if is_zip else NOT_PROVEN


def _wrong_members(file: IO[bytes]) -> Iterator[str]:
    """What is wrong with the members of a zip, and of the zips in it."""
    try:
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                with archive.open(name) as member:  # at its end its CRC is compared
                    while member.read(_BLOCK_BYTES):
                        pass
                with archive.open(name) as member:
                    found = _verify(member)
                if found not in (WHOLE, NOT_PROVEN):
                    yield f"{name} in it {found}"
    # What a damaged zip raises, an encrypted one, an unknown compression.
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error):
        yield NOT_AS_WRITTEN
