"""The child process that reads a submission: limits, output, crashes."""

import ctypes
import faulthandler
import os
import resource
import signal
import sys
import threading
import time
from dataclasses import dataclass

import forms
import h5py
import numpy as np
import pytest
import toy

from lartpc_challenge import guarded
from lartpc_challenge.format import ChallengeError, ReferenceDataError, SubmissionError
from lartpc_challenge.reference import Manifest
from lartpc_challenge.submission import sandbox
from lartpc_challenge.submission.sandbox import read_guarded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the child is used on Linux alone")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = forms.Run(tmp_path_factory.mktemp("run"), toy.make_events(5, n_voxels=(20, 40)))
    run.csv()
    return run


@dataclass(frozen=True)
class Trapped(Manifest):
    """A manifest that calls a function in the process that looks up events in it."""

    trap: object = None

    def rows(self, event_id):
        self.trap()
        return super().rows(event_id)


def trapped(run, trap) -> Trapped:
    return Trapped(**vars(run.manifest), trap=trap)


def segfault():
    ctypes.string_at(0)


def loop_for_ever():
    while True:
        pass


def sleep_for_ever():
    time.sleep(1000)


def take_memory():
    return np.ones(1 << 30)


def talk():
    os.write(1, b"from the child\n")
    os.write(2, b"from the child's C library\n")


def test_a_submission_is_read(run):
    assert np.array_equal(read_guarded(run.res, run.manifest), run.labels)


def test_the_labels_are_not_tied_to_the_next_ones(run):
    first = read_guarded(run.res, run.manifest)
    first[:] = 0
    assert np.array_equal(read_guarded(run.res, run.manifest), run.labels)


def test_a_crash_is_one_sentence(run, capfd):
    faulthandler.enable()
    with pytest.raises(SubmissionError, match=r"^the submission: can't be read: .*\(signal 11\)"):
        read_guarded(run.res, trapped(run, segfault))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("trap", [loop_for_ever, sleep_for_ever])
def test_a_hang_ends_at_the_time_limit(run, trap):
    start = time.monotonic()
    with pytest.raises(SubmissionError, match=r"takes longer than 0\.5 seconds, the limit"):
        read_guarded(run.res, trapped(run, trap), time_limit=0.5)
    assert time.monotonic() - start > 0.5


@pytest.mark.slow
def test_a_loop_in_a_sparse_file_ends_sooner(tmp_path, monkeypatch):
    """Reading a sparse file takes a second, so a worker must not wait four minutes."""
    sparse = forms.Run(tmp_path / "run", toy.make_events(5, n_voxels=(20, 40)))
    sparse.sparse()
    monkeypatch.setattr(sandbox, "SHORT_SECONDS", 1)
    start = time.monotonic()
    with pytest.raises(SubmissionError, match=r"needs more CPU time than the limit.*sparse form"):
        read_guarded(sparse.res, trapped(sparse, loop_for_ever))
    assert time.monotonic() - start < 120


def test_an_orphan_ends_by_itself(run):
    """If the parent is killed, the child's own limit on CPU time ends it."""

    def tell_limits():
        raise SubmissionError(str(resource.getrlimit(resource.RLIMIT_CPU)))

    with pytest.raises(SubmissionError, match=r"^\(3, 3\)$"):
        read_guarded(run.res, trapped(run, tell_limits), time_limit=2.5)


def test_memory_ends_at_the_limit(run):
    with pytest.raises(SubmissionError, match="needs more than 256 MiB of memory, the limit"):
        read_guarded(run.res, trapped(run, take_memory), memory_limit=256 << 20)


def test_the_memory_of_the_parent_is_not_counted(run):
    ballast = np.ones(3 << 23)  # 192 MiB
    pred = read_guarded(run.res, run.manifest, memory_limit=128 << 20)
    assert np.array_equal(pred, run.labels)
    assert ballast.all()


def test_what_the_child_prints_goes_nowhere(run, capfd):
    pred = read_guarded(run.res, trapped(run, talk))
    assert capfd.readouterr() == ("", "")
    assert np.array_equal(pred, run.labels)


def exit_at_once():
    os._exit(7)


def raise_an_odd_error():
    raise ZeroDivisionError("label 3")


def raise_interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("trap", "words"),
    [
        (exit_at_once, "exit status 7"),
        (raise_an_odd_error, "ZeroDivisionError"),
        (raise_interrupt, "KeyboardInterrupt"),
    ],
)
def test_an_unforeseen_end_is_named_and_no_more(run, trap, words):
    with pytest.raises(SubmissionError, match=f"the reader crashed \\({words}\\)\\. "):
        read_guarded(run.res, trapped(run, trap))


@pytest.mark.parametrize("kind", [ChallengeError, SubmissionError, ReferenceDataError])
def test_an_error_of_ours_keeps_its_kind_and_text(run, kind):
    def trap():
        raise kind("one\ntwo")

    with pytest.raises(ChallengeError, match=r"^one\ntwo$") as caught:
        read_guarded(run.res, trapped(run, trap))
    assert type(caught.value) is kind


def test_a_report_of_any_length_is_cut(run):
    def trap():
        raise SubmissionError("x" * 10_000_000)

    with pytest.raises(SubmissionError, match=r"^x{60000}") as caught:
        read_guarded(run.res, trapped(run, trap))
    assert len(str(caught.value)) <= 1 << 16


def in_child(action) -> int:
    """Run `action` in a forked process; return its exit status: 0 if it raised nothing."""
    child = guarded._fork()
    if child == 0:
        try:
            action()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_locked_process_can_open_nothing(run):
    def locked_out():
        before = open(run.reference, "rb")  # noqa: SIM115
        guarded.forbid_opening()
        assert before.read(4) == b"\x89HDF"
        for path in (run.reference, run.test, os.devnull):
            with pytest.raises(OSError, match="Too many open files"):
                os.open(path, os.O_RDONLY)

    assert in_child(locked_out) == 0


def test_the_lock_alone_keeps_a_link_from_the_truth(run, tmp_path):
    """If the guard had a hole, h5py would read the linked truth; the lock prevents it."""
    path = tmp_path / "linked.h5"
    with h5py.File(path, "w") as file:
        file["pred"] = h5py.ExternalLink(str(run.reference), "/label")

    def read_link():
        with h5py.File(path) as file:
            file["pred"][:]

    def read_link_locked():
        with h5py.File(path) as file:
            guarded.forbid_opening()
            file["pred"][:]

    assert in_child(read_link) == 0
    assert in_child(read_link_locked) == 1


def test_nothing_is_left_behind(run):
    def open_files():
        return sorted(os.listdir("/proc/self/fd"))

    def children():  # of other tests, too
        with open(f"/proc/self/task/{threading.get_native_id()}/children") as file:
            return file.read()

    read_guarded(run.res, run.manifest)
    before, former = open_files(), children()
    read_guarded(run.res, run.manifest)
    for trap in (segfault, exit_at_once, raise_an_odd_error):
        with pytest.raises(SubmissionError):
            read_guarded(run.res, trapped(run, trap))
    assert open_files() == before
    assert children() == former


def test_elsewhere_the_submission_is_read_in_this_process(run, monkeypatch):
    """Windows can't fork, and macOS can't limit memory: there files are read without limits."""
    sprung = []
    monkeypatch.setattr(sys, "platform", "darwin")
    pred = read_guarded(run.res, trapped(run, lambda: sprung.append(os.getpid())))
    assert np.array_equal(pred, run.labels)
    assert sprung == [os.getpid()]


def test_a_manifest_without_voxels_is_read(tmp_path):
    run = forms.Run(
        tmp_path, [toy.Event(3, np.empty((0, 3), "u1"), np.empty(0, "f4"), np.empty(0, "u1"))]
    )
    run.sparse()
    assert read_guarded(run.res, run.manifest).shape == (0,)


def test_the_limits_are_those_that_the_pages_state():
    assert (guarded.MEMORY_LIMIT, guarded.TIME_LIMIT) == (2**30, 240)


def test_a_reference_that_stops_its_reader_is_the_organisers_fault(run):
    """A CSV needs the reference's coordinates; if they crash the reader, we say so."""

    @dataclass(frozen=True)
    class Damaged(Manifest):
        def coords(self, start=0, stop=None):
            segfault()

    with pytest.raises(ReferenceDataError, match=r"reference\.h5: can't be read: signal 11$"):
        read_guarded(run.res, Damaged(**vars(run.manifest)))


def test_it_does_without_the_status_of_its_child(run):
    """If SIGCHLD is ignored (inherited from a parent), the system keeps no status."""

    def read():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        assert np.array_equal(read_guarded(run.res, run.manifest), run.labels)
        with pytest.raises(SubmissionError, match="the reader crashed"):
            read_guarded(run.res, trapped(run, segfault))

    assert in_child(read) == 0
