"""A server's scratch folder: who uses it, and emptying what former servers left.

Belongs here: the lock of a folder, and what goes. Not here: what a server writes there (options.py), its process (server.py).

Spark spills rows there: pieces of shuffles, and raw lines that were persisted. It deletes them when it ends, and not when it is killed; no erasure looks there. So the
next server with the same parent folder does. Java inherits the lock, so a folder is in use for exactly as long as its Java lives, also where whoever started it was killed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path

from resources.errors import ServerFailed
from resources.ports import accepts

ARGUMENTS = "java.args"
_LOCK = "in-use.lock"
_KEPT = (ARGUMENTS, _LOCK)


def claim(folder: Path, seconds: float) -> int:
    """Makes the folder and locks it; the lock's file descriptor, for Java to inherit. Raises ServerFailed if a former server has not ended after `seconds`."""
    folder.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + seconds
    while (lock := _lock(folder)) is None:
        if time.monotonic() > until:
            raise ServerFailed(
                f"The server that was started with port {folder.name} has not ended yet: end it, or name another with --port."
            )
        time.sleep(0.1)
    return lock


def empty_former(parent: Path, mine: Path) -> None:
    """Deletes what former servers left in `mine`, which the caller has claimed, and in the folders beside it that no living server uses."""
    _empty(mine)
    for folder in sorted(parent.iterdir()):
        # Named after its port, and a server has written there: anything else is none of ours.
        if folder == mine or not folder.name.isdecimal() or not (folder / ARGUMENTS).is_file() or accepts(int(folder.name)):
            continue
        lock = _lock(folder)
        if lock is not None:
            try:
                _empty(folder)
            finally:
                os.close(lock)


def in_use(folder: Path) -> bool:
    """Whether a living server has the folder."""
    lock = _lock(folder)
    if lock is not None:
        os.close(lock)
    return lock is None


def _lock(folder: Path) -> int | None:
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name in _KEPT:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
