"""`publisher digest`: what a table says now, as it leaves, in 256 counts and digests, so that the lake can prove that it says the same.

Belongs here: reading the rows in one snapshot, and the numbers. Not here: the event's form (wire.py), the comparison (the lake's).

Manifests prove that what was captured has arrived; this proves that all was captured, and that nothing has changed since. Which events the snapshot
has seen is known to within a range of `seq`: all up to `seq_low`, which was drawn before it by a transaction that no older one outlived, and none above
`seq_high`, which was drawn after it. A part of the table with an event between them is not compared this time, so the range must be small: it is as
wide as what the platform writes in the milliseconds between the two. A row below `seq_low` that has not left when the table is read, and in
the end neither, counts as not released.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

import orjson
import psycopg

from publisher import backfill, outbox
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
PACE_ROWS = 200
ROWS_PER_SECOND = 10_000.0
"""Of the table, at the most: what a digest may cost the platform."""

LOOK_SECONDS = 0.003
PATIENCE_SECONDS = 30.0
"""How long to wait for older transactions to end, and for the relay to send what is below `seq_low`; then less is compared."""


@dataclass
class State:
    """One table at one snapshot. The lists have a number for each bucket."""

    entity: str
    seq_low: int
    seq_high: int
    rows: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    digests: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    unreleased: list[int] = field(default_factory=lambda: [0] * BUCKETS)


def send_digest(
    connection: Connection,
    releases: ReleaseSet,
    entity: str,
    stop: threading.Event | None = None,
    rows_per_second: float = ROWS_PER_SECOND,
) -> State:
    """Reads the table, and puts its digest in the outbox, 256 rows of it, under the newest coarsening: no assessment of risk runs meanwhile.

    Raises InstallError where the lake cannot be expected to say the same: a backfill is due, rows that risk changed are not sent yet, or risk runs.
    TransientError when it was stopped.
    """
    contract, stop = releases.contracts[entity], stop or threading.Event()
    try:
        if not _keeps_risk_out(connection):
            raise InstallError(f"{entity}: an assessment of risk runs, and what leaves may change: wait for it")
        try:
            _refuse_what_is_under_way(connection, contract)
            release = releases.under(connection, store.latest(connection)).release
            state = read_state(connection, releases.contracts, release, entity, stop, rows_per_second)
            _refuse_what_is_under_way(connection, contract)  # an epoch that began meanwhile has renumbered what waited
            _send(connection, contract, state)
        finally:
            connection.execute("SELECT pg_advisory_unlock_shared(%s)", [RISK_LOCK])
    except psycopg.Error as error:
        raise translate(error, f"digest {entity}") from None
    counts = {
        "entity": entity,
        "rows": sum(state.rows),
        "unreleased": sum(state.unreleased),
        "in_doubt": state.seq_high - state.seq_low,
    }
    logger.info("digest", extra={"fields": counts})
    return state


def read_state(
    connection: Connection,
    contracts: Mapping[str, Contract],
    release: Release,
    entity: str,
    stop: threading.Event,
    rows_per_second: float,
) -> State:
    """The state of the table in one snapshot, with the keys that a row below `seq_low` may still wait for counted as not released."""
    drawn, xid = _draw(connection)
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            low = _low(connection, drawn, xid)
            if low == drawn or time.monotonic() > give_up or stop.is_set():
                state = State(entity, low, outbox.last_seq(connection))
                waited, erasures = _waiting(connection, release, state), _erasures(connection)
                unreadable = _read_rows(connection, contracts, release, state, stop, rows_per_second)
                break
        stop.wait(LOOK_SECONDS)
    _let_leave(connection, state, stop)
    waiting = unreadable | _waiting(connection, release, state)
    if _erasures(connection) != erasures:  # what waited of the person was purged, and shows nowhere that it never left
        waiting |= waited
    for code in waiting:
        state.unreleased[bucket_of(code)] += 1
    return state


def _read_rows(
    connection: Connection,
    contracts: Mapping[str, Contract],
    release: Release,
    state: State,
    stop: threading.Event,
    rows_per_second: float,
) -> set[str]:
    """Counts every row, no faster than allowed; the codes of those that cannot leave."""
    entity, unreadable = state.entity, set[str]()
    now = datetime.now(UTC)  # of no consequence: the record has no time of the event
    sql, _ = entity_sql(connection, contracts, entity)
    erased = load_erased(connection, contracts, release.keyring)
    began = time.monotonic()
    with connection.cursor("digest") as cursor:
        cursor.itersize = PAGE_ROWS
        rows = cast("Iterable[tuple[str, str | None, str]]", cursor.execute(literal(sql.scan())))
        for number, (key, subject, row) in enumerate(rows):
            if not number % PACE_ROWS and stop.wait(max(0.0, number / rows_per_second - (time.monotonic() - began))):
                raise TransientError(f"{entity}: stopped, and nothing was told: give the command again")
            if erased.is_of(entity, subject):  # never leaves again, so the lake has no such row
                continue
            code = release.code(entity, key)
            try:
                event = release.event(Change(entity, "snapshot", 0, now, key, subject, orjson.loads(row)))
            except Unreleasable:
                unreadable.add(code)
                continue
            bucket = bucket_of(code)
            state.rows[bucket] += 1
            state.digests[bucket] += digest_of(record_of(event.line))
    return unreadable


def _draw(connection: Connection) -> tuple[int, str]:
    """A number, and a transaction that began after it was drawn: whoever drew a lower one holds an older transaction (see manifest.py)."""
    with connection.transaction():
        number = connection.execute("SELECT nextval('publisher.seq')").fetchone()
        xid = connection.execute("SELECT pg_current_xact_id()::text").fetchone()
    return int(str(number and number[0])), str(xid and xid[0])


def _low(connection: Connection, drawn: int, xid: str) -> int:
    """Up to where this snapshot sees every event: `drawn` once all older transactions have ended, till then where the last such range ended."""
    row = connection.execute(LOW, {"drawn": drawn, "xid": xid}).fetchone()
    return int(str(row[0])) if row else 0


def _let_leave(connection: Connection, state: State, stop: threading.Event) -> None:
    """Waits until what was captured up to `seq_low` has left or is a dead letter. What has not by then is left out."""
    waited, still = 0.0, {"entity": state.entity, "low": state.seq_low}
    while waited < PATIENCE_SECONDS and connection.execute(STILL, still).fetchone() and not stop.wait(0.1):
        waited += 0.1


def _waiting(connection: Connection, release: Release, state: State) -> set[str]:
    """The codes of keys of which the lake may not have all up to `seq_low`: in the outbox, dead letters, or replayed a moment ago."""
    rows = connection.execute(WAITING, {"entity": state.entity, "low": state.seq_low}).fetchall()
    return {str(key) if op == GONE else release.code(state.entity, str(key)) for key, op in rows}


def _erasures(connection: Connection) -> object:
    return connection.execute("SELECT count(*), count(settled_at) FROM publisher.erasures").fetchone()


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


LOW = """
SELECT CASE WHEN pg_snapshot_xmin(pg_current_snapshot()) >= %(xid)s::xid8 THEN %(drawn)s ELSE (
  SELECT coalesce(max(seq_to) FILTER (WHERE cut_xid <= pg_snapshot_xmin(pg_current_snapshot())), min(seq_from)) FROM publisher.ranges) END
"""

STILL = "SELECT 1 FROM publisher.outbox WHERE entity = %(entity)s AND seq <= %(low)s LIMIT 1"

WAITING = """
SELECT DISTINCT key, op FROM publisher.outbox WHERE entity = %(entity)s AND seq <= %(low)s
UNION SELECT key, op FROM publisher.dead_letters WHERE entity = %(entity)s
  AND (state IN ('parked', 'waiting', 'requeued') OR resolved_at > clock_timestamp() - interval '1 hour')
"""

SEND = """
INSERT INTO publisher.outbox (seq, entity, op, key, row)
SELECT nextval('publisher.seq'), %s, 'report', %s, report::json FROM unnest(%s::text[]) report
"""
