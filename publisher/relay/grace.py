"""How long a relay that is told to stop goes on.

Belongs here: the deadline. Not here: what is done until then (loop.py).
"""

from __future__ import annotations

import threading
import time

STOP_GRACE_SECONDS = 10.0
"""So long records are repeated, and a put is awaited. What is left stays claimed, and the successor repeats it."""


class Grace:
    """Begins when told to, or when it is first asked after a stop."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._deadline: float | None = None

    def begin(self) -> None:
        """Only the first time counts."""
        if self._deadline is None:
            self._deadline = time.monotonic() + STOP_GRACE_SECONDS

    def over(self) -> bool:
        """Whether it is used up. Never without a beginning."""
        if self._stop.is_set():
            self.begin()
        return self._deadline is not None and time.monotonic() >= self._deadline
