"""Files with secrets are readable by their owner only, and are removed even after kill -9."""

import os
import signal
import stat
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest
import toy
from tiny import ROOT, make_tiny
from watching import nothing_exposed

from lartpc_challenge.cycles import CYCLES
from lartpc_challenge.files import new_h5, replacing
from organizer.bundle.build import BundleRequest, build
from organizer.competition import read_competition
from organizer.data.seeds import kept_seeds
from organizer.phases.split import prepare
from organizer.scratch import scratch_folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="other permissions and locks there")

WAITING = """
import sys, time
from pathlib import Path
from lartpc_challenge.files import replacing
from organizer.scratch import scratch_folder
what, where = sys.argv[1], Path(sys.argv[2])
with replacing(where) if what == "file" else scratch_folder("test", where) as secret:
    (secret if what == "file" else secret / "label").write_text("truth")
    if what == "folder":
        secret.chmod(0o500)
    print(secret, flush=True)
    time.sleep(600)
"""


def mode(path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def waiting(what, where) -> tuple[subprocess.Popen, Path]:
    """Return a process that has a secret in a temporary file or folder, and the name of that."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, what, str(where)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    return process, Path(process.stdout.readline().strip())


@pytest.fixture
def ended():
    """A list of processes, which are killed at the end of the test."""
    processes = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


CARELESS = "import os, sys; open(sys.argv[1], 'w').close(); os.unlink(sys.argv[1])"


def careless(path):
    path.write_text("truth")
    path.unlink()


def careless_child(path):
    subprocess.run([sys.executable, "-c", CARELESS, path], check=True)


@pytest.mark.parametrize("write", [careless, careless_child])
def test_a_file_that_others_could_read_for_a_moment_is_found(tmp_path, write):
    (tmp_path / "raw").mkdir()
    with pytest.raises(AssertionError), nothing_exposed(tmp_path, "raw"):
        write(tmp_path / "raw/label")


@pytest.mark.parametrize("private", [False, True])
def test_a_temporary_file_is_its_owners_alone(tmp_path, private):
    path = tmp_path / "file.txt"
    with replacing(path, private=private) as temporary:
        assert mode(temporary) == 0o600
        temporary.write_text("secret")
        assert mode(temporary) == 0o600
    reference = tmp_path / "as usual"
    reference.write_text("")
    assert mode(path) == (0o600 if private else mode(reference))


def test_an_hdf5_file_is_private_while_it_is_written(tmp_path):
    with new_h5(tmp_path / "a.h5", private=True) as file:
        file["label"] = [1, 2]
        (temporary,) = tmp_path.iterdir()
        assert mode(temporary) == 0o600
    assert mode(tmp_path / "a.h5") == 0o600


def test_what_holds_truth_or_seeds_is_private(tmp_path):
    events = toy.make_events(8, cycle=2)
    raw = tmp_path / "raw"
    for name, some in (("train", events[:4]), ("test", events[4:])):
        toy.make_events_file(raw / f"cycle2_{name}.h5", some, kind="train", cycle=2)
    folders = (raw, tmp_path / "public", tmp_path / "private")
    prepare(*folders, phases=toy.COMPETITION.phases_of(CYCLES[2]), secret=bytes(16))
    kept_seeds(tmp_path / "seeds.json")("cycle1 train")
    references = list((tmp_path / "private").rglob("reference.h5"))
    assert len(references) == 2
    for path in (*references, tmp_path / "seeds.json"):
        assert mode(path) == 0o600, path
    assert mode(tmp_path / "public/cycle2_train.h5") & 0o044 or os.umask(os.umask(0)) & 0o044


def test_bundles_with_their_references_are_private(tmp_path):
    data = make_tiny(tmp_path / "data").folder
    competition = read_competition(ROOT / "competition.yaml")
    request = BundleRequest(competition, date(2027, 1, 4), data=data, placeholder=True, root=ROOT)
    built = build(request, tmp_path / "dist")
    assert mode(built.codabench) == mode(built.codalab) == 0o600
    assert mode(tmp_path / "dist/hidden_references") == 0o700
    assert sorted(path.name for path in (tmp_path / "dist").iterdir()) == [
        "codabench.zip",
        "codalab-v1.5.zip",
        "hidden_references",
    ]


def test_the_next_run_removes_the_file_that_a_killed_one_left(tmp_path, ended):
    target = tmp_path / "file.txt"
    killed, left = waiting("file", target)
    alive, kept = waiting("file", target)
    ended += [killed, alive]
    others = [tmp_path / name for name in (".file.txt.tmp", ".file.txt.x1.tmp", ".other.1.tmp")]
    for path in others:
        path.write_text("not ours")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert left.read_text() == "truth"
    with replacing(target) as temporary:
        temporary.write_text("new")
    assert not left.exists()
    assert sorted(tmp_path.iterdir()) == sorted([target, kept, *others])


def test_the_next_run_removes_the_folder_that_a_killed_one_left(tmp_path, ended):
    killed, left = waiting("folder", tmp_path)
    alive, kept = waiting("folder", tmp_path)
    ended += [killed, alive]
    other = tmp_path / ".lartpc-challenge-other-1"
    other.mkdir()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert (left / "label").read_text() == "truth"
    with scratch_folder("test", tmp_path) as folder:
        assert mode(folder) == 0o700
        assert sorted(tmp_path.iterdir()) == sorted([folder, kept, other])
    assert sorted(tmp_path.iterdir()) == sorted([kept, other])


def test_a_folder_that_waits_for_its_lock_is_spared(tmp_path):
    new, old = (tmp_path / f".lartpc-challenge-test-{name}" for name in ("new", "old"))
    for path in (new, old):
        path.mkdir()
    os.utime(old, times=(time.time() - 100,) * 2)
    with scratch_folder("test", tmp_path) as folder:
        assert sorted(tmp_path.iterdir()) == sorted([folder, new])


def test_a_writer_within_a_writer_shares_its_temporary_file(tmp_path):
    """Several files are renamed together, or none."""
    with replacing(tmp_path / "a.h5", private=True) as temporary:
        with new_h5(temporary) as file:
            file["x"] = [1]
        assert list(tmp_path.iterdir()) == [temporary]
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]
    assert mode(tmp_path / "a.h5") == 0o600
