"""The outbox is a ring of tables: a position says which one its row lies in, and one that is empty again is truncated.

Belongs here: which table, their DDL, truncating. Not here: reading and deleting rows (outbox.py), who calls it when (relay/loop.py).

Deleted rows stay in table and index for as long as any snapshot is older: with a million of them and an old snapshot open, a poll took 462 ms, where it takes
0.7 ms without. VACUUM cannot help; TRUNCATE can, since it asks for no snapshot. So the ring turns to its next table every 16,384 positions, by arithmetic: nobody has to switch it,
and a row that is put back under an old position finds its place. Whoever writes holds a lock on the table that it wrote into until it commits, so a table whose lock is to be had at
once, and which is empty then, holds nothing that could still become visible.
"""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import errors

from publisher.database import Connection, literal

SHIFT = 14
TABLES = 4
WORTH_BYTES = 1024 * 1024
"""Smaller ones stay: a truncation writes to the catalogue, too."""


def slots_of(seqs: Iterable[int]) -> list[int]:
    """The numbers of the tables that hold these positions."""
    return sorted({(seq >> SHIFT) % TABLES for seq in seqs})


def recycle(connection: Connection) -> int:
    """Truncates what is empty, worth it, and not written to now. Never waits for a lock. Returns how many tables."""
    rows = connection.execute(LARGE, {"worth": WORTH_BYTES}).fetchall()
    return sum(_truncated(connection, int(str(row[0]))) for row in rows)


def _truncated(connection: Connection, slot: int) -> bool:
    table = f"publisher.outbox_{slot}"
    try:
        with connection.transaction():
            connection.execute(literal(f"LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE NOWAIT"))
            row = connection.execute(literal(f"SELECT EXISTS (SELECT FROM ONLY {table})")).fetchone()  # noqa: S608
            if row and row[0]:
                return False
            connection.execute(literal(f"TRUNCATE ONLY {table}"))
            return True
    except (
        errors.LockNotAvailable,
        errors.InsufficientPrivilege,
    ):  # a role that may only delete works on, and leaves it to VACUUM
        return False


SLOT = literal(f"((seq >> {SHIFT}) & {TABLES - 1})")
"""The partition key: the table of a position. `slots_of` says the same."""

LARGE = literal(f"""
SELECT slot FROM generate_series(0, {TABLES - 1}) slot, publisher.seq
WHERE pg_relation_size('publisher.outbox_' || slot) >= %(worth)s AND slot <> (last_value >> {SHIFT}) & {TABLES - 1}
""")  # noqa: S608

LEAVES = "\n".join(
    f"CREATE TABLE IF NOT EXISTS publisher.outbox_{slot} PARTITION OF publisher.outbox (PRIMARY KEY (seq)) FOR VALUES IN ({slot})\n"
    "WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_threshold = -1,\n"
    "      autovacuum_vacuum_cost_delay = 0);"
    for slot in range(TABLES)
)

DDL = f"""
-- An outbox of before the ring is renamed, and its rows moved. They keep their xid, by which a relay that runs knows what it has read.
DO $$ BEGIN
  IF (SELECT relkind FROM pg_class WHERE oid = to_regclass('publisher.outbox')) = 'r' THEN
    ALTER TABLE publisher.outbox RENAME TO outbox_before;
    ALTER INDEX publisher.outbox_pkey RENAME TO outbox_before_pkey;
  END IF;
END $$;

-- One row an event, in the writer's own transaction. `xid` is how the relay reads each row once (outbox.py); `row` holds
-- the contract's source columns only, encrypted ones as ciphertext.
CREATE TABLE IF NOT EXISTS publisher.outbox (
    seq bigint NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    captured_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    entity text NOT NULL,
    op text NOT NULL,
    key text NOT NULL,
    subject text,
    row json
) PARTITION BY LIST ({SLOT});
{LEAVES}

DO $$ BEGIN
  IF to_regclass('publisher.outbox_before') IS NOT NULL THEN
    INSERT INTO publisher.outbox (seq, xid, captured_at, entity, op, key, subject, row)
    SELECT seq, xid, captured_at, entity, op, key, subject, row FROM publisher.outbox_before;
    DROP TABLE publisher.outbox_before;
  END IF;
END $$;
"""  # noqa: S608
