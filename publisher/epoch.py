"""The epoch: the high bits of `seq`, raised whenever PostgreSQL may give the same numbers again.

Belongs here: when it is raised, and what a raise does. Not here: reading the outbox (outbox.py), resending the tables (backfill.py).

A failover, a restore or a copy of the disk can take the sequence back (tried), and one `(entity, seq)` would then name two contents. The cluster's
system identifier and timeline tell most of these apart. A restore in place or a copy of the disk has both, and is found by the mark on the stream (relay/mark.py): it
needs `publisher install --new-epoch` from the runbook.
"""

from __future__ import annotations

from dataclasses import dataclass

from publisher.database import LOCK_TIMEOUT_MS, Connection, literal
from publisher.errors import InstallError
from publisher.wire import EPOCH_BITS

FIRST = 1


@dataclass(frozen=True)
class Identity:
    """Which cluster this is, and which of its histories."""

    system_identifier: int
    timeline: int


def identity(connection: Connection) -> Identity:
    """The timeline is read from the WAL: the control file shows the old one until the first checkpoint after a failover."""
    row = connection.execute(
        "SELECT system_identifier, ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int"
        " FROM pg_control_system()"
    ).fetchone()
    if row is None:
        raise InstallError("the database does not tell its system identifier: grant the role pg_monitor")
    return Identity(int(str(row[0])), int(str(row[1])))


def current(connection: Connection) -> tuple[int, Identity] | None:
    """The epoch and the cluster it counts for, or None before the first install."""
    row = connection.execute(
        "SELECT epoch, system_identifier, timeline FROM publisher.epochs ORDER BY epoch DESC LIMIT 1"
    ).fetchone()
    return (int(str(row[0])), Identity(int(str(row[1])), int(str(row[2])))) if row else None


def key_version(connection: Connection) -> int:
    """The version of the pseudonym key in use. It changes with an epoch only, so no epoch has codes of two keys."""
    row = connection.execute("SELECT key_version FROM publisher.epochs ORDER BY epoch DESC LIMIT 1").fetchone()
    if row is None:
        raise InstallError("the publisher is not installed in this database: run `publisher install`")
    return int(str(row[0]))


def ensure_first(connection: Connection, key_version: int) -> int:
    """Starts epoch 1 on a new installation; changes nothing on an old one. Call it within a transaction."""
    known = current(connection)
    if known is not None:
        return known[0]
    _start(connection, FIRST, identity(connection), "installed", key_version)
    connection.execute("INSERT INTO publisher.ranges (seq_from) VALUES (%s)", [FIRST << EPOCH_BITS])
    return FIRST


def disagreement(connection: Connection) -> str | None:
    """Why the epoch must be raised, or None."""
    known = current(connection)
    if known is None:
        raise InstallError("the publisher is not installed in this database: run `publisher install`")
    now = identity(connection)
    if now.system_identifier != known[1].system_identifier:
        return "another cluster: the system identifier differs"
    if now.timeline != known[1].timeline:
        return "another history of the cluster: the timeline differs"
    return None


def raise_epoch(connection: Connection, reason: str, key: int | None = None) -> int:
    """Begins the next epoch, and gives everything that still waits a number of it. Codes are made under `key` from then on, or as before.

    The outbox is locked against writers meanwhile: a row numbered before and committed after would keep a number that may have been used. What was claimed is
    forgotten with its numbers; all entities become due for a backfill, since rows that were sent may be gone, and the reverse.
    """
    with connection.transaction():
        connection.execute(literal(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS * 5}"))
        connection.execute("LOCK TABLE publisher.outbox, publisher.ranges, publisher.dead_letters IN EXCLUSIVE MODE")
        row = connection.execute(
            "SELECT greatest((SELECT max(epoch) FROM publisher.epochs), (SELECT last_value >> %s FROM publisher.seq)) + 1,"
            " nextval('publisher.seq')", [EPOCH_BITS],
        ).fetchone()  # fmt: skip
        if row is None:
            raise InstallError("the publisher is not installed in this database: run `publisher install`")
        epoch, last = int(str(row[0])), int(str(row[1]))
        _start(connection, epoch, identity(connection), reason, key or key_version(connection))
        connection.execute(
            "UPDATE publisher.ranges SET seq_to = greatest(%s, seq_from + 1), cut_xid = pg_current_xact_id(), cut_at = clock_timestamp()"
            " WHERE seq_to IS NULL",
            [last],
        )
        connection.execute("INSERT INTO publisher.ranges (seq_from) VALUES (%s)", [epoch << EPOCH_BITS])
        connection.execute(SUPERSEDE)
        connection.execute(RENUMBER)
        connection.execute("DELETE FROM publisher.claims")
        connection.execute(
            "UPDATE publisher.backfills SET due = 'a new epoch began', position = NULL, upto = NULL, started_at = NULL"
        )
        connection.execute(
            "INSERT INTO publisher.backfills (entity, due) SELECT DISTINCT entity, 'a new epoch began' FROM publisher.captured"
            " ON CONFLICT (entity) DO NOTHING"
        )
    return epoch


def _start(connection: Connection, epoch: int, now: Identity, reason: str, key: int) -> None:
    connection.execute("SELECT setval('publisher.seq', %s)", [epoch << EPOCH_BITS])
    connection.execute(
        "INSERT INTO publisher.epochs (epoch, system_identifier, timeline, reason, key_version) VALUES (%s, %s, %s, %s, %s)",
        [epoch, now.system_identifier, now.timeline, reason, key],
    )


SUPERSEDE = """
-- A letter whose row is back in the outbox leaves under a new number; one whose row the relay has not put back yet still holds the only copy.
UPDATE publisher.dead_letters d SET state = 'superseded', resolved_at = now()
WHERE d.state = 'requeued' AND NOT EXISTS (SELECT FROM publisher.parked p WHERE p.seq = d.seq)
"""

RENUMBER = """
-- Parked and waiting rows in one order: a key may have a row in the outbox from before its dead letter, and others behind it.
-- A letter's old number stays counted in its old range: it was never sent.
WITH waiting AS (
  DELETE FROM publisher.outbox RETURNING *
), numbered AS (
  SELECT seq AS old, nextval('publisher.seq') AS new FROM (
    SELECT seq FROM waiting UNION ALL SELECT seq FROM publisher.parked ORDER BY seq) every
), returned AS (
  INSERT INTO publisher.outbox (seq, captured_at, entity, op, key, subject, row)
  SELECT n.new, w.captured_at, w.entity, w.op, w.key, w.subject, w.row FROM waiting w JOIN numbered n ON w.seq = n.old
), moved AS (
  UPDATE publisher.parked p SET seq = n.new FROM numbered n WHERE p.seq = n.old
), counted AS (
  INSERT INTO publisher.tallies (range, entity, dead_letters)
  SELECT (SELECT range FROM publisher.ranges WHERE seq_to IS NULL), d.entity, count(*)
  FROM publisher.dead_letters d JOIN publisher.parked p USING (seq) GROUP BY d.entity
)
UPDATE publisher.dead_letters d SET seq = n.new FROM numbered n JOIN publisher.parked p ON p.seq = n.old WHERE d.seq = n.old
"""
