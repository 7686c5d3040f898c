"""`publisher digest`: what a table says now, as it leaves, in 256 counts and digests, so that the lake can prove that it says the same.

Belongs here: reading the rows in one snapshot, and the numbers. Not here: the event's form (wire.py), the comparison (the lake's).

Manifests prove that what was captured has arrived; this proves that all was captured, and that nothing has changed since. Which events the snapshot
has seen is known to within a range of `seq`: all up to `seq_low`, where the last closed range of the manifests ends (so nobody can commit below it any more, and
all of it has left or is a dead letter), and none above `seq_high`, which was drawn after it. A part of the table with an event between them is not compared this time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

import orjson
import psycopg

from publisher import backfill, deadletters, manifest, outbox
from publisher.capture.install import entity_sql
from publisher.contracts.kgroups import groups_of
from publisher.contracts.model import Contract
from publisher.database import Connection, literal, translate
from publisher.erasure.remembered import load_erased
from publisher.errors import InstallError, TransientError, Unreleasable
from publisher.relay.releases import ReleaseSet
from publisher.release import Change, Release
from publisher.risk import store
from publisher.risk.assess import RISK_LOCK
from publisher.wire import BUCKETS, GONE, STATE, bucket_of, digest_of, record_of

logger = logging.getLogger("publisher.digest")

PAGE_ROWS = 2_000
PATIENCE_SECONDS = 30.0
"""How long to wait until all that was captured by now is accounted for; an older range is taken then."""


@dataclass
class State:
    """One table at one snapshot. The lists have a number for each bucket."""

    entity: str
    seq_low: int
    seq_high: int
    rows: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    digests: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    unreleased: list[int] = field(default_factory=lambda: [0] * BUCKETS)


@dataclass(frozen=True)
class Resynced:
    """How many rows were sent once more, and how many deletes of rows that nobody saw go."""

    rows: int
    gone: int


def send_digest(connection: Connection, releases: ReleaseSet, entity: str, stop: threading.Event | None = None) -> State:
    """Reads the table, and puts its digest in the outbox, 256 rows of it, under the newest coarsening: no assessment of risk runs meanwhile.

    Raises InstallError where the lake cannot be expected to say the same: a backfill is due, rows that risk changed are not sent yet, or risk runs.
    """
    contract = releases.contracts[entity]
    try:
        if not _keeps_risk_out(connection):
            raise InstallError(f"{entity}: an assessment of risk runs, and what leaves may change: wait for it")
        _refuse_what_is_under_way(connection, contract)
        release = releases.under(connection, store.latest(connection)).release
        _close_a_range(connection, releases.contracts, stop or threading.Event())
        state = read_state(connection, releases.contracts, release, entity)
        _send(connection, contract, state)
        connection.execute("SELECT pg_advisory_unlock_shared(%s)", [RISK_LOCK])
    except psycopg.Error as error:
        raise translate(error, f"digest {entity}") from None
    logger.info("digest", extra={"fields": {"entity": entity, "rows": sum(state.rows), "unreleased": sum(state.unreleased)}})
    return state


def read_state(connection: Connection, contracts: Mapping[str, Contract], release: Release, entity: str) -> State:
    """The state of the table in one snapshot. A part in which a key waits behind a dead letter is not whole, also if its row is gone by now."""
    sql, _ = entity_sql(connection, contracts, entity)
    now = datetime.now(UTC)  # of no consequence: the record has no time of the event
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        low = connection.execute(LOW).fetchone()
        state = State(entity, int(str(low[0])) if low else 0, outbox.last_seq(connection))
        erased = load_erased(connection, contracts, release.keyring)
        waiting = {key for of, key in deadletters.dead_keys(connection) if of == entity}
        for key in waiting:
            state.unreleased[bucket_of(release.code(entity, key))] += 1
        with connection.cursor("digest") as cursor:
            cursor.itersize = PAGE_ROWS
            for key, subject, row in cast("Iterable[tuple[str, str | None, str]]", cursor.execute(literal(sql.scan()))):
                bucket = bucket_of(release.code(entity, key))
                if erased.is_of(entity, subject):  # never leaves again, so the lake has no such row
                    continue
                try:
                    event = release.event(Change(entity, "snapshot", 0, now, key, subject, orjson.loads(row)))
                except Unreleasable:
                    state.unreleased[bucket] += key not in waiting
                    continue
                state.rows[bucket] += 1
                state.digests[bucket] += digest_of(record_of(event.line))
    return state


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


def _keeps_risk_out(connection: Connection) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock_shared(%s)", [RISK_LOCK]).fetchone()
    return bool(row and row[0])


def _refuse_what_is_under_way(connection: Connection, contract: Contract) -> None:
    entity = contract.entity
    if entity in backfill.due(connection):
        raise InstallError(f"{entity}: a backfill is due, so the lake cannot say the same yet: run `publisher backfill {entity}`")
    versions, _ = store.unsent(connection, groups_of(contract))
    if versions:
        raise InstallError(
            f"{entity}: rows that say other things since `publisher risk` are not sent yet: run `publisher risk {entity}`"
        )


def _close_a_range(connection: Connection, entities: Iterable[str], stop: threading.Event) -> None:
    """Ends the open range, and waits until it has closed: the relay empties it, as far as transactions that run let it."""
    seq_to, waited = manifest.cut(connection), 0.0
    while waited < PATIENCE_SECONDS and not stop.is_set():
        manifest.close(connection, entities)
        row = connection.execute(CLOSED, [seq_to]).fetchone()
        if row and row[0]:
            return
        waited += 0.1
        stop.wait(0.1)


def _send(connection: Connection, contract: Contract, state: State) -> None:
    def report(bucket: int) -> dict[str, object]:
        counts = {
            "seq_low": state.seq_low, "seq_high": state.seq_high, "rows": state.rows[bucket], "unreleased": state.unreleased[bucket],
            "digest": str(state.digests[bucket] % 2**64),
        }  # fmt: skip
        return {"of": contract.entity, "contract": contract.version, "bucket": bucket, "counts": counts}

    with connection.transaction():
        connection.execute("SELECT pg_current_xact_id()")  # before nextval: see manifest.py
        reports = [orjson.dumps(report(bucket)).decode() for bucket in range(BUCKETS)]
        connection.execute(SEND, [STATE, contract.entity, reports])


CLOSED = "SELECT closed_at IS NOT NULL FROM publisher.ranges WHERE seq_to = %s"

LOW = (
    "SELECT coalesce(max(seq_to), (SELECT min(seq_from) FROM publisher.ranges)) FROM publisher.ranges WHERE closed_at IS NOT NULL"
)

SEND = """
INSERT INTO publisher.outbox (seq, entity, op, key, row)
SELECT nextval('publisher.seq'), %s, 'report', %s, report::json FROM unnest(%s::text[]) report
"""

NUMBERS = "SELECT nextval('publisher.seq') FROM generate_series(1, %s)"

SEND_GONE = """
INSERT INTO publisher.outbox (seq, entity, op, key)
SELECT g.seq, %s, %s, g.code FROM unnest(%s::bigint[], %s::text[]) g (seq, code)
"""
