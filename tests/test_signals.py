"""Signals: what asks to stop is heard, also where Python can't raise or must not."""

import signal
import subprocess
import sys
import time

import pytest

from lartpc_challenge.signals import handling, sparing, stopping

LOST = """
import signal, sys, time
from lartpc_challenge.command import run
class Dying:
    def __del__(self):
        signal.raise_signal(int(sys.argv[1]))
def command():
    Dying()
    time.sleep(600)
sys.exit(run("toy", command))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_python_ignores_in_a_destructor_is_heard_after_it(number):
    done = subprocess.run(
        [sys.executable, "-c", LOST, str(int(number))], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", "toy: stopped\n")


def test_a_spared_function_ends_before_the_handler_runs():
    heard, done = [], []

    def fragile():
        signal.raise_signal(signal.SIGINT)
        done.append(list(heard))

    with handling([signal.SIGINT], lambda number, _: heard.append(number)), sparing(fragile):
        fragile()
        deadline = time.monotonic() + 300
        while not heard and time.monotonic() < deadline:
            time.sleep(0.001)
        signal.raise_signal(signal.SIGINT)  # outside it, at once
    assert done == [[]]
    assert heard == [signal.SIGINT] * 2


def test_handlers_are_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with handling([signal.SIGTERM], signal.SIG_IGN):
        assert signal.SIGTERM not in stopping()
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.SIGTERM in stopping()
