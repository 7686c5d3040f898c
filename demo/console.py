"""What the demo shows: steps with their measured times, and progress on the long ones.

Belongs here: printing. Not here: what is measured (main.py, account.py). On a terminal a step's line is rewritten in place; elsewhere (a
CI log) it is printed when the step ends, and a long step says how far it is every few seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

QUIET_EVERY_SECONDS = 10.0


class Console:
    """Collects the seconds of each phase while it prints them."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = time.monotonic()
        self._terminal = sys.stdout.isatty()
        self._last = 0.0
        self._doing = ""

    def say(self, text: str = "") -> None:
        print(text, flush=True)

    @contextmanager
    def phase(self, name: str, doing: str) -> Iterator[None]:
        """One step: shown while it runs, then with the seconds that it took, which are kept under `name`."""
        began = self._last = time.monotonic()
        self._doing = doing
        if self._terminal:
            self._rewrite(f"  …       {doing}")
        try:
            yield
        except BaseException:
            if self._terminal:
                self.say()
            raise
        took = time.monotonic() - began
        self.seconds[name] = round(self.seconds.get(name, 0.0) + took, 1)
        self._rewrite(f"  {took:5.1f} s  {doing}", end="\n")

    def progress(self, text: str) -> None:
        """How far the running step is."""
        if self._terminal:
            self._rewrite(f"  …       {self._doing}: {text}")
        elif time.monotonic() - self._last > QUIET_EVERY_SECONDS:
            self._last = time.monotonic()
            self.say(f"          {self._doing}: {text}")

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._began

    def _rewrite(self, text: str, end: str = "") -> None:
        if self._terminal:
            print(f"\r\x1b[2K{text}", end=end, flush=True)
        elif end:
            print(text, flush=True)
