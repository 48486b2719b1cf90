"""Zips whose bytes depend on nothing but their content, and what each kind of zip may hold.

An allow-list, not a list of secrets: what nobody thought of stays out. `ALLOWED` is the whole of
what leaves the organiser's machine.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Union

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.files import replacing
from lartpc_challenge.format import ChallengeError

Content = Union[bytes, Path]
# The earliest date that a zip can give its members.
EARLIEST = datetime(1980, 1, 1)

# The file names of each kind of zip, as patterns of which one must match whole.
_PACKAGE = (r"lartpc_challenge/(\w+/)?\w+\.py", r"lartpc_challenge/(FORMAT\.md|py\.typed)")
_DATA = rf"cycle({'|'.join(map(str, CYCLES))})_(train|test)\.h5"
ALLOWED = {
    "scoring_program": ("metadata", r"score\.py", *_PACKAGE),
    "starting_kit": (
        *_PACKAGE,
        r"README\.md|LICENSE|LICENSE-DATA\.md",
        r"\w+\.ipynb",
        r"requirements(-\w+)?\.txt",
        r"baseline/((\w+/)?\w+\.py|py\.typed)",
        f"data/{_DATA}",
        r"(sample_submissions/cycle\d+\.zip|weights/cycle\d+\.pt)",
    ),
    "public_data": (_DATA,),
    "reference": (r"reference\.h5",),
    "codabench": (r"competition\.yaml", r"pages/\w+\.(md|png|jpg)", r"\w+\.zip"),
    "codalab": (r"competition\.yaml", r"pages/\w+\.(html|png|jpg)", r"\w+\.zip"),
}

# What editors, Python and the system leave in a folder: passed over without a word.
_LEFTOVERS = re.compile(r"(.*/)?(\.[^/]*|__pycache__|[^/]*\.(pyc|tmp|egg-info))(/.*)?")


def is_allowed(kind: str, name: str) -> bool:
    """Whether a zip of this kind may hold a file of this name."""
    return any(re.fullmatch(pattern, name) for pattern in ALLOWED[kind])


def folder_members(folder, kind: str, prefix: str = "") -> dict[str, Content]:
    """Every file below `folder` by its name in a zip of this kind: prefix + its path.

    ChallengeError where the folder is missing or holds a file that is not on the kind's list.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ChallengeError(f"{folder}: no such folder")
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    members: dict[str, Content] = {
        prefix + name: folder / name for name in names if not _LEFTOVERS.fullmatch(name)
    }
    unknown = sorted(name for name in members if not is_allowed(kind, name))
    if unknown:
        raise ChallengeError(
            f"{folder}: {', '.join(unknown)} is not on the list of what a {kind} zip holds; remove "
            "it, or put it on the list in organizer/bundle/archives.py if everybody may see it"
        )
    return members


def write_zip(
    path: Path,
    kind: str,
    members: Mapping[str, Content],
    *,
    folder: str = "",
    date: datetime = EARLIEST,
) -> Path:
    """Write a zip; equal contents, folder and date give equal bytes everywhere.

    folder: what the zip unpacks into, if not into the current folder. date: of all members.
    Members stand by name, competition.yaml first: v1.5 reads the first name with .yaml in it. They
    are stored, not compressed: nearly all of it is HDF5, which is compressed already, and so the
    bytes don't depend on the machine's zlib either.
    """
    refused = sorted(name for name in members if not is_allowed(kind, name))
    if refused:
        raise ChallengeError(f"{path}: a {kind} zip must not hold {', '.join(refused)}")
    with replacing(path, private=True) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in sorted(members, key=lambda name: (name != "competition.yaml", name)):
            place = f"{folder}/{name}" if folder else name
            member = zipfile.ZipInfo(place, date_time=date.timetuple()[:6])
            member.create_system, member.external_attr = 3, 0o100644 << 16
            _store(archive, member, members[name])
    return path


def _store(archive: zipfile.ZipFile, member: zipfile.ZipInfo, content: Content) -> None:
    if isinstance(content, bytes):
        archive.writestr(member, content)
        return
    try:
        member.file_size = content.stat().st_size
        with open(content, "rb") as source, archive.open(member, "w") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    except FileNotFoundError as reason:
        raise ChallengeError(f"{content}: no such file") from reason
    except PermissionError as reason:
        raise ChallengeError(f"{content}: no permission to read it") from reason
