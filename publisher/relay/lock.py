"""Becoming the relay: one works at a time, others stand by.

Belongs here: waiting for the lock. Not here: the lock itself (outbox.py).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from publisher import outbox
from publisher.database import Connection

logger = logging.getLogger("publisher.relay")


def wait_for_lock(
    connection: Connection, stop: threading.Event, patience_seconds: float | None, standing_by: Callable[[], None] = lambda: None
) -> bool:
    """Waits to become the relay: for ever as a standby (None), or so long. False when stopped, or when another kept the lock.

    `standing_by` is called each time that the lock was not to be had.
    """
    deadline = None if patience_seconds is None else time.monotonic() + patience_seconds
    told = False
    while not stop.is_set():
        if outbox.try_lock(connection):
            return True
        if deadline is not None and time.monotonic() >= deadline:
            return False
        if not told:
            logger.info("another relay works: standing by")
            told = True
        standing_by()
        stop.wait(0.5)
    return False
