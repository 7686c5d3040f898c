"""The file that says which server runs here, so that another command can find and stop it.

Belongs here: writing, reading, checking it. Not here: starting the server.
"""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from resources.ports import accepts
from resources.spark_server.layout import Layout
from resources.spark_server.server import STOP_SECONDS


@dataclass(frozen=True)
class Running:
    """A server that was started from this state folder; `pid` is of the command that looks after the JVM."""

    pid: int
    port: int

    @property
    def alive(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return True

    @property
    def ready(self) -> bool:
        return self.alive and accepts(self.port)


def path(layout: Layout) -> Path:
    return layout.server / "server.json"


def write(layout: Layout, running: Running) -> None:
    layout.server.mkdir(parents=True, exist_ok=True)
    path(layout).write_text(json.dumps(asdict(running)) + "\n")


def read(layout: Layout) -> Running | None:
    """The server that the file names, if its process still lives."""
    try:
        running = Running(**json.loads(path(layout).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return running if running.alive else None


def remove(layout: Layout) -> None:
    path(layout).unlink(missing_ok=True)


def stop(layout: Layout) -> Running | None:
    """Stops the server that the file names and waits for its end; what was stopped."""
    running = read(layout)
    if running is None:
        remove(layout)
        return None
    os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS + 5
    while running.alive and time.monotonic() < deadline:
        time.sleep(0.05)
    if running.alive:
        os.kill(running.pid, signal.SIGKILL)
    remove(layout)
    return running
