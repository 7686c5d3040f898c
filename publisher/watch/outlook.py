"""What waits in the database, looked at now and then on the relay's own session, at a bounded cost.

Belongs here: that statement and its limits. Not here: the whole picture for a person (status.py), what is done about it (health.py).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import errors

from publisher.database import Connection, literal

if TYPE_CHECKING:
    from publisher.watch.vitals import Vitals

EVERY_SECONDS = 5.0
ROWS_MOST = 100_000
LETTERS_MOST = 10_000
PATIENCE_MS = 500
"""Counting stops there, and what was not counted is said to be unknown."""


@dataclass(frozen=True)
class Outlook:
    """Counts and an age by the database's clock. None: not known, since counting took too long."""

    at: float
    """When it was looked, by this process's monotonic clock."""
    oldest_seconds: float | None
    rows: int | None
    disk_bytes: int
    letters: int
    manifests: int
    transaction_seconds: float
    """The oldest transaction or snapshot of the whole server: what keeps dead rows, and a range open."""

    def oldest_now(self, now: float) -> float | None:
        """The age of what waits. Without a new look for two intervals, what waited then is taken to wait still."""
        if self.oldest_seconds is None:
            return None
        return self.oldest_seconds + max(0.0, now - self.at - 2 * EVERY_SECONDS)


def look(connection: Connection) -> Outlook:
    """Looks once. Raises psycopg.Error when the session is lost."""
    small = connection.execute(SMALL, {"letters": LETTERS_MOST}).fetchone()
    disk, letters, manifests, transaction = (float(str(each)) for each in small or (0, 0, 0, 0))
    oldest: float | None = None
    rows: int | None = None
    try:
        with connection.transaction():
            connection.execute(literal(f"SET LOCAL statement_timeout = {PATIENCE_MS}"))
            found = connection.execute(LARGE, {"rows": ROWS_MOST}).fetchone()
            oldest, rows = (float(str(found[0])), int(str(found[1]))) if found else (None, None)
    except errors.QueryCanceled:
        pass
    return Outlook(time.monotonic(), oldest, rows, int(disk), int(letters), int(manifests), transaction)


class Lookout:
    """Looks every few seconds on one session, or never where nobody watches."""

    def __init__(self, connection: Connection, vitals: Vitals) -> None:
        self._connection = connection
        self._vitals = vitals
        self._due = time.monotonic() if vitals.watched else float("inf")

    def turn(self) -> None:
        """Looks, when it is time to."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + EVERY_SECONDS
            self._vitals.outlook = look(self._connection)


OLDEST_TRANSACTION = """
  (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8 FROM pg_stat_activity
   WHERE (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL) AND pid <> pg_backend_pid() AND backend_type = 'client backend')
"""

SMALL = literal(f"""
SELECT (SELECT sum(pg_total_relation_size(t.relid))::bigint FROM pg_partition_tree('publisher.outbox') t),
  (SELECT count(*) FROM (SELECT FROM publisher.dead_letters WHERE state IN ('parked', 'waiting', 'requeued') LIMIT %(letters)s) d),
  (SELECT count(*) FROM publisher.tallies WHERE closed_at IS NOT NULL AND sent_revision IS DISTINCT FROM revision),
{OLDEST_TRANSACTION}
""")  # noqa: S608

LARGE = """
SELECT coalesce((SELECT greatest(0, extract(epoch FROM clock_timestamp() - captured_at)) FROM publisher.outbox ORDER BY seq LIMIT 1), 0)::float8,
  (SELECT count(*) FROM (SELECT FROM publisher.outbox LIMIT %(rows)s) w)
"""
