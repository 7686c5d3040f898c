"""`publisher resync`: the rows of some parts of a table once more, where the lake says other things, and deletes for what it has and no row is.

Belongs here: sending them. Not here: what a table says (digest.py), the statement that reads rows under a lock (capture/triggers.py).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import psycopg

from publisher import backfill
from publisher.capture.install import entity_sql
from publisher.contracts.model import Contract
from publisher.database import Connection, literal, translate
from publisher.errors import TransientError
from publisher.release import Release
from publisher.wire import GONE, bucket_of

logger = logging.getLogger("publisher.resync")

PAGE_ROWS = 2_000
PATIENCE_SECONDS = 30.0
"""How long to wait for transactions that may still bring a row to light."""


@dataclass(frozen=True)
class Resynced:
    """How many rows were sent once more, and how many deletes of rows that nobody saw go."""

    rows: int
    gone: int


def resync(
    connection: Connection, contracts: Mapping[str, Contract], release: Release, entity: str, buckets: Iterable[int], stop: threading.Event,
    codes: Iterable[str] = (),
) -> Resynced:  # fmt: skip
    """Sends the rows of these buckets once more, throttled as a backfill is, and a delete for each of `codes` (of these buckets) that no row has.

    Raises TransientError where a transaction runs for so long that a row with such a code may still come to light.
    """
    wanted, keys = set(buckets), list[str]()
    try:
        sql, key_type = entity_sql(connection, contracts, entity)
        with connection.transaction(), connection.cursor("resync") as cursor:
            cursor.itersize = PAGE_ROWS
            for (key,) in cast("Iterable[tuple[str]]", cursor.execute(literal(sql.keys()))):
                if bucket_of(release.code(entity, key)) in wanted:
                    keys.append(key)
        sent = backfill.resend(connection, sql.resend(key_type), keys, stop)
        asked = sorted({code for code in codes if bucket_of(code) in wanted})
        gone = _send_gone(connection, release, entity, sql.keys(), asked, stop) if asked and not stop.is_set() else 0
    except psycopg.Error as error:
        raise translate(error, f"resync {entity}") from None
    logger.info("resync", extra={"fields": {"entity": entity, "buckets": len(wanted), "rows": sent, "gone": gone}})
    return Resynced(sent, gone)


def _send_gone(connection: Connection, release: Release, entity: str, scan: str, codes: list[str], stop: threading.Event) -> int:
    """The numbers are drawn first, and the rows read when nobody can commit below them any more: a row that comes later has a higher one."""
    with connection.transaction():
        mine = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
        seqs = [int(str(row[0])) for row in connection.execute(NUMBERS, [len(codes)]).fetchall()]
        waited = 0.0
        while not _oldest(connection, str(mine[0]) if mine else "0"):
            waited += 0.1
            if stop.wait(0.1) or waited > PATIENCE_SECONDS:
                raise TransientError(
                    "a transaction runs that may still bring a row to light: end it if it is forgotten, then give the command again"
                )
        with connection.cursor("gone") as cursor:
            cursor.itersize = PAGE_ROWS
            live = {release.code(entity, key) for (key,) in cast("Iterable[tuple[str]]", cursor.execute(literal(scan)))}
        gone = [(seq, code) for seq, code in zip(seqs, codes, strict=True) if code not in live]
        connection.execute(SEND_GONE, [entity, GONE, [seq for seq, _ in gone], [code for _, code in gone]])
    return len(gone)


def _oldest(connection: Connection, xid: str) -> bool:
    row = connection.execute("SELECT pg_snapshot_xmin(pg_current_snapshot()) >= %s::xid8", [xid]).fetchone()
    return bool(row and row[0])


NUMBERS = "SELECT nextval('publisher.seq') FROM generate_series(1, %s)"

SEND_GONE = """
INSERT INTO publisher.outbox (seq, entity, op, key)
SELECT g.seq, %s, %s, g.code FROM unnest(%s::bigint[], %s::text[]) g (seq, code)
"""
