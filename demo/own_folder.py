"""The folder of one demo: empty when it begins, and nobody else's while it runs.

Belongs here: the lock and the clearing. Not here: what lies in it (stack.py).
"""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from demo.errors import DemoError


def own_folder(folder: Path) -> Path:
    """Makes it anew: what an earlier demo left belongs to a cloud that is gone.

    Raises DemoError where it cannot be made, and before anything is removed where another process runs in it.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _lock(folder)
        if folder.exists():
            shutil.rmtree(folder)
        (folder / "logs").mkdir(parents=True)
    except OSError as error:
        raise DemoError(
            f"{folder} cannot be made ({error.strerror}): set PUSHLAKE_STATE to a folder that you may write to."
        ) from None
    return folder


def _lock(folder: Path) -> None:
    """Takes the lock on a folder, beside it since the folder itself is removed. It goes with this process, however that ends."""
    lock = os.open(folder.with_name(f"{folder.name}.lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(lock, 20).decode().strip() or "just started"
        os.close(lock)
        raise DemoError(
            f"Another process ({owner}) runs in {folder}: wait for its end or end it, or set PUSHLAKE_STATE to another folder "
            "for this one."
        ) from None
    os.truncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
