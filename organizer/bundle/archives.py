"""Write reproducible zips, and define which files each kind of zip may contain.

`ALLOWED` lists all file names that may leave the organiser's machine. It is an allow-list, so that
an unexpected file is never published.
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
# The earliest date that zips can store.
EARLIEST = datetime(1980, 1, 1)

# The file names of each kind of zip, as regular expressions; one must match the whole name.
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
        r"(sample_submissions/cycle\d+\.zip|weights/(cycle\d+|general)\.pt)",
    ),
    "public_data": (_DATA,),
    "reference": (r"reference\.h5",),
    "codabench": (r"competition\.yaml", r"pages/\w+\.(md|png|jpg)", r"\w+\.zip"),
    "codalab": (r"competition\.yaml", r"pages/\w+\.(html|png|jpg)", r"\w+\.zip"),
}

# Files of editors, Python and the system, which are silently skipped.
_LEFTOVERS = re.compile(r"(.*/)?(\.[^/]*|__pycache__|[^/]*\.(pyc|tmp|egg-info))(/.*)?")


def is_allowed(kind: str, name: str) -> bool:
    """Return whether a zip of this kind may contain a file of this name."""
    return any(re.fullmatch(pattern, name) for pattern in ALLOWED[kind])


def folder_members(folder: Path, kind: str, prefix: str = "") -> dict[str, Content]:
    """Return all files below `folder` for a zip of this kind: prefix + relative path -> path.

    Raises ChallengeError if the folder is missing or contains a file that is not in `ALLOWED`.
    """
    if not folder.is_dir():
        raise ChallengeError(f"{folder}: no such folder")
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    members: dict[str, Content] = {
        prefix + name: folder / name for name in names if not _LEFTOVERS.fullmatch(name)
    }
    unknown = sorted(name for name in members if not is_allowed(kind, name))
    if unknown:
        raise ChallengeError(
            f"{folder}: {', '.join(unknown)} is not in the list of files of a {kind} zip; remove "
            "it, or add it to ALLOWED in organizer/bundle/archives.py if everybody may see it"
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
    """Write a zip and return its path. Equal contents, folder and date give equal bytes.

    members: name -> bytes or the path of a file. folder: the folder into which the zip unpacks, by
    default none. date: of all members. Members are sorted by name, competition.yaml first, because
    v1.5 reads the first name that contains .yaml. They are not compressed: nearly all of them are
    compressed HDF5 files, and so the bytes do not depend on the version of zlib.
    Raises ChallengeError for names that are not allowed and files that can't be read.
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
