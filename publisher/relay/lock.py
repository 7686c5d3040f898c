"""Becoming the relay: one works at a time, others stand by.

Belongs here: waiting for the lock, and ending the session of a holder that stands still. Not here: the lock itself (outbox.py).

A process that was stopped, or hangs, keeps its session and so the lock. A relay that lives asks the database something many times a second, so the
time of its session's last statement is its heartbeat: a lease that nobody has to renew. Ending the session fences it: when it wakes up, it can
neither claim nor acknowledge, and what it had on its way has been repeated.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from publisher import outbox
from publisher.database import Connection

logger = logging.getLogger("publisher.relay")

LEASE_SECONDS = 60.0
"""As long as /healthz takes a loop for alive that does not come round."""

LOOK_SECONDS = 0.5


def wait_for_lock(
    connection: Connection,
    stop: threading.Event,
    patience_seconds: float | None,
    standing_by: Callable[[], None] = lambda: None,
    lease_seconds: float = LEASE_SECONDS,
) -> bool:
    """Waits to become the relay: for ever as a standby (None), or so long. False when stopped, or when another kept the lock.

    A holder that has not asked the database anything for `lease_seconds` loses its session.

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
        if _end_a_holder_that_stands_still(connection, lease_seconds):
            logger.warning(
                "the relay that held the lock stood still: its session was ended", extra={"fields": {"seconds": lease_seconds}}
            )
        stop.wait(LOOK_SECONDS)
    return False


def _end_a_holder_that_stands_still(connection: Connection, lease_seconds: float) -> bool:
    """Only one that waits for its client: a statement that runs for long is at work. Ours are of one role, so ending it needs no right."""
    row = connection.execute(END_HOLDER, {"lock": outbox.RELAY_LOCK, "seconds": lease_seconds}).fetchone()
    return bool(row and row[0])


END_HOLDER = """
SELECT pg_terminate_backend(a.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32 | l.objid::bigint) = %(lock)s
  AND a.state IN ('idle', 'idle in transaction', 'idle in transaction (aborted)')
  AND a.state_change < clock_timestamp() - make_interval(secs => %(seconds)s)
"""
