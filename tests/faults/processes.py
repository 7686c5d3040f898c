"""Relays as processes of their own, and the moments at which they are killed.

Belongs here: starting, stopping and killing. Not here: what must hold afterwards (truth.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.kinesis import Kinesis

ROOT = Path(__file__).parents[2]
MANIFEST_LINE = b'"entity":"_manifest"'


def start_relay(environment: dict[str, str], log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """`publisher relay` as an operator starts it."""
    with log.open("ab") as output:
        command = [sys.executable, "-m", "publisher.cli", "relay", *arguments]
        return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output, stderr=output)


@dataclass
class Trap:
    """Ends a process, or stops it, at a moment of a request to the stream. One moment, once."""

    kinesis: Kinesis
    process: subprocess.Popen[bytes] | None = None
    moment: str = ""
    sprung: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.kinesis.on_arrival = self._arrival
        self.kinesis.on_stored = self._stored

    def set(self, process: subprocess.Popen[bytes], moment: str) -> None:
        self.process, self.moment = process, moment
        self.sprung.clear()

    def _arrival(self, data: list[bytes]) -> None:
        if self.moment == "after the claim":
            self._spring(signal.SIGKILL)
            raise ConnectionAbortedError("nothing of it arrives")
        if self.moment == "stopped in a put":
            self._spring(signal.SIGSTOP)

    def _stored(self, data: list[bytes]) -> None:
        if self.moment == "after the put" or (self.moment == "with manifests" and any(MANIFEST_LINE in each for each in data)):
            self._spring(signal.SIGKILL)

    def _spring(self, how: signal.Signals) -> None:
        assert self.process is not None
        self.moment = ""
        os.kill(self.process.pid, how)
        self.sprung.set()
