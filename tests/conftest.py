"""Settings of all tests."""

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from calls import small_process
from hypothesis import settings

# Containers often set this. Then each of the tests' hundreds of processes compiles all that it
# imports: PyTorch takes 2.6 s of a core instead of 1.3.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A job in the background starts with Ctrl-C ignored, one under nohup with the terminal's end, and
# both hand that on to all that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):  # not on Windows
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
HANDLERS = [signal.getsignal(number) for number in range(1, min(32, signal.NSIG))]

# Before any test imports torch: its threads are to sleep while they wait, as in the product.
import baseline  # noqa: E402, F401

# Modules that `make quick` leaves out, by marker: they import PyTorch, simulate, or take long. Some
# of them take long only to collect, so that they are not even imported.
MARKED = {
    "torch": """augment benchmarks commands dataset kit model network notebook optimizer peers
        predict recipes shipped stream systems train transfer""",
    "geant4": """data failures faults_by_plan physics simulate simulation_argon_data
        simulation_geant4 variety""",
    "slow": """attacks boosting bundle codabench_client codabench_close convert
        display fuzz jobs leaderboard make pages publish score_run supply_chain""",
}
# What takes longest goes first: a worker of pytest-xdist takes whole modules, and a long one at the
# end would leave the others idle.
LONGEST = (
    "physics notebook simulate faults_by_plan train attacks model bundle new_cycle systems peers "
    "commands score_run submission bit_flips kit score_program predict data codabench verify"
)
MARKERS = {f"test_{name}.py": marker for marker, names in MARKED.items() for name in names.split()}

# The same examples on every machine, however slow it is.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture
def handlers() -> list:
    """Signals 1 to 31 as they were handled before anything of the product was imported."""
    return HANDLERS


@pytest.fixture(scope="session")
def ask() -> Iterator[Callable]:
    """Call a function in a small process, whose forks cost little; one serves all tests."""
    with small_process() as ask:
        yield ask


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Don't import modules whose marker `-m "not MARKER"` rules out."""
    marker = MARKERS.get(collection_path.name)
    return True if marker and f"not {marker}" in config.option.markexpr else None


def pytest_collection() -> None:
    """Import all modules without garbage collection, which takes a seventh of that time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave what was imported out of all later garbage collections, here and in child processes."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {f"test_{name}.py": number for number, name in enumerate(LONGEST.split())}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


def pytest_itemcollected(item: pytest.Item) -> None:
    marker = MARKERS.get(item.path.name)
    if marker:
        item.add_marker(marker)
