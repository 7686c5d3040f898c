"""Backfill: sends a table's present rows through the same outbox, while the platform goes on writing.

Belongs here: chunks, the position, throttling. Not here: the statement (capture/triggers.py), who needs it (`backfills.due`).

A chunk locks its rows FOR SHARE, so a writer waits for it and then gets a higher seq. Its `lock_timeout` is below the server's deadlock_timeout: where
the backfill and the platform wait for each other, the backfill loses and tries again.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import errors

from publisher import outbox
from publisher.capture.install import entity_sql, record_relations
from publisher.contracts.model import Contract
from publisher.database import Connection, literal, translate
from publisher.errors import InstallError

logger = logging.getLogger("publisher.backfill")

CHUNK_ROWS = 1_000
MOST_WAITING = 20_000
"""Rows in the outbox above which a backfill pauses, so that live changes do not queue for long behind it."""

MOST_LAG_BYTES = 64 << 20
"""WAL that a standby has still to replay above which a backfill pauses: a bulk of writes must not make replicas old, nor a slot fill the disk."""

PAUSE_SECONDS = 0.1
BACKFILL_LOCK = 0x62666C6C
BUSY = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)


@dataclass(frozen=True)
class Progress:
    """Where a backfill stands. `position` is a source key: it stays in the database and is never logged."""

    entity: str
    rows: int
    done: bool


def backfill(
    connection: Connection,
    contracts: Mapping[str, Contract],
    entity: str,
    *,
    chunk_rows: int = CHUNK_ROWS,
    most_waiting: int = MOST_WAITING,
    most_lag_bytes: int = MOST_LAG_BYTES,
    stop: threading.Event | None = None,
    report: Callable[[Progress], None] = lambda _: None,
) -> Progress:
    """Goes on where an earlier one stopped, or starts anew. Returns early, resumable, when told to stop.

    Raises InstallError when another backfill of the entity runs, or the database does not fit its contract.
    """
    stop = stop or threading.Event()
    try:
        sql, key_type = entity_sql(connection, contracts, entity)
        if not _locked(connection, entity):
            raise InstallError(f"{entity}: another backfill of it runs in this database: wait for it, or stop it")
        begin(connection, sql.table, sql.contract)
        statement, progress = sql.backfill(key_type), Progress(entity, 0, done=False)
        failures = 0
        while not progress.done and not stop.is_set():
            if _must_wait(connection, most_waiting, most_lag_bytes):
                stop.wait(PAUSE_SECONDS)
                continue
            try:
                next_one = _chunk(connection, statement, sql.contract, max(1, chunk_rows >> min(failures, 6)), progress.rows)
                if next_one is None:
                    begin(connection, sql.table, sql.contract)
                progress, failures = next_one or Progress(entity, 0, done=False), 0
            except BUSY:
                failures += 1
                stop.wait(random.uniform(0, min(5.0, 0.1 * 2 ** min(failures, 8))))  # noqa: S311
            report(progress)
        connection.execute("SELECT pg_advisory_unlock(%s, hashtext(%s))", [BACKFILL_LOCK, entity])
    except psycopg.Error as error:
        raise translate(error, f"backfill {entity}") from None
    logger.info("backfill", extra={"fields": {"entity": entity, "rows": progress.rows, "done": progress.done}})
    return progress


def begin(connection: Connection, table: str, contract: Contract) -> None:
    """Starts where there is no position. The upper bound is fixed now: rows that come later are captured anyway."""
    key = '"' + contract.key_column + '"'
    with connection.transaction():
        connection.execute("INSERT INTO publisher.backfills (entity) VALUES (%s) ON CONFLICT DO NOTHING", [contract.entity])
        top = connection.execute(literal(f"SELECT t.{key}::text FROM {table} t ORDER BY t.{key} DESC LIMIT 1")).fetchone()  # noqa: S608
        connection.execute(
            "UPDATE publisher.backfills SET upto = %s, started_at = clock_timestamp(), finished_at = NULL, rows = 0, position = NULL"
            " WHERE entity = %s AND (upto IS NULL OR finished_at IS NOT NULL)",
            [top[0] if top else None, contract.entity],
        )


def estimate(connection: Connection, contract: Contract) -> int:
    """About how many rows the table has, as the database knows without counting."""
    row = connection.execute(ESTIMATE, [contract.table]).fetchone()
    return int(str(row[0])) if row and row[0] is not None else 0


def due(connection: Connection) -> list[str]:
    """The entities that need a backfill: newly captured, rewritten, or in a new epoch."""
    rows = connection.execute("SELECT entity FROM publisher.backfills WHERE due IS NOT NULL ORDER BY entity").fetchall()
    return [str(row[0]) for row in rows]


def _chunk(connection: Connection, statement: str, contract: Contract, rows: int, before: int) -> Progress | None:
    """One chunk; None when the backfill was demanded anew since it began, by an epoch or an installation."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        connection.execute(LOCK_TIMEOUT)
        connection.execute("SELECT pg_current_xact_id()")  # before nextval: see manifest.py
        state = connection.execute(
            "SELECT position, upto, started_at FROM publisher.backfills WHERE entity = %s FOR UPDATE", [contract.entity]
        ).fetchone()
        position, upto, started_at = state or (None, None, None)
        if started_at is None:
            return None
        written, last = 0, None
        if upto is not None:
            result = connection.execute(literal(statement), {"after": position, "upto": upto, "rows": rows}).fetchone()
            written, last = (int(str(result[0])), result[1]) if result else (0, None)
        done = written < rows
        if done:
            record_relations(connection, contract)
        connection.execute(FINISH if done else ADVANCE, {"last": last, "rows": written, "entity": contract.entity})
    return Progress(contract.entity, before + written, done)


def resend(connection: Connection, statement: str, keys: Sequence[str], stop: threading.Event) -> int:
    """Sends the rows of these keys once more, in chunks, throttled as a backfill is; how many there still were.

    Where the platform's own writes are in the way, it waits, and tries again with fewer rows.
    """
    failures, sent = 0, 0
    while keys and not stop.is_set():
        some = keys[: max(1, CHUNK_ROWS >> min(failures, 6))]
        if _must_wait(connection, MOST_WAITING, MOST_LAG_BYTES):
            stop.wait(PAUSE_SECONDS)
            continue
        try:
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
                connection.execute(LOCK_TIMEOUT)
                connection.execute("SELECT pg_current_xact_id()")  # before nextval: see manifest.py
                row = connection.execute(literal(statement), {"keys": some}).fetchone()
            sent, keys, failures = sent + (int(str(row[0])) if row else 0), keys[len(some) :], 0
        except BUSY:
            failures += 1
            stop.wait(random.uniform(0, min(5.0, 0.1 * 2 ** min(failures, 8))))  # noqa: S311
    return sent


def _must_wait(connection: Connection, most_waiting: int, most_lag_bytes: int) -> bool:
    """Whether the relay or a standby is too far behind for more of it."""
    if outbox.depth(connection, most_waiting + 1) > most_waiting:
        return True
    row = connection.execute(LAG).fetchone()
    return bool(row and int(str(row[0])) > most_lag_bytes)


def _locked(connection: Connection, entity: str) -> bool:
    """Two-part key: ours and the entity's. Goes with the session."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", [BACKFILL_LOCK, entity]).fetchone()
    return bool(row and row[0])


LOCK_TIMEOUT = """
SELECT set_config('lock_timeout', (greatest(50, (SELECT setting::int FROM pg_settings WHERE name = 'deadlock_timeout') / 2))::text, true)
"""

LAG = """
SELECT coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)), 0)::bigint FROM pg_stat_replication
"""
"""Of standbys that are connected. Without the rights of pg_monitor their positions are null: then only the outbox throttles."""

ADVANCE = """
UPDATE publisher.backfills SET position = %(last)s, rows = rows + %(rows)s WHERE entity = %(entity)s
"""

FINISH = """
UPDATE publisher.backfills SET position = NULL, upto = NULL, rows = rows + %(rows)s, finished_at = clock_timestamp(), due = NULL
WHERE entity = %(entity)s
"""

ESTIMATE = "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass(%s)"
