"""Check that files are unchanged since they were written: by their seals and zip checksums."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from lartpc_challenge.files import NOT_AS_WRITTEN, check_file
from lartpc_challenge.format import ChallengeError
from lartpc_challenge.seal import is_whole
from lartpc_challenge.submission.upload import READ_ERRORS

WHOLE = "whole"
NOT_PROVEN = "can't be checked: it has no seal, like files of version 1 and of other programs"
_BLOCK_BYTES = 1 << 20
_MOST_DEPTH = 2  # of zips in zips: a bundle holds submissions; a zip can even hold itself


def verify(path: Path) -> str:
    """Check a file, and the members if it is a zip.

    Returns WHOLE, or a clause that says what is wrong. Raises ChallengeError if the file is missing
    or can't be read.
    """
    check_file(path)
    try:
        with open(path, "rb") as file:
            return _verify(file)
    except OSError as reason:
        raise ChallengeError(f"{path}: can't be read: {reason.strerror or reason}") from reason


def _verify(file: IO[bytes], depth: int = 0) -> str:
    whole = is_whole(file)
    if whole is not None:
        return WHOLE if whole else NOT_AS_WRITTEN
    try:
        is_zip = zipfile.is_zipfile(file)
    except zipfile.BadZipFile:  # it says that there are other parts of it
        return NOT_AS_WRITTEN
    if not is_zip or depth > _MOST_DEPTH:
        return NOT_PROVEN
    return "; ".join(_wrong_members(file, depth)) or WHOLE


def _wrong_members(file: IO[bytes], depth: int) -> Iterator[str]:
    """Yield what is wrong with the members of a zip, and of zips in it."""
    try:
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                with archive.open(name) as member:  # zipfile checks the CRC at the end
                    while member.read(_BLOCK_BYTES):
                        pass
                with archive.open(name) as member:
                    found = _verify(member, depth + 1)
                if found not in (WHOLE, NOT_PROVEN):
                    yield f"{name} in it {found}"
    except READ_ERRORS:
        yield NOT_AS_WRITTEN
