"""Signals stop a program, also while Python can't or must not raise exceptions."""

import signal
import subprocess
import sys
import threading

import pytest

from lartpc_challenge.signals import handling, held, let_in, stopping

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


def test_what_is_held_back_takes_effect_when_it_is_let_in_or_at_the_end():
    heard = []
    with handling([signal.SIGINT], lambda number, _: heard.append(number)):
        with held():
            signal.raise_signal(signal.SIGINT)
            with held():  # as of a second file in the same block
                signal.raise_signal(signal.SIGINT)
            assert heard == []
            let_in()
            assert heard == [signal.SIGINT] * 2
            let_in()
            signal.raise_signal(signal.SIGINT)
            assert heard == [signal.SIGINT] * 2
        assert heard == [signal.SIGINT] * 3
        signal.raise_signal(signal.SIGINT)
        assert heard == [signal.SIGINT] * 4


def test_an_exception_from_what_was_held_back_leaves_the_handlers_as_they_were():
    before = signal.getsignal(signal.SIGINT)
    done = []

    def block():
        with held():
            signal.raise_signal(signal.SIGINT)
            done.append("to the end")

    with pytest.raises(KeyboardInterrupt):
        block()
    assert done == ["to the end"]
    assert signal.getsignal(signal.SIGINT) is before
    with held():
        let_in()  # nothing of the earlier block is left


def test_blocks_of_two_files_may_end_in_any_order():
    first, second = held(), held()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        second.__exit__(None, None, None)


def test_other_threads_hold_nothing_back():
    handlers = []

    def look():
        with held():
            let_in()
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


def test_where_no_handler_is_the_process_ends():
    script = (
        "import signal\nfrom lartpc_challenge.signals import held\n"
        "with held():\n    signal.raise_signal(signal.SIGTERM)\n    print('held', flush=True)\n"
        "print('too far')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGTERM, "held\n", "")


def test_handlers_are_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with handling([signal.SIGTERM], signal.SIG_IGN):
        assert signal.SIGTERM not in stopping()
    assert signal.getsignal(signal.SIGTERM) is before
    assert signal.SIGTERM in stopping()
