"""If a process of the timings is killed, the message says so."""

import os
import signal
import sys
from pathlib import Path

import pytest

from lartpc_challenge.format import ChallengeError

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
network = pytest.importorskip("network", reason="torch and spconv are not installed")


def kill_itself(number: int) -> None:
    os.kill(os.getpid(), number)


def test_a_worker_that_is_killed_is_a_sentence():
    with pytest.raises(ChallengeError, match="SIGKILL; if memory ended, lower --batch"):
        network.in_a_process(kill_itself, signal.SIGKILL)
