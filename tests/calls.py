"""Run commands in fewer processes, because a process takes half a second for imports, or seconds
with PyTorch. One test of each command runs it as `python -m`, as a user does.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

_Result = TypeVar("_Result")
ROOT = Path(__file__).resolve().parents[1]


def call(main: Callable[[list[str]], int], *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command in the repository; return exit status, output and errors."""
    words = [str(argument) for argument in arguments]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(ROOT), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(words)
        except SystemExit as end:  # of argparse
            status = int(end.code or 0)
    return subprocess.CompletedProcess(words, status, out.getvalue(), err.getvalue())


# Each command as Python would run it; what it prints goes to a file.
_ONE_AFTER_ANOTHER = """
import contextlib, json, runpy, sys
for number, (first, *words) in enumerate(json.loads(sys.argv[1])):
    print(first, *words, file=sys.stderr)
    with open(f"{number}.said", "w", encoding="utf-8") as said, contextlib.redirect_stdout(said):
        try:
            if first == "-m":
                sys.argv = words
                runpy.run_module(words[0], run_name="__main__", alter_sys=True)
            else:
                sys.argv = [first, *words]
                runpy.run_path(first, run_name="__main__")
        except SystemExit as end:
            if end.code:
                raise
"""


def run_all(python: Callable[..., object], folder: Path, *commands: Sequence[object]) -> list[str]:
    """Run several commands in one Python process in `folder`; return what each prints.

    python: a function that runs `python ARGUMENTS` there.
    """
    words = [[str(word) for word in command] for command in commands]
    python("-c", _ONE_AFTER_ANOTHER, json.dumps(words))
    return [(folder / f"{i}.said").read_text(encoding="utf-8") for i in range(len(words))]


@contextlib.contextmanager
def small_process() -> Iterator[Callable[..., Any]]:
    """Yield a function that calls function(*arguments) in a new process, which serves all calls.

    For functions that fork: to fork the process that runs all tests takes 20 to 50 ms of CPU time,
    since it has imported PyTorch and many other libraries; here it takes 2 ms.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        pool.submit(os.getpid).result()  # it starts now, with no test's environment
        yield lambda function, *arguments: pool.submit(function, *arguments).result()


def in_small_process(function: Callable[..., _Result], *arguments: object) -> _Result:
    """Return function(*arguments) from a new process, for functions that fork hundreds of times."""
    with small_process() as ask:
        return ask(function, *arguments)


def call_in_small_process(
    main: Callable[[list[str]], int], folder: Path, *arguments: object
) -> subprocess.CompletedProcess[str]:
    """Run a command in `folder` as `call` does, but also return what C libraries print.

    Only for a `small_process`: it redirects the process's own output.
    """
    words = [str(argument) for argument in arguments]
    os.chdir(folder)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        status = main(words)
        sys.stdout.flush()
        sys.stderr.flush()
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(words, status, out.read(), err.read())
