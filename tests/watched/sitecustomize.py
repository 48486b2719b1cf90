"""Watch a command: Python imports this module when it starts if PYTHONPATH contains its folder.

The folder WATCHED is watched. Its folders WATCH_SECRET hold truth or seeds. The file WATCH_LOG gets
these lines; without WATCH_LOG there are none:
    begun PID SECONDS  a process opens its first file there, after so many seconds of CPU time
    open PATH          a file with truth or seeds is created or renamed so that others can read it
With WATCH_CLOCK the clock runs backwards. Random numbers of the operating system are fixed.
"""

import os
import secrets
import stat
import sys
import time

FOLDER, LOG = os.environ.get("WATCHED", ""), os.environ.get("WATCH_LOG", "")
SECRET = os.environ.get("WATCH_SECRET", "raw:tmp:dist:data/reference_data")
_begun: set[int] = set()
_open = os.open


def is_exposed(root: str, path: str, mode: int) -> bool:
    """Return whether other users could read a secret file with this path and mode, below `root`."""
    inside = os.path.relpath(path, root)
    if not mode & 0o077 or not inside.startswith(tuple(f"{s}{os.sep}" for s in SECRET.split(":"))):
        return False
    folder = os.path.dirname(path)
    while folder != root:
        if not os.stat(folder).st_mode & 0o077:
            return False
        folder = os.path.dirname(folder)
    return True


def _write(line: str) -> None:
    if LOG:
        log = _open(LOG, os.O_WRONLY | os.O_APPEND)
        os.write(log, (line + "\n").encode())
        os.close(log)


def _check(path: object, mode: int) -> None:
    if (
        FOLDER
        and isinstance(path, (str, os.PathLike))
        and is_exposed(FOLDER, os.path.abspath(path), mode)
    ):
        _write(f"open {path}")


def _hook(event: str, arguments: tuple) -> None:
    if not FOLDER:
        return
    if event == "open" and isinstance(arguments[0], str):
        path, mode, flags = arguments
        if os.getpid() not in _begun and os.path.abspath(path).startswith(FOLDER + os.sep):
            _begun.add(os.getpid())
            _write(f"begun {os.getpid()} {time.process_time()}")
        if mode is not None and flags & os.O_CREAT and not os.path.exists(path):
            _check(path, 0o666)  # as Python's own `open` makes it
    elif event == "os.chmod":
        _check(*arguments[:2])
    elif event == "os.rename":
        source, target = map(os.path.abspath, arguments[:2])
        if os.path.isfile(source):
            _check(target, stat.S_IMODE(os.stat(source).st_mode))


def _open_checked(path, flags, mode=0o777, **options):
    if flags & os.O_CREAT and not os.path.exists(path):
        _check(path, mode)
    return _open(path, flags, mode, **options)


def watch() -> None:
    """Watch this process from now on."""
    os.open = _open_checked
    sys.addaudithook(_hook)


if __name__ == "sitecustomize":
    watch()
    secrets.token_bytes = lambda n=32: bytes(range(n))
    secrets.randbits = lambda n: (1 << n) - 1
    if "WATCH_CLOCK" in os.environ:
        _now, _start = time.time, time.time()
        time.time = lambda: 2 * _start - _now()
