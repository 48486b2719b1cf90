"""The timings' processes: what they are asked, how they end."""

import multiprocessing
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from lartpc_challenge.format import ChallengeError

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
network = pytest.importorskip("network", reason="torch and spconv are not installed")


@pytest.fixture
def worker_reads(tmp_path):
    """A pipe for a worker to read, and a way to signal this process and it while it does."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threads = []

    def when_read(*signals) -> Path:
        def act():
            with open(pipe, "wb"):  # waits for the reader
                (worker,) = multiprocessing.active_children()
                for pid, number in zip((worker.pid, os.getpid()), signals):
                    os.kill(pid, number)
                worker.join()

        threads.append(threading.Thread(target=act))
        threads[0].start()
        return pipe

    yield when_read
    threads[0].join()


def test_ctrl_c_ends_the_worker_without_a_word(worker_reads, capfd):
    pipe = worker_reads(signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        network._in_a_process(Path.read_bytes, pipe)
    assert multiprocessing.active_children() == []
    assert capfd.readouterr() == ("", "")


def test_a_worker_that_is_killed_is_a_sentence(worker_reads):
    pipe = worker_reads(signal.SIGKILL)
    with pytest.raises(ChallengeError, match="was killed; if memory ended, lower --batch"):
        network._in_a_process(Path.read_bytes, pipe)
