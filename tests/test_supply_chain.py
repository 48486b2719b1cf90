"""Installed, executed and shipped files have hashes, commits and suitable licences."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
from pathlib import Path

import pytest
import tomllib
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# What uv writes: a requirement, its hashes on the lines below it.
ENTRY = re.compile(
    r"^([a-z0-9-]+)==(\S+)(?: ; .*?)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n?)+)"
)


def entries(name: str) -> dict[str, list[str]]:
    """Return package -> versions in a lock. Every line must belong to one with hashes."""
    text = (ROOT / "locks" / name).read_text(encoding="utf-8")
    text = "".join(line for line in text.splitlines(True) if not line.startswith("#"))
    found: dict[str, list[str]] = {}
    while text:
        entry = ENTRY.match(text)
        assert entry, f"{name}: no hash at {text[:80]!r}"
        found.setdefault(entry[1], []).append(entry[2])
        text = text[entry.end() :]
    return found


def direct(extras: list[str]) -> list[Requirement]:
    """Return the direct dependencies of the project with these extras."""
    optional = PROJECT["project"]["optional-dependencies"]
    texts = [
        *PROJECT["project"]["dependencies"],
        *(text for name in extras for text in optional[name]),
    ]
    return [Requirement(text) for text in texts]


def extras_of(variable: str) -> list[str]:
    words = re.search(rf"^{variable} := (.*)$", MAKEFILE, re.MULTILINE)[1].split()
    return [
        extra
        for word in words
        for extra in (extras_of(word[2:-1]) if word.startswith("$(") else [word])
    ]


@pytest.mark.parametrize("name", ["scoring", "leaderboard", "everything"])
def test_a_lock_holds_all_that_make_installs_but_torch(name):
    locked = entries(f"{name}.txt")
    assert "torch" not in locked
    for wanted in direct(extras_of(name.upper())):
        if wanted.name != "torch":
            versions = locked[wanted.name.lower().replace("_", "-")]
            assert any(wanted.specifier.contains(version) for version in versions), wanted


def test_the_workflow_names_actions_by_commit_and_runs_what_is_promised():
    (path,) = (ROOT / ".github/workflows").iterdir()
    text = path.read_text(encoding="utf-8")
    uses = re.findall(r"uses: (\S+) # (\S+)", text)
    assert len(uses) == text.count("uses:")
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action, _ in uses)
    jobs = yaml.safe_load(text)["jobs"]
    assert jobs["whole"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    systems = jobs["kit"]["strategy"]["matrix"]["system"]
    assert {system.rstrip("0123456789.-") for system in systems} >= {"macos", "windows", "ubuntu"}
    assert any(system.endswith("-arm") for system in systems)
    for file in re.findall(r"tests/\w+\.py", text):
        assert (ROOT / file).exists()
    for wanted in (
        "tests/test_kit.py",
        "tests/test_notebook.py",
        "make score PYTHON=python",
        '"3.9"',
    ):
        assert wanted in text


# ---- licences

_TEXTS = {".md", ".toml", ".yml", ".yaml", ".svg", ".txt", ".cff", ".ipynb", ""}
CODE = {".py", ".pyi", ".typed", *_TEXTS}
FREE = re.compile(
    r"\b(MIT|BSD|Apache|PSF|Python Software Foundation|ISC|HPND|MPL|Mozilla Public|Zlib|"
    r"Geant4 Software|Public Domain|Unlicense|0BSD)\b"
)

SAYS_NONE = {"mlcroissant": "Apache-2.0"}  # as its repository's LICENSE says


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not in a git repository")
    return [Path(name) for name in done.stdout.split("\0") if name]


def test_every_tracked_file_is_code_or_named_by_the_licence_of_the_data():
    """Code is MIT. All other files must be of a folder or name in LICENSE-DATA.md."""
    licence = (ROOT / "LICENSE-DATA.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w./*]+)`", licence)
    assert "MIT License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    unknown = [
        path
        for path in tracked()
        if path.suffix not in CODE
        and not any(path.match(name) or str(path).startswith(name) for name in named)
    ]
    assert unknown == []


def test_what_it_depends_on_is_free():
    """Packages declare their licences; for those that do not it is listed here."""
    unclear = {}
    for name in sorted({wanted.name for wanted in direct(extras_of("EVERYTHING"))}):
        try:
            said = importlib.metadata.metadata(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        words = [
            SAYS_NONE.get(name, ""),
            said.get("License-Expression") or "",
            said.get("License") or "",
        ]
        words += [text for text in said.get_all("Classifier") or [] if text.startswith("License")]
        if not FREE.search(" ".join(words)):
            unclear[name] = words
    assert unclear == {}
