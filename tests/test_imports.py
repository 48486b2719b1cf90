"""The imports between packages follow the data flow; public code never imports private code."""

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
SHIPPED = [*PACKAGE.rglob("*.py"), ROOT / "scoring_program" / "score.py"]


def imported(path: Path) -> set[str]:
    """Full names of what a file imports, in functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, path
            # `from package import module` and `from module import name` look alike.
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


def module_of(path: Path) -> str:
    """Its name inside lartpc_challenge, such as submission.upload; a package has its folder's."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and parts[1:] else parts)


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """Module of lartpc_challenge -> the modules of it that it imports."""
    prefix = "lartpc_challenge."
    modules = {module_of(path): path for path in PACKAGE.rglob("*.py")}
    graph = {}
    for module, path in modules.items():
        names = {name.removeprefix(prefix) for name in imported(path) if name.startswith(prefix)}
        graph[module] = names & modules.keys()
    return graph


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
    if path.name == "events.py":
        allowed.add("pandas")  # EventFile.to_frame alone needs it, which no worker calls
    assert roots(path) <= allowed


def test_reading_events_imports_no_pandas():
    code = "import sys, lartpc_challenge.events; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("package", OURS)
def test_starting_kit_and_organizer_import_the_core_and_never_each_other(package):
    folder, allowed = OURS[package]
    paths = list((folder / package).rglob("*.py"))
    assert paths
    for path in paths:
        assert roots(path) & {*OURS, "tests", "benchmarks"} <= allowed, path


def test_no_module_of_the_core_imports_itself_in_a_circle(graph):
    assert "metrics" in list(graphlib.TopologicalSorter(graph).static_order())


def test_order_inside_the_core(graph):
    """format <- events <- reference <- submission; scoring -> metrics; the report sees Scores."""
    chain = ["format", "events", "reference", "submission.forms", "submission.sandbox", "__main__"]
    for lower, upper in zip(chain, chain[1:]):
        assert lower in everything_below(graph, upper)
        assert upper not in everything_below(graph, lower)
    assert graph["format"] == set()
    assert graph["cycles"] == {"format"}
    assert graph["metrics"] == {"format"}
    assert graph["scoring"] == {"cycles", "format", "metrics", "reference", "disclosure"}


def test_the_report_sees_scores_alone(graph):
    shown = {"scoring", "disclosure"}
    assert graph["page.report"] <= {"page", "page.charts", "cycles", "page.html_parts", *shown}
    assert graph["page.charts"] == {"scoring"}
    assert graph["page.html_parts"] == {"page.colours", "cycles"}


def test_the_parser_never_meets_metric_or_page(graph):
    others = {"metrics", "scoring", "page.charts", "page.html_parts", "page.report"}
    for module in ("submission.forms", "submission.sandbox"):
        assert not everything_below(graph, module) & others


def test_the_parser_reads_of_a_reference_only_the_manifest(graph):
    """No code of the parser names the reader of labels, so labels can't become predictions."""
    parser = {"submission.sandbox", *everything_below(graph, "submission.sandbox")}
    forms = {f"submission.{name}" for name in ("forms", "sparse_form", "dense_form", "csv_form")}
    assert forms | {"reference"} < parser
    for module in parser:
        path = PACKAGE.joinpath(*module.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "lartpc_challenge.reference":
                assert [alias.name for alias in node.names] == ["Manifest"], module


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_syntax_of_python_3_9(path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


def test_the_platforms_image_imports_all_of_it():
    python = toy.old_python()
    names = ", ".join(f"lartpc_challenge.{module_of(path)}" for path in PACKAGE.rglob("*.py"))
    done = subprocess.run(
        [python, "-W", "error", "-c", f"import {names}"],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
