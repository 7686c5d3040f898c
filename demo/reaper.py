"""Ends the processes of a parent that died, so that even a `kill -9` leaves nothing running.

Run by `demo.processes` as a program of its own: it reads `+<group> <signal>`, `-<group>` and `~<folder>` lines from its parent, and when
the pipe ends (the only thing that every kind of death has in common, on Linux and macOS alike) it ends the groups named and removes the folders.
Not here: starting or stopping anything while the parent lives.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time

GRACE_SECONDS = 5.0


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: dict[int, int] = {}
    folders: list[str] = []
    for line in sys.stdin:
        words = line.split()
        if line.startswith("~"):
            folders.append(line[1:].rstrip("\n"))
        elif line.startswith("+"):
            groups[int(words[0][1:])] = int(words[1])
        else:
            groups.pop(int(words[0][1:]), None)
    alive = [group for group, first in groups.items() if _signal(group, first)]
    deadline = time.monotonic() + GRACE_SECONDS
    while alive and time.monotonic() < deadline:
        time.sleep(0.05)
        alive = [group for group in alive if _signal(group, 0)]
    for group in alive:
        _signal(group, signal.SIGKILL)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _signal(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
