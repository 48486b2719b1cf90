"""A toy competition of three cycles with a scoring program of ten lines, for tests.

Its zips have the same bytes on every machine, since what a server answers depends on them.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import yaml

from organizer.competition import Competition, parse_competition

SCORE = """\
import sys
folder, out = sys.argv[1:]
answer = open(folder + "/res/answer.txt").read().split()
truth = open(folder + "/ref/answer.txt").read().split()
if truth == ["placeholder"]:
    sys.exit("this phase is not open yet")
if len(answer) != len(truth):
    sys.exit("answer.txt: expected %d words, found %d" % (len(truth), len(answer)))
share = sum(a == t for a, t in zip(answer, truth)) / len(truth)
with open(out + "/scores.txt", "w") as file:
    for name, power in (("acc_at_80", 1), ("acc_at_50", 2), ("acc_mean", 3)):
        file.write("%s: %.12f\\n" % (name, share**power))
with open(out + "/detailed_results.html", "w") as file:
    file.write("<p>scored</p>")
"""
PUBLIC = ["a", "b", "c", "d", "e", "f", "g"]
# The first six words of a hidden phase are the public ones, the last tells the phases apart.
HIDDEN_OF = {n: [*PUBLIC[:6], f"word{n}"] for n in (2, 4, 6)}

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8ff"
    "ff3f0005fe02fea735811d0000000049454e44ae426082"
)


def zipped(members: dict[str, bytes | str]) -> bytes:
    """Return a zip without compression and with a fixed date."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def answers(n_right: int) -> bytes:
    """Return a submission with `n_right` of seven words right; hidden phases differ in the last."""
    words = [PUBLIC[i] if i < n_right else "x" for i in range(7)]
    return zipped({"answer.txt": " ".join(words)})


def reference(words: list[str]) -> bytes:
    """Return a reference with the right words."""
    return zipped({"answer.txt": " ".join(words)})


def competition() -> dict:
    """Return the content of the toy's competition.yaml, with `cycle` and `events` of its tasks."""
    days = ((4, 7), (7, 7), (7, 10), (10, 10), (10, 20), (20, 30))
    hours = ((0, 0), (1, 2), (3, 0), (1, 2), (3, 0), (1, 0))
    phases = [
        {
            "index": n,
            "name": f"{'Public' if n % 2 else 'Private'} {(n + 1) // 2}",
            "description": f"Phase {n}.",
            "start": f"2027-01-{first:02d} {begin:02d}:00",
            "end": f"2027-01-{last:02d} {end:02d}:00",
            "tasks": [n],
            "max_submissions_per_day": 5 if n % 2 else 1,
            "max_submissions": 15 if n % 2 else 1,
            "execution_time_limit": 60,
            "auto_migrate_to_this_phase": False,
            "hide_output": n % 2 == 0,
        }
        for n, ((first, last), (begin, end)) in enumerate(zip(days, hours), start=1)
    ]
    columns = [
        {"title": key, "key": key, "index": i, "sorting": "desc", "precision": 4}
        for i, key in enumerate(("acc_at_80", "acc_at_50", "acc_mean"))
    ]
    return {
        "version": 2,
        "title": "Seven words",
        "description": "A toy.",
        "image": "logo.png",
        "terms": "terms.md",
        "docker_image": "codalab/codalab-legacy:py39",
        "contact_email": "organiser@example.com",
        "registration_auto_approve": True,
        "enable_detailed_results": True,
        "can_participants_make_submissions_public": False,
        "forum_enabled": False,
        "pages": [{"title": "Overview", "file": "overview.md"}],
        "tasks": [
            {
                "index": n,
                "name": f"Task {n}",
                "description": "Words.",
                "scoring_program": "program.zip",
                "reference_data": f"reference_phase{n}.zip",
                "cycle": (n + 1) // 2,
                "events": "public" if n % 2 else "hidden",
            }
            for n in range(1, 7)
        ],
        "phases": phases,
        "leaderboards": [
            {
                "title": "Results",
                "key": "results",
                "submission_rule": "Force_Best",
                "columns": columns,
            }
        ],
    }


def members() -> dict[str, bytes]:
    """Return {name: content} of all files of the toy's bundle."""
    placeholder = reference(["placeholder"])
    references = {
        f"reference_phase{n}.zip": reference(PUBLIC) if n % 2 else placeholder for n in range(1, 7)
    }
    program = {"metadata": "command: python3 $program/score.py $input $output\n", "score.py": SCORE}
    return {
        "competition.yaml": yaml.safe_dump(parsed().keys).encode(),
        "logo.png": PNG,
        "terms.md": b"Be fair.\n",
        "overview.md": b"# Seven words\n\nSay them.\n",
        "program.zip": zipped(program),
        **references,
    }


def parsed() -> Competition:
    """Return the toy's competition."""
    return parse_competition(yaml.safe_dump(competition()), Path("toy.yaml"))


def write_bundle(folder: Path) -> Path:
    """Write the bundle, its declaration, the hidden references and a corrected one."""
    held_back = folder / "hidden_references"
    held_back.mkdir(parents=True)
    for n in (2, 4, 6):
        (held_back / f"reference_phase{n}.zip").write_bytes(reference(HIDDEN_OF[n]))
    corrected = folder / "corrected"
    corrected.mkdir()
    words = [*PUBLIC[:5], "y", "word6"]
    (corrected / "reference_phase6.zip").write_bytes(reference(words))
    path = folder / "codabench.zip"
    path.write_bytes(zipped(members()))
    (folder / "toy.yaml").write_text(yaml.safe_dump(competition()))
    return path
