"""Plant faults one at a time in a copy of the project, and tell which test finds each.

    python tests/planted_faults.py              all faults, 6 minutes
    python tests/planted_faults.py RULE ...     faults whose name contains one of these words

Each fault is a typical mistake in one line. For each, the first test that fails is printed: a test
of `make quick`, or, if none fails, any other test. Only the test modules that are named with the
fault are run. At the end all faults that these tests of `make quick` did not find are planted
together, to see if the rest of `make quick` finds one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import pytest

FORK = get_context("fork")
ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("h5py", "sklearn.metrics", "torch")
QUICK = ("-m", "not slow and not geant4 and not torch")
CORE, KIT = "scoring_program/lartpc_challenge", "starting_kit/baseline"


@dataclass(frozen=True)
class Fault:
    """`file` contains `old` once; `new` replaces it. tests: the test modules to run."""

    file: str
    old: str
    new: str
    tests: str


FAULTS = {
    # What is scored.
    "empty voxels count": Fault(
        f"{CORE}/metrics.py", "is_labelled = event > 0", "is_labelled = event >= 0", "metrics"
    ),
    "percentile without interpolation": Fault(
        f"{CORE}/metrics.py", "(50, 80))", '(50, 80), method="nearest")', "metrics"
    ),
    "events outside of the phase": Fault(
        f"{CORE}/reference.py", "starts, stops = offset[rows]", "starts, stops = offset[:-1]",
        "reference scoring",
    ),
    "offset within a block": Fault(
        f"{CORE}/events.py", "slice(self.offset[i] - first, self", "slice(self.offset[i], self",
        "events",
    ),
    # What is read, and how it is guarded.
    "CSV columns as they come": Fault(
        f"{CORE}/submission/csv_form.py", "table.T[places]", "table.T[[0, 1, 2, 3, 4]]",
        "submission",
    ),
    "events in the file's order": Fault(
        f"{CORE}/submission/sparse_form.py", "manifest.offset[rows[begins]]",
        "manifest.offset[begins]", "submission",
    ),
    "all events from the first one on copied together": Fault(
        f"{CORE}/submission/sparse_form.py", "prepend=-2) != 1", "prepend=-2) < 1", "submission"
    ),
    "bytes after the last whole item": Fault(
        f"{CORE}/submission/h5_chunks.py", "content = bytearray(shuffled)",
        "content = bytearray(len(shuffled))", "h5_chunks",
    ),
    "second name of a zip's entry": Fault(
        f"{CORE}/submission/upload.py", 'or other.split("/")[-1] in _PLATFORM_FILES', "",
        "attacks submission",
    ),
    "no limit on memory": Fault(
        f"{CORE}/guarded.py", "_set_limit(resource.RLIMIT_AS, mapped + memory_limit)", "pass",
        "sandbox",
    ),
    "files can be opened": Fault(
        f"{CORE}/guarded.py", "_set_limit(resource.RLIMIT_NOFILE, 0)", "pass", "sandbox"
    ),
    "paths that lead out": Fault(
        f"{CORE}/submission/upload.py", 'or ".." in name.split("/") ', "", "attacks submission"
    ),
    "seal not compared": Fault(
        f"{CORE}/seal.py", "return written == stored", "return True", "seal bit_flips"
    ),
    "two runs in one folder": Fault(
        f"{CORE}/files.py", "fcntl.LOCK_EX", "fcntl.LOCK_SH", "files command jobs"
    ),
    "deferred signals are lost": Fault(
        f"{CORE}/signals.py", "            self.let_in()\n", "            self._arrived.clear()\n",
        "signals files command",
    ),
    "secrets for everybody": Fault(
        f"{CORE}/files.py", "if not private:", "if True:", "secrets files"
    ),
    # What is shown.
    "details of a hidden phase": Fault(
        f"{CORE}/scoring.py", "None if reference.hidden else _details(", "_details(", "scoring"
    ),
    "shares with one digit more": Fault(
        f"{CORE}/scoring.py", "round(float(value), 3)", "round(float(value), 4)",
        "disclosure scoring report",
    ),
    "one event may be enough": Fault(
        f"{CORE}/disclosure.py", "np.minimum(counts, self.voxels_per_event)", "counts",
        "disclosure",
    ),
    "lower bound on voxels": Fault(
        f"{CORE}/disclosure.py", "Bound(voxels=2500", "Bound(voxels=1500", "disclosure"
    ),
    "colours of a class swapped": Fault(
        f"{CORE}/page/report.py", "'right c{true:d}'", "'right c{label:d}x'", "report"
    ),
    # What becomes of events.
    "hidden events in the public phase": Fault(
        "organizer/phases/split.py", "is_hidden == phase.hidden", "is_hidden >= phase.hidden",
        "phases",
    ),
    "test events in the simulator's order": Fault(
        "organizer/phases/split.py", 'shuffled(secret, b"test order", n_test)',
        "np.arange(n_test)", "phases",
    ),
    "exact energies of particles": Fault(
        "organizer/phases/split.py", '"kinetic_energy_mev": 0', '"kinetic_energy_mev": 3',
        "phases",
    ),
    "train and test of one seed": Fault(
        "organizer/data/__main__.py", 'f"cycle{cycle.number} {split}"', 'f"cycle{cycle.number}"',
        "data",
    ),
    "each chunk simulates the same events": Fault(
        "organizer/simulate/chunks.py", "for event_id in chunk:",
        "for event_id in range(len(chunk)):", "simulate",
    ),
    "last condition first": Fault(
        "organizer/simulate/truth.py", "np.select(conditions, labels",
        "np.select(conditions[::-1], labels[::-1]", "truth",
    ),
    "label of the second class": Fault(
        "organizer/simulate/voxels.py", "label = np.argmax(by_label, axis=1)",
        "label = np.argsort(by_label, axis=1)[:, -2]", "voxels",
    ),
    "diffusion along and across": Fault(
        "organizer/simulate/response.py", "np.array([along, across, across])",
        "np.array([across, along, across])", "response",
    ),
    "alphas are not quenched": Fault(
        "organizer/simulate/quenching.py", "_charge(pdg) >= HELIUM_Z", "_charge(pdg) > HELIUM_Z",
        "quenching voxels",
    ),
    "axes of a converted source": Fault(
        "organizer/convert/edepsim_hdf5.py", "\"xyz\"]).astype", "\"zyx\"]).astype",
        "convert convert_formats",
    ),
    "voxels resampled without volume": Fault(
        "organizer/convert/placing.py", "np.minimum(high[:, None], start + 1)",
        "np.maximum(high[:, None], start + 1)", "convert_placing",
    ),
    # What is built and ranked.
    "truth in the bundle in spite of placeholders": Fault(
        "organizer/bundle/build.py", "is_replaced = request.placeholder and phase.hidden",
        "is_replaced = request.placeholder and not phase.hidden", "bundle",
    ),
    "truth published unasked": Fault(
        "organizer/publish/release.py", "phases_of(cycle) if with_references else ()",
        "phases_of(cycle)", "publish",
    ),
    "start a day late": Fault(
        "organizer/bundle/dates.py", "-earliest.weekday() % 7", "-earliest.weekday() % 7 + 1",
        "competition_yaml",
    ),
    "hidden phases show their output": Fault(
        "organizer/bundle/rules.py", 'if scored.hidden and not phase.get("hide_output", False)',
        'if scored.hidden and not phase.get("hide_output", True)', "competition_yaml",
    ),
    "the later upload wins a tie": Fault(
        "organizer/leaderboard/boards.py", ", self.submission.uploaded)",
        ", -self.submission.uploaded)", "leaderboard",
    ),
    "the best of all uploads in the hidden phase": Fault(
        "organizer/leaderboard/boards.py",
        "submissions = [entry.submission for entry in entries]", "pass", "leaderboard",
    ),
    "run again after the end, so late": Fault(
        "organizer/codabench/opening.py", "all(s.created > end + _GRACE for s in found",
        "any(s.created > end + _GRACE for s in found", "codabench_close codabench",
    ),
    "names are markup": Fault(
        "organizer/leaderboard/page.py", ">{escape(row.participant)}<", ">{row.participant}<",
        "leaderboard",
    ),
    # The network and its training.
    "kernel mirrored": Fault(
        f"{KIT}/backends/torch.py", "(k, source, target), (26 - k, target, source)",
        "(26 - k, source, target), (k, target, source)", "model",
    ),
    "label one too low": Fault(
        f"{KIT}/predict.py", "of_label.argmax(1) + 1)", "of_label.argmax(1).clamp(1))",
        "predict",
    ),
    "predictions in the order of batches": Fault(
        f"{KIT}/predict.py", "result[events.rows(index).cpu()]",
        "result[events.rows(index.sort()[0]).cpu()]", "predict",
    ),
    "learning rate ends high": Fault(
        f"{KIT}/training.py", "0.5 * (1 + math.cos", "(0.6 + 0.4 * math.cos", "train"
    ),
    "average of the last steps alone": Fault(
        f"{KIT}/training.py", "1 - decay)", "decay)", "train"
    ),
    "optimizer begins anew on resume": Fault(
        f"{KIT}/training.py", "optimizer.load_state_dict(values)", "pass",
        "train",
    ),
    "every step in the same view": Fault(
        f"{KIT}/training.py", "[self.config.seed, 2, self.step, self.rank]",
        "[self.config.seed, 2, 0, self.rank]", "train",
    ),
    "classes of another cycle by their place": Fault(
        f"{CORE}/cycles.py", "return tuple(map(other.label, names))",
        "return tuple(min(i, len(other.labels)) for i in self.labels)", "format predict",
    ),
    "mirrored out of the grid": Fault(
        f"{KIT}/augment.py", "GRID_SIZE - 1 - coords", "GRID_SIZE - coords", "augment"
    ),
}  # fmt: skip


def copy_project(folder: Path) -> None:
    """Copy all tracked files of the working tree."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, tracked.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def plant(folder: Path, fault: Fault) -> str:
    """Plant the fault in the copy; return the file's former text.

    Raises ValueError if the file does not contain the line once.
    """
    path = folder / fault.file
    text = path.read_text(encoding="utf-8")
    if text.count(fault.old) != 1:
        raise ValueError(f"{fault.file}: {fault.old!r} stands there {text.count(fault.old)} times")
    path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
    return text


def first_failure(folder: Path, *arguments: str) -> str:
    """Return the first test of pytest that fails, or the module that can't be imported.

    pytest runs in a forked child, so that LIBRARIES are imported only once.
    """
    said = folder / "said.txt"
    child = FORK.Process(target=_run_pytest, args=(folder, said, arguments))
    child.start()
    child.join()
    if child.exitcode not in (0, 1, 2, 5):  # passed, failed, not collected, nothing to collect
        raise RuntimeError(f"pytest could not run:\n{said.read_text()}")
    found = re.search(r"^(?:FAILED|ERROR) tests/(\S+)", said.read_text(), flags=re.MULTILINE)
    return found[1] if found else ""


def _run_pytest(folder: Path, said: Path, arguments: tuple[str, ...]) -> None:
    with open(said, "w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.chdir(folder)
    paths = [str(folder / "scoring_program"), str(folder / "starting_kit"), str(folder)]
    sys.path[:1] = paths  # instead of the folder of this file
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    sys.exit(pytest.main(["-x", "-p", "no:cacheprovider", *arguments]))


def main(words: list[str]) -> int:
    chosen = {n: f for n, f in FAULTS.items() if not words or any(w.lower() in n for w in words)}
    left, found = {}, {}
    for library in LIBRARIES:
        import_module(library)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder)
        for name, fault in chosen.items():
            before = plant(folder, fault)
            tests = [f"tests/test_{module}.py" for module in fault.tests.split()]
            test = first_failure(folder, *QUICK, *tests)
            if not test:
                left[name] = fault
            found[name] = test or first_failure(folder, *tests)
            (folder / fault.file).write_text(before, encoding="utf-8")
            how = "all   " if name in left else "quick "
            print(f"{how if found[name] else 'NOBODY'} {name}: {found[name]}", flush=True)
        for fault in left.values():
            plant(folder, fault)
        other = "--ignore=tests/test_planted_faults.py"  # it fails whenever a fault is planted
        test = first_failure(folder, *QUICK, other) if left else ""
    if test:
        print(f"one of those not found by quick's own modules is by {test}")
    n_found = sum(map(bool, found.values()))
    print(f"{len(chosen)} faults: make quick finds {len(chosen) - len(left)}, all tests {n_found}")
    return 0 if n_found == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
