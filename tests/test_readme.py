"""Files and commands in the READMEs exist, and their scores are correct."""

import importlib.util
import re
from pathlib import Path

import pytest

from lartpc_challenge import scoring
from lartpc_challenge.format import METRICS
from lartpc_challenge.reference import read_reference
from lartpc_challenge.submission.forms import read_submission
from organizer.competition import read_competition

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / name
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "LICENSE-DATA.md",
        "baseline_submission/README.md",
        "benchmarks/README.md",
        "organizer/README.md",
        "reference_data/README.md",
        "starting_kit/README.md",
    )
]
pages = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


@pages
def test_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [to for to in links if "://" not in to and not (page.parent / to).exists()]
    assert not missing


@pages
def test_targets_are_in_the_makefile(page):
    known = set(re.findall(r"^(\w+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`| {4})make ([a-z]+)", page.read_text(encoding="utf-8")))
    assert named <= known


@pages
def test_modules_can_be_run(page):
    modules = re.findall(
        r"-m ((?:organizer|baseline|lartpc_challenge)[\w.]*)", page.read_text(encoding="utf-8")
    )
    missing = [name for name in modules if importlib.util.find_spec(name.rstrip(".")) is None]
    assert not missing


def test_the_folders_of_the_map_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    folders = re.findall(r"^ {4}(\w+)/ ", text, re.MULTILINE)
    assert len(folders) >= 8
    assert all((ROOT / folder).is_dir() for folder in folders)


@pytest.mark.parametrize(
    "cycle", read_competition().cycles, ids=lambda cycle: f"cycle {cycle.number}"
)
@pytest.mark.parametrize("page", ["README.md", "baseline_submission/README.md"])
def test_the_baseline_scores_what_is_said(page, cycle):
    board = []
    for phase in (2 * cycle.number - 1, 2 * cycle.number):
        reference = read_reference(ROOT / f"reference_data/phase{phase}/reference.h5")
        path = ROOT / f"baseline_submission/cycle{cycle.number}/submission.zip"
        pred = read_submission(path, reference.manifest)
        board.append(scoring.score(reference, pred).leaderboard)
    public, hidden = board
    cells = " | ".join(f"{public[name]:.4f} / {hidden[name]:.4f}" for name in METRICS)
    assert f"| {cycle.number} | {cells} |" in (ROOT / page).read_text(encoding="utf-8")
