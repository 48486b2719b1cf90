"""Add a cycle like an organiser: a declaration in two files, and its phases in a competition.yaml.

Everything from the simulation to the page of failures must then work with it."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from calls import run_all

ROOT = Path(__file__).resolve().parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.geant4, pytest.mark.torch]

# Six classes, none of which any of the project's own cycles has under this name.
PUBLIC_HALF = """    Cycle(
        9,
        "six_classes",
        "six classes of ionisation",
        (
            SemanticClass("e", "electrons and positrons of showers", *_BLUE),
            SemanticClass("knock-on", "electrons that a track knocks out", *_PURPLE),
            SemanticClass("decay e", "electrons of muons at rest", *_ROSE),
            SemanticClass("mu", "muons", *_GREEN),
            SemanticClass("p", "protons and nuclei", *_ORANGE),
            SemanticClass("pi & <K>", "whatever is left", (120, 110, 20), (200, 190, 90)),
        ),
    ),
)
CYCLES = """
ORGANISERS_HALF = """    9: Production(
        recipe=Recipe(
            required=((ELECTRON, PHOTON), (_STOPPING_MUON,), (PION,), (PROTON,)),
            extra=(_FAST_MUON,),
            extra_odds=(0.0, 1.0),
        ),
        rule=(
            ("knock-on", is_delta),
            ("decay e", is_michel),
            ("e", is_electromagnetic),
            ("mu", lambda facts: abs(facts.pdg) == 13),
            ("p", is_proton_or_nucleus),
            ("pi & <K>", anything),
        ),
        threshold_mev=_LOW_THRESHOLD_MEV,
    ),
}


def production_of("""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The project's sources with one more cycle, and a competition with only this cycle."""
    folder = tmp_path_factory.mktemp("project")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("scoring_program", "starting_kit", "organizer", "pages"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("LICENSE", "LICENSE-DATA.md", "CITATION.cff", "competition.yaml"):
        shutil.copy(ROOT / name, folder / name)
    for path, old, new in (
        ("scoring_program/lartpc_challenge/cycles.py", ")\nCYCLES = ", PUBLIC_HALF),
        ("organizer/cycles.py", "}\n\n\ndef production_of(", ORGANISERS_HALF),
    ):
        text = (folder / path).read_text(encoding="utf-8")
        assert text.count(old) == 1
        (folder / path).write_text(text.replace(old, new), encoding="utf-8")
    example = ROOT / "examples/motifs/competition.yaml"
    text = example.read_text(encoding="utf-8").replace("cycle: motifs", "cycle: six_classes")
    (folder / "six").mkdir()
    (folder / "six/competition.yaml").write_text(text.replace("cycle7", "cycle9"), encoding="utf-8")
    return folder


def run(project: Path, *arguments) -> str:
    """Run a command of the copied project; return what it prints."""
    paths = [project / "scoring_program", project / "starting_kit", project]
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=project,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
    return done.stdout


SHARES = """
import numpy as np
from lartpc_challenge.events import EventFile
with EventFile("data/cycle9_train.h5") as events:
    print(events.cycle.n_labels, *np.bincount(events.column("label")))
"""


@pytest.fixture(scope="module")
def said(project) -> dict[str, str]:
    """Run all commands on the new cycle in one process; return what some of them print."""
    (project / "shares.py").write_text(SHARES, encoding="utf-8")
    six = ("--competition", "six/competition.yaml")
    scored = (*six, "--data", "data")
    printed = run_all(
        functools.partial(run, project), project,
        ("-m", "organizer.data", *six, "--events", 20, "--out", "data", "--jobs", 1),
        ("-m", "baseline.train", "--events", "data/cycle9_train.h5", "--out", "run",
         "--epochs", 1, "--filters", 4, "--depth", 3, "--blocks", 1, "--threads", 1),
        ("-m", "baseline.predict", "--checkpoint", "run/best.pt",
         "--events", "data/cycle9_test.h5", "--threads", 1,
         "--out", "data/baseline_submission/cycle9/submission.zip"),
        ("-m", "organizer.simulate", "--cycle", "six_classes", "--events", 5, "--seed", 1,
         "--out", "fresh.h5", "--jobs", 1),
        ("-m", "baseline.predict", "--checkpoint", "run/best.pt", "--events", "fresh.h5",
         "--out", "fresh.zip", "--threads", 1),
        ("-m", "baseline.display", "--events", "fresh.h5", "--submission", "fresh.zip",
         "--out", "fresh.png"),
        ("-m", "lartpc_challenge", "score", "fresh.zip", "--reference", "fresh.h5",
         "--html", "page.html"),
        ("-m", "organizer.failures", "--events", "fresh.h5", "--submission", "fresh.zip",
         "--out", "failures.html"),
        ("shares.py",),
        ("-m", "organizer.score", *scored),
        ("-m", "organizer.leaderboard", "data/baseline_submission", *scored),
    )  # fmt: skip
    return dict(zip(("shares", "score", "leaderboard"), printed[-3:]))


def test_every_declared_class_is_there_often_enough(said):
    n_labels, *counts = map(int, said["shares"].split())
    assert n_labels == len(counts) == 7
    assert counts[0] == 0
    assert min(counts[1:]) >= 0.01 * np.sum(counts)


def test_it_is_bundled_and_scored_in_both_platforms_layouts(said):
    assert "Scores agree: Codabench and CodaLab v1.5." in said["score"]
    assert [line.split()[:2] for line in said["score"].splitlines()[1:3]] == [
        ["Public", "Finished"],
        ["Final", "Finished"],
    ]
    assert "Final" in said["leaderboard"]


def test_it_is_shown_by_the_display_the_page_and_the_study_of_failures(project, said):
    assert (project / "fresh.png").read_bytes().startswith(b"\x89PNG")
    for name in ("page.html", "failures.html"):
        page = (project / name).read_text(encoding="utf-8")
        for shown in ("knock-on", "decay e", "pi &amp; &lt;K&gt;"):
            assert shown in page
