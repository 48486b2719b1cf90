"""Functions in child processes: results in order, clear errors, no process left over."""

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lartpc_challenge.format import ChallengeError
from organizer.jobs import ProcessDied, run_jobs


def refuse(text: str) -> None:
    print("before it failed", file=sys.stderr)
    raise ChallengeError(text)


def die_once(mark: Path) -> int:
    """End the process if the mark is missing, and make the mark."""
    if not mark.exists():
        mark.touch()
        os.abort()
    return os.getpid()


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition) -> None:
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_results_come_in_the_order_of_the_tasks():
    seen = []
    tasks = [(2, 5), (3, 4), (7, 2)]
    results = run_jobs(pow, tasks, processes=2, done=lambda *pair: seen.append(pair))
    assert results == [32, 81, 49]
    assert sorted(seen) == [((2, 5), 32), ((3, 4), 81), ((7, 2), 49)]


def test_one_process_does_all_or_each_its_own():
    assert len(set(run_jobs(os.getpid, [()] * 4, processes=1))) == 1
    assert len(set(run_jobs(os.getpid, [()] * 4, processes=2, fresh=True))) == 4
    assert run_jobs(os.getpid, [], processes=2) == []


def test_what_is_done_is_told_while_others_are_at_work():
    first = []
    with pytest.raises(KeyboardInterrupt):
        run_jobs(time.sleep, [(0,), (600,)], processes=2, done=_interrupt(first))
    assert first == [(0,)]


def _interrupt(seen: list):
    def done(task, result):
        seen.append(task)
        raise KeyboardInterrupt

    return done


def test_a_function_of_a_script_runs_as_well(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from organizer.jobs import run_jobs\nFACTOR = 7\ndef times(x):\n    return FACTOR * x\n"
        "if __name__ == '__main__':\n    print(run_jobs(times, [(2,), (3,)], processes=1))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=300)
    assert (done.stdout, done.stderr) == ("[14, 21]\n", "")


def test_an_error_is_raised_here_as_it_was_there(tmp_path):
    with pytest.raises(ChallengeError, match=r"^no argon left$") as found:
        run_jobs(refuse, [("no argon left",)], processes=1, logs=tmp_path)
    assert "in refuse\n" in str(found.value.__cause__)
    assert (tmp_path / "process0.log").read_text() == "before it failed\n"
    with pytest.raises(ZeroDivisionError):
        run_jobs(divmod, [(1, 0)], processes=1)


def test_a_process_that_dies_is_replaced_as_often_as_asked(tmp_path):
    with pytest.raises(ProcessDied, match="SIGABRT") as found:
        run_jobs(die_once, [(tmp_path / "mark",)], processes=1)
    assert found.value.task == (tmp_path / "mark",)
    (pid,) = run_jobs(die_once, [(tmp_path / "other",)], processes=1, retries=1)
    assert pid != os.getpid()
    with pytest.raises(ProcessDied, match=r"SIGABRT: last words \(see .*process2\.log\)"):
        run_jobs(_speak_and_die, [()], processes=1, retries=2, logs=tmp_path)


def _speak_and_die() -> None:
    os.write(2, b"first\nlast words\n\n")
    os.abort()


def test_who_said_nothing_has_no_last_words(tmp_path):
    with pytest.raises(ProcessDied, match=r"ended with status 0: it printed nothing"):
        run_jobs(os._exit, [(0,)], processes=1, logs=tmp_path)


def test_tasks_stand_in_no_list_of_processes():
    """A task contains secret seeds, and other users can read command lines."""
    (line,) = run_jobs(_command_line, [("123456789",)], processes=1)
    assert b"organizer.jobs" in line
    assert b"123456789" not in line


def _command_line(secret: str) -> bytes:
    return Path("/proc/self/cmdline").read_bytes() + Path("/proc/self/environ").read_bytes()


PARENT = """
import sys, time
from organizer.jobs import run_jobs
from test_jobs import sleep_beside
run_jobs(sleep_beside, [(sys.argv[1],)], processes=1)
"""


def sleep_beside(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_goes_when_its_parent_does(tmp_path, number):
    mark = tmp_path / "pid"
    paths = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(mark)],
        env={**os.environ, "PYTHONPATH": paths},
        stderr=subprocess.PIPE,
    )
    wait_until(lambda: mark.exists() and mark.read_text())
    parent.send_signal(number)
    parent.communicate(timeout=300)
    wait_until(lambda: not is_alive(int(mark.read_text())))


def test_ctrl_c_of_a_terminal_reaches_the_parent_alone(tmp_path):
    mark = tmp_path / "pid"

    def press() -> None:
        wait_until(lambda: mark.exists() and mark.read_text())
        sessions.append(os.getsid(int(mark.read_text())))
        os.kill(os.getpid(), signal.SIGINT)

    sessions: list[int] = []
    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_jobs(functools.partial(sleep_beside, str(mark)), [()], processes=1)
    thread.join()
    assert sessions != [os.getsid(0)]
    assert not is_alive(int(mark.read_text()))
