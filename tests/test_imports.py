"""Who imports whom: data flows one way, and what is handed out never leads to what is not."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest
import toy

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "scoring_program" / "lartpc_challenge"
# Package -> where it lies, and the packages of ours that its modules may import.
OURS = {
    "lartpc_challenge": (ROOT / "scoring_program", {"lartpc_challenge"}),
    "baseline": (ROOT / "starting_kit", {"lartpc_challenge", "baseline"}),
    "organizer": (ROOT, {"lartpc_challenge", "organizer"}),
}
SHIPPED = [*PACKAGE.glob("*.py"), ROOT / "scoring_program" / "score.py"]


def imported(path: Path, package: str = "") -> set[str]:
    """Full names of the modules that a file imports, in functions too; `package` is its own."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = f"{package}.{node.module or ''}".strip(".") if node.level else node.module
            assert node.level <= 1, path
            # `from . import charts` names modules, `from .charts import track` what is in one.
            modules = {alias.name for alias in node.names} if base == package else set()
            names |= {f"{base}.{name}" for name in modules} or {base}
    return names


def roots(path: Path, package: str = "") -> set[str]:
    return {name.split(".")[0] for name in imported(path, package)}


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """Module of lartpc_challenge -> the modules of it that it imports."""
    prefix = "lartpc_challenge."
    return {
        path.stem: {
            name.removeprefix(prefix)
            for name in imported(path, "lartpc_challenge")
            if name.startswith(prefix)
        }
        for path in PACKAGE.glob("*.py")
    }


def everything_below(graph: dict[str, set[str]], module: str) -> set[str]:
    below = set()
    waiting = {module}
    while waiting:
        below |= (new := waiting - below)
        waiting = set().union(*(graph[name] for name in new))
    return below - {module}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_what_a_worker_runs_needs_numpy_and_h5py_alone(path):
    allowed = {*sys.stdlib_module_names, "numpy", "h5py", "lartpc_challenge"}
    assert roots(path, "lartpc_challenge") <= allowed


@pytest.mark.parametrize("package", OURS)
def test_starting_kit_and_organizer_import_the_core_and_never_each_other(package):
    folder, allowed = OURS[package]
    paths = list((folder / package).rglob("*.py"))
    assert paths
    for path in paths:
        own = ".".join(path.parent.relative_to(folder).parts)
        assert roots(path, own) & {*OURS, "tests", "benchmarks"} <= allowed, path


def test_no_module_of_the_core_imports_itself_in_a_circle(graph):
    assert "metrics" in list(graphlib.TopologicalSorter(graph).static_order())


def test_order_inside_the_core(graph):
    """format <- events <- reference <- submission; scoring -> metrics; the report sees Scores."""
    chain = ["format", "events", "reference", "submission", "sandbox", "__main__"]
    for lower, upper in zip(chain, chain[1:]):
        assert lower in everything_below(graph, upper)
        assert upper not in everything_below(graph, lower)
    assert graph["format"] == set()
    assert graph["metrics"] == {"format"}
    assert graph["scoring"] == {"format", "metrics", "reference"}


def test_the_report_sees_scores_alone(graph):
    assert graph["report"] <= {"charts", "format", "html_parts", "scoring"}
    assert graph["charts"] == {"scoring"}
    assert graph["html_parts"] == {"colours", "format"}


def test_the_parser_never_meets_metric_or_page(graph):
    others = {"metrics", "scoring", "charts", "html_parts", "report"}
    for module in ("submission", "sandbox"):
        assert not everything_below(graph, module) & others


def test_the_parser_reads_of_a_reference_only_the_manifest(graph):
    """Labels can't turn into predictions where no code of the parser names their reader."""
    parser = {"sandbox", *everything_below(graph, "sandbox")}
    assert {"submission", "sparse_form", "dense_form", "csv_form", "reference"} < parser
    for module in parser:
        path = PACKAGE / f"{module}.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "reference":
                assert [alias.name for alias in node.names] == ["Manifest"], module


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_syntax_of_python_3_9(path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


def test_the_platforms_image_imports_all_of_it():
    python = toy.old_python()
    names = ", ".join(f"lartpc_challenge.{path.stem}" for path in PACKAGE.glob("*.py"))
    done = subprocess.run(
        [python, "-W", "error", "-c", f"import {names}"],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
