"""The command simulate: reproducible events, and the errors."""

from __future__ import annotations

import importlib.util
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from lartpc_challenge.events import EventFile, EventWriter
from lartpc_challenge.format import ChallengeError
from organizer.data.seeds import fixed_seeds
from organizer.phases.split import published
from organizer.simulate import chunks
from organizer.simulate.__main__ import main
from organizer.simulate.chunks import SimulationRequest, chunk_file, simulate_here

needs_geant4 = pytest.mark.skipif(
    importlib.util.find_spec("geant4_pybind") is None, reason="geant4_pybind is not installed"
)
ROOT = Path(__file__).parents[1]
SEED = 20_180_806

EVENTS = 30


def command(out, *, events=EVENTS, cycle=1, seed=SEED, jobs=1, more=()) -> list[str]:
    options = {"--cycle": cycle, "--events": events, "--seed": seed, "--jobs": jobs, "--out": out}
    return [str(word) for pair in options.items() for word in pair] + list(more)


def start(arguments, setting="chunks.CHUNK_EVENTS = 4", **options) -> subprocess.Popen:
    """Start the command in its own process, with a changed setting."""
    script = (
        "import sys\nfrom organizer import jobs\nfrom organizer.simulate import chunks\n"
        f"{setting}\n"
        "from organizer.simulate.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", script, *arguments]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(words, **quiet, **options)


def wait_until(condition, run: subprocess.Popen | None = None, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert run is None or run.poll() is None, run.communicate()[1]
        assert time.monotonic() < end, "it never came to pass"
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    """Process ids of the children, on Linux."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie doesn't."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Events of cycle 1, made by one process without interruption."""
    out = tmp_path_factory.mktemp("whole") / "whole.h5"
    assert main(command(out)) == 0
    return out


@needs_geant4
def test_the_file_holds_the_events_asked_for(whole):
    with EventFile(whole, kind="simulation") as events:
        assert (events.cycle.number, events.scale) == (1, "demonstration")
        assert events.event_id.tolist() == list(range(EVENTS))
        for event in events:
            flat = np.ravel_multi_index(tuple(event.coords.T.astype(int)), (192,) * 3)
            assert (np.diff(flat) > 0).all()
            assert (event.energy > 0.05).all()
            classes, counts = np.unique(event.label, return_counts=True)
            assert classes.tolist() == [1, 2]
            assert counts.min() >= 20


@needs_geant4
def test_the_file_keeps_what_the_organiser_may_know(whole):
    with h5py.File(whole) as file:
        assert int(file.attrs["seed"], 16) == SEED
        n_voxels = len(file["coords"])
        assert file["origin"].shape == file["second_share"].shape == (n_voxels,)
        assert 1 <= file["origin"][:].min() <= file["origin"][:].max() <= 7
        n_particles = np.diff(file["particles/offset"][:]).max()
        assert 0 == file["particle"][:].min() < file["particle"][:].max() < n_particles
        assert 0 <= file["second_share"][:].min() <= file["second_share"][:].max() <= 0.5
        assert (file["attempts"][:] >= 1).all()
        table = {name: column[:] for name, column in file["particles"].items()}
    n_particles = np.diff(table["offset"])
    assert len(n_particles) == EVENTS
    assert 2 <= n_particles.min() <= n_particles.max() <= 4
    assert ((table["vertex"] > 0) & (table["vertex"] < 192)).all()
    assert np.linalg.norm(table["direction"], axis=1) == pytest.approx(1, abs=1e-6)


@needs_geant4
def test_charged_primaries_leave_voxels_at_their_vertex(whole):
    with EventFile(whole) as events:
        for i, event in enumerate(events):
            table = events.particles(np.array([i]))
            if np.any(table["pdg"] != 22):
                apart = np.abs(event.coords + 0.5 - table["vertex"][0]).max(axis=1)
                assert apart.min() < 2


@needs_geant4
def test_one_and_two_processes_write_the_same_bytes(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_EVENTS", 12)
    out = tmp_path / "other.h5"
    assert main(command(out, jobs=2)) == 0
    assert out.read_bytes() == whole.read_bytes()


@needs_geant4
def test_an_event_alone_is_the_same_as_among_others(whole, tmp_path):
    alone = range(26, 27)
    request = SimulationRequest(1, EVENTS, SEED, "demonstration")
    simulate_here(request, [alone], tmp_path, jobs=1, progress=lambda events: None)
    with EventFile(whole) as events, EventFile(chunk_file(tmp_path, alone)) as file:
        expected, found = events[26], file[0]
    assert found.event_id == 26
    for column in ("coords", "energy", "label"):
        assert getattr(found, column).tobytes() == getattr(expected, column).tobytes()


@needs_geant4
@pytest.mark.parametrize("cycle", [1, 2, 3])
def test_the_shipped_train_events_come_again(tmp_path, cycle):
    """If settings of the simulation change, the demonstration data must be made again."""
    seed = int.from_bytes(fixed_seeds(f"cycle{cycle} train"), "big")
    request, chunk = SimulationRequest(cycle, 300, seed, "demonstration"), range(3)
    simulate_here(request, [chunk], tmp_path, jobs=1, progress=lambda events: None)
    with EventFile(ROOT / f"starting_kit/data/cycle{cycle}_train.h5") as file:
        shipped = {event.coords.tobytes(): event for event in file}
    with EventFile(chunk_file(tmp_path, chunk)) as events:
        for event in (published(event, 1) for event in events):
            found = shipped.get(event.coords.tobytes())
            assert found is not None
            assert found.label.tolist() == event.label.tolist()
            assert found.energy.tolist() == event.energy.tolist()


def energies_of_the_first_event(path) -> list[float]:
    with EventFile(path) as events:
        return events.particles(np.array([0]))["kinetic_energy_mev"].tolist()


@needs_geant4
def test_another_seed_or_cycle_gives_other_events(whole, tmp_path):
    first = {}
    for name, options in (("seed", {"seed": SEED + 2**64}), ("cycle", {"cycle": 2})):
        assert main(command(tmp_path / name, events=1, **options)) == 0
        first[name] = energies_of_the_first_event(tmp_path / name)
    first["same"] = energies_of_the_first_event(whole)
    assert len({tuple(energies) for energies in first.values()}) == 3


@needs_geant4
def test_without_a_seed_each_file_has_its_own_128_bits(tmp_path):
    seeds = set()
    for name in ("a.h5", "b.h5"):
        assert main(["--cycle", "1", "--events", "1", "--out", str(tmp_path / name)]) == 0
        with h5py.File(tmp_path / name) as file:
            assert file.attrs["scale"] == "full"
            assert (tmp_path / name).stat().st_mode & 0o077 == 0
            seeds.add(int(file.attrs["seed"], 16))
    assert len(seeds) == 2
    assert min(seeds) > 2**64  # one in 2^63 to fail by chance


@needs_geant4
def test_cycle_3_has_dead_planes_three_classes_and_more_voxels(tmp_path):
    assert main(command(tmp_path / "three.h5", cycle=3, events=3)) == 0
    with EventFile(tmp_path / "three.h5") as events:
        assert events.n_voxels / len(events) > 1200
        labels = {label for event in events for label in event.label.tolist()}
        assert labels == {1, 2, 3}
        assert all((event.energy > 0.08).all() for event in events)


@needs_geant4
def test_a_finished_file_is_left_as_it_is(whole, tmp_path, capsys):
    out = shutil.copy(whole, tmp_path / "copy.h5")
    before = out.stat().st_mtime_ns
    assert main(command(out)) == 0
    assert out.stat().st_mtime_ns == before
    assert main(command(out, events=EVENTS + 1)) == 1
    assert "of another request" in capsys.readouterr().err
    assert out.stat().st_mtime_ns == before


@needs_geant4
def test_killed_in_the_middle_it_goes_on_and_writes_the_same(whole, tmp_path):
    out = tmp_path / "killed.h5"
    first = chunks.parts_directory(out) / "00000000-00000004.h5"
    run = start(command(out, jobs=2))
    wait_until(first.exists, run)
    children = children_of(run.pid)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert len(children) == 2
    wait_until(lambda: not any(map(is_alive, children)))  # they go with their parent
    assert not out.exists()
    made = first.stat().st_mtime_ns
    run = start(command(out, jobs=2))
    while first.exists():
        assert made == os.stat(first).st_mtime_ns  # what was there is not made again
        time.sleep(0.1)
    run.communicate()
    assert run.returncode == 0
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(tmp_path.iterdir()) == [out]


@needs_geant4
def test_a_process_that_crashes_is_replaced(whole, tmp_path):
    out = tmp_path / "crashed.h5"
    run = start(command(out))
    wait_until((chunks.parts_directory(out) / "00000000-00000004.h5").exists, run)
    os.kill(children_of(run.pid)[0], signal.SIGSEGV)
    _, error = run.communicate()
    assert run.returncode == 0, error
    assert out.read_bytes() == whole.read_bytes()


@needs_geant4
def test_events_that_crash_every_process_end_the_run_with_one_sentence(tmp_path, monkeypatch):
    request = SimulationRequest(1, EVENTS, SEED, "demonstration")
    monkeypatch.syspath_prepend(tmp_path)  # where the child meets another geant4_pybind
    (tmp_path / "geant4_pybind.py").write_text("import os; os.abort()")
    with pytest.raises(ChallengeError, match="of events 0 to 29 was ended by SIGABRT"):
        chunks.simulate(tmp_path / "out.h5", request, jobs=1, progress=lambda events: None)


@needs_geant4
def test_a_damaged_chunk_is_made_again(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_EVENTS", 4)
    out = tmp_path / "again.h5"
    parts = chunks.parts_directory(out)
    parts.mkdir()
    (parts / "00000004-00000008.h5").write_bytes(whole.read_bytes()[:5000])
    assert main(command(out)) == 0
    assert out.read_bytes() == whole.read_bytes()


@needs_geant4
def test_interrupted_it_says_one_sentence_and_keeps_the_chunks(tmp_path):
    out = tmp_path / "out.h5"
    first = chunks.parts_directory(out) / "00000000-00000004.h5"
    run = start(command(out, events=400))
    wait_until(first.exists, run)
    run.send_signal(signal.SIGINT)
    _, error = run.communicate()
    assert run.returncode == 130
    assert "run the same command to continue" in error
    assert "Traceback" not in error
    assert first.exists()
    assert not out.exists()


@needs_geant4
def test_a_full_disk_is_one_sentence(tmp_path):
    def limit():
        # Files of at most 40 kB: the argon tables fit, 50 events in a chunk don't.
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    run = start(command(tmp_path / "out.h5", cycle=3), preexec_fn=limit)
    _, error = run.communicate()
    assert run.returncode == 1
    assert "Traceback" not in error
    assert "can't be written" in error
    assert not (tmp_path / "out.h5").exists()


CLUSTER = """
import sys
from distributed import LocalCluster

with LocalCluster(
    n_workers=2, threads_per_worker=1, processes=False, protocol="tcp://", host="127.0.0.1",
    dashboard_address=None,
) as cluster:
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""


@contextmanager
def dask_cluster():
    """Address of a scheduler with two workers of one thread each, all in a process of their own."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", CLUSTER], text=True, **pipes) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@needs_geant4
def test_a_dask_cluster_of_two_workers_writes_the_same_bytes(whole, tmp_path):
    if importlib.util.find_spec("distributed") is None:
        pytest.skip("dask[distributed] is not installed")
    out = tmp_path / "dask.h5"
    with dask_cluster() as address:
        run = start(command(out, more=["--dask", address]))
        _, error = run.communicate()
    assert run.returncode == 0, error
    assert out.read_bytes() == whole.read_bytes()


def test_a_scheduler_that_does_not_answer_is_one_sentence(tmp_path):
    if importlib.util.find_spec("distributed") is None:
        pytest.skip("dask[distributed] is not installed")
    arguments = command(tmp_path / "out.h5", more=["--dask", "tcp://127.0.0.1:9"])
    run = start(arguments, setting="jobs.SCHEDULER_SECONDS = 1")
    _, error = run.communicate(timeout=120)
    assert run.returncode == 1
    assert "simulate: no Dask scheduler answers at tcp://127.0.0.1:9" in error
    assert "Traceback" not in error


def test_without_geant4_it_says_how_to_install_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "geant4_pybind", None)
    assert main(command(tmp_path / "out.h5")) == 1
    assert "simulate: Geant4 is not installed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"events": 0}, "must be at least 1, found 0"),
        ({"events": "many"}, "must be a whole number, found 'many'"),
        ({"events": "9" * 20}, "must be at most 100,000,000, found 99999999999999999999"),
        ({"jobs": 0}, "must be at least 1, found 0"),
        ({"jobs": 10**9}, "must be at most 1,024, found 1000000000"),
        ({"seed": -1}, "must be at least 0, found -1"),
        ({"cycle": 44}, "cycle '44' is unknown"),
    ],
)
def test_wrong_options_are_refused(tmp_path, capsys, wrong, text):
    with pytest.raises(SystemExit, match="2"):
        main(command(tmp_path / "out.h5", **wrong))
    assert text in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(command(tmp_path / "file" / "out.h5")) == 1
    assert "can't be written" in capsys.readouterr().err


def test_a_file_of_another_kind_is_not_overwritten(tmp_path, capsys):
    out = tmp_path / "out.h5"
    out.write_text("precious")
    assert main(command(out)) == 1
    assert "not a readable HDF5 file" in capsys.readouterr().err
    assert out.read_text() == "precious"


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"cycle": 1, "seed": "7"}'])
def test_chunks_of_another_order_are_not_continued(tmp_path, capsys, kept):
    out = tmp_path / "out.h5"
    chunks.parts_directory(out).mkdir()
    (chunks.parts_directory(out) / "request.json").write_text(kept or "nonsense")
    assert main(command(out)) == 1
    assert "was made with another cycle, seed or version" in capsys.readouterr().err


def test_two_runs_do_not_work_on_the_same_file(tmp_path):
    request = SimulationRequest(1, 9, SEED, "demonstration")
    with (
        chunks._locked(tmp_path / "out.h5.parts", request),
        pytest.raises(ChallengeError, match="another process is at work"),
    ):
        chunks.simulate(tmp_path / "out.h5", request, jobs=1, progress=lambda events: None)


def test_chunks_cover_the_events_once(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_EVENTS", 4)
    spans = [(chunk.start, chunk.stop) for chunk in SimulationRequest(1, 10, 0, "full").chunks()]
    assert spans == [(0, 4), (4, 8), (8, 10)]


def test_seed_and_chunks_are_for_their_owners_eyes_only(tmp_path):
    parts = tmp_path / "out.h5.parts"
    with chunks._locked(parts, SimulationRequest(1, 9, SEED, "demonstration")):
        assert parts.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("seed", [[], ["--seed", "7"]])
def test_a_train_file_is_not_taken_for_the_simulators(tmp_path, capsys, seed):
    out = tmp_path / "out.h5"
    with EventWriter(out, kind="train", cycle=1, scale="full"):
        pass
    assert main(["--cycle", "1", "--events", "1", "--out", str(out), *seed]) == 1
    assert "simulat" in capsys.readouterr().err.removeprefix("simulate: ")
