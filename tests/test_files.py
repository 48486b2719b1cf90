"""Files are written completely or not at all; errors are one sentence."""

import os
import signal
import subprocess
import sys

import h5py
import pytest
import toy

from lartpc_challenge.events import EventWriter
from lartpc_challenge.files import check_writable, new_h5, open_h5, replacing
from lartpc_challenge.format import ChallengeError, ReferenceDataError

# Forks: HDF5 crashes the process if it can't flush (seen with HDF5 2.0).
FULL_DISK = """
import os, resource, signal, sys
import toy
from lartpc_challenge.format import ChallengeError
what, path, *limits = sys.argv[1:]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
many = toy.make_events(40, n_voxels=(2000, 3000))
for limit in map(int, limits):
    if os.fork() == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            if what == "events":
                toy.make_events_file(path, many, kind="train", cycle=2)
            else:
                toy.make_reference(path, many, phase=3)
        except ChallengeError as problem:
            sys.exit(str(problem))
        sys.exit(0)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limit on file sizes here")
@pytest.mark.parametrize("what", ["events", "reference"])
def test_a_full_disk_ends_in_a_sentence_and_keeps_the_earlier_file(tmp_path, what):
    path, limits = tmp_path / "events.h5", ("0", "1000", "200000")
    path.write_text("an earlier file")
    done = subprocess.run(
        [sys.executable, "-u", "-c", FULL_DISK, what, str(path), *limits],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == f"{path}: can't be written: File too large\n" * len(limits)
    assert done.stdout == "1\n" * len(limits)
    assert path.read_text() == "an earlier file"
    assert list(path.parent.iterdir()) == [path]


CTRL_C = """
import signal, sys
from lartpc_challenge import files
from lartpc_challenge.signals import let_in
write, armed = files._PatientFile.write, []
def struck(self, data):
    if armed:
        armed.clear()
        signal.raise_signal(signal.SIGINT)
    return write(self, data)
files._PatientFile.write = struck
try:
    with files.new_h5(sys.argv[1]) as file:
        data = file.create_dataset("x", (1000,), "i4", chunks=(100,))
        data[:] = 7
        armed.append(True)
        del data  # writes the chunks
        assert not armed
        print("written", flush=True)
        if sys.argv[2] == "let in":
            let_in()
            print("too far", flush=True)
except KeyboardInterrupt:
    sys.exit("interrupted")
"""


@pytest.mark.parametrize("when", ["let in", "at the end"])
def test_ctrl_c_inside_a_call_from_hdf5_strikes_after_it(tmp_path, when):
    """If it is raised there, it is ignored, and a file without chunks replaces the good one; or it
    crashes the process (both seen with HDF5 2.0)."""
    path = tmp_path / "events.h5"
    path.write_text("an earlier file")
    done = subprocess.run(
        [sys.executable, "-c", CTRL_C, str(path), when],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "written\n", "interrupted\n")
    assert path.read_text() == "an earlier file"
    assert list(tmp_path.iterdir()) == [path]


def test_ctrl_c_is_heard_between_two_events(tmp_path):
    taken = []

    def write():
        with EventWriter(tmp_path / "events.h5", kind="train", cycle=2, scale="full") as out:
            for event in toy.make_events(3):
                out.append(event)
                taken.append(event)
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        write()
    assert len(taken) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_cant_be_read_later_is_told_as_well(tmp_path):
    with h5py.File(tmp_path / "short.h5", "w") as file:
        file["offset"] = [0]
    with (
        pytest.raises(
            ReferenceDataError, match=r"short\.h5: damaged, it can't be read; download or make it"
        ),
        open_h5(tmp_path / "short.h5", error=ReferenceDataError) as file,
    ):
        file["label"][:]


@pytest.mark.parametrize("new", [replacing, new_h5])
def test_a_folder_that_is_a_file_is_told(tmp_path, new):
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(ChallengeError, match=r"file/events\.h5: can't be written"),
        new(tmp_path / "file" / "events.h5"),
    ):
        pass


def test_a_fault_within_is_told_by_the_name_that_the_user_gave(tmp_path):
    """Commands that write several files or none give temporary names to other writers."""
    with (
        pytest.raises(ChallengeError, match=rf"^{tmp_path}/a\.h5: can't be written: disk full$"),
        replacing(tmp_path / "a.h5") as temporary,
        replacing(temporary),
    ):
        raise OSError("disk full")
    assert list(tmp_path.iterdir()) == []


def test_folders_are_made_for_a_new_file(tmp_path):
    with replacing(tmp_path / "a" / "b" / "c.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a" / "b" / "c.txt").read_text() == "new"


def test_before_the_work_as_after_it(tmp_path):
    """check_writable reports at once what `replacing` would report at the end."""
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    check_writable(tmp_path / "file")
    check_writable(tmp_path / "new" / "events.h5")
    for path in (tmp_path / "file" / "events.h5", tmp_path / "folder"):
        for attempt in (check_writable, lambda path: replacing(path).__enter__()):
            with pytest.raises(ChallengeError, match=f"{path}: can't be written"):
                attempt(path)


def test_a_link_stays_one(tmp_path):
    (tmp_path / "target.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("target.txt")
    with replacing(tmp_path / "link.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "target.txt").read_text() == "new"
