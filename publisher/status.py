"""What the publisher's tables say about its health, as data and as a table for a terminal.

Belongs here: reading and showing counts and ages. Not here: keys or values of any row.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import cast

import psycopg

from publisher.database import Connection, literal, translate
from publisher.outbox import RELAY_LOCK
from publisher.watch.outlook import OLDEST_TRANSACTION
from publisher.wire import EPOCH_BITS


@dataclass(frozen=True)
class Status:
    """Counts and times. Ages are in seconds, by the database's clock."""

    depth: int
    depth_limit: int
    oldest_seconds: float | None
    oldest_limit_seconds: float
    disk_bytes: int
    oldest_transaction_seconds: float
    by_entity: dict[str, int]
    dead_letters: dict[str, int]
    epoch: int
    epoch_reason: str
    relay_connected: bool
    claimed: int
    pending_ranges: int
    oldest_pending_seconds: float | None
    last_manifest_at: datetime | None
    last_manifest_seq: int | None
    unsent_manifests: int
    backfills: dict[str, str]
    k_groups: str

    @property
    def late(self) -> bool:
        """Whether the oldest event waits for longer than its limit."""
        return (self.oldest_seconds or 0.0) > self.oldest_limit_seconds


DEPTH_LIMIT = 100_000
LONG_SECONDS = 600.0
POLICY = "nothing is dropped: while no relay works it grows on the platform's disk; a full disk fails the platform's writes"


def read_status(connection: Connection, oldest_limit_seconds: float = 300.0) -> Status:
    """Raises InstallError where the publisher is not installed."""
    try:
        one = connection.execute(ONE, {"limit": DEPTH_LIMIT, "high": RELAY_LOCK >> 32, "low": RELAY_LOCK & 0xFFFFFFFF}).fetchone()
        entities = connection.execute(BY_ENTITY, {"limit": DEPTH_LIMIT}).fetchall()
        letters = connection.execute(DEAD).fetchall()
        looked = connection.execute(K_GROUPS).fetchone()
        fills = connection.execute(BACKFILLS).fetchall()
    except psycopg.Error as error:
        raise translate(error, "status") from None
    (depth, oldest, disk, transaction, epoch, reason, relay, claimed, pending, pending_age, closed_at, seq_to, unsent) = cast(
        "tuple[int, float | None, int, float, int, str, bool, int, int, float | None, datetime | None, int | None, int]", one
    )
    return Status(
        depth=depth, depth_limit=DEPTH_LIMIT, oldest_seconds=oldest, oldest_limit_seconds=oldest_limit_seconds, disk_bytes=disk, oldest_transaction_seconds=transaction, by_entity={str(e): int(str(n)) for e, n in entities},
        dead_letters={str(r): int(str(n)) for r, n in letters}, epoch=epoch, epoch_reason=reason, relay_connected=relay, claimed=claimed,
        pending_ranges=pending, oldest_pending_seconds=pending_age, last_manifest_at=closed_at, last_manifest_seq=seq_to,
        unsent_manifests=unsent, backfills={str(e): str(s) for e, s in fills},
        k_groups=str(looked[0]) if looked else "",
    )  # fmt: skip


def show(status: Status) -> str:
    """A table for a terminal."""
    limit = age(status.oldest_limit_seconds)
    more = "or more " if status.depth >= status.depth_limit else ""
    waiting = f"{status.depth:,} {more}rows, the oldest for {age(status.oldest_seconds)}" if status.depth else "none"
    lines = [
        ("relay", "connected" if status.relay_connected else "NOT RUNNING: start `publisher relay`"),
        ("waiting in the outbox", waiting),
        *((f"  {entity}", f"{count:,}") for entity, count in status.by_entity.items()),
        ("oldest event", f"LATE: over its limit of {limit}" if status.late else f"within its limit of {limit}"),
        ("outbox on disk", f"{_size(status.disk_bytes)}; {POLICY}"),
        ("oldest transaction", _transaction(status)),
        ("claimed, perhaps under way", f"{status.claimed:,}"),
        (
            "dead letters",
            f"{sum(status.dead_letters.values()):,}"
            + (": `publisher dead-letters` says why; mend, then `publisher replay`" if status.dead_letters else ""),
        ),
        *((f"  {reason}", f"{count:,}") for reason, count in status.dead_letters.items()),
        ("epoch", f"{status.epoch} ({status.epoch_reason})"),
        ("last manifest", _last_manifest(status)),
        ("ranges not closed", _pending(status)),
        ("manifests not acknowledged", f"{status.unsent_manifests:,}"),
        ("k-groups", status.k_groups),
        *((f"backfill of {entity}", state) for entity, state in status.backfills.items()),
    ]
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def as_json(status: Status) -> str:
    """The same for a program. Times are ISO 8601 in UTC."""
    return json.dumps({**asdict(status), "late": status.late}, indent=2, default=datetime.isoformat)


def _last_manifest(status: Status) -> str:
    if status.last_manifest_at is None or status.last_manifest_seq is None:
        return "none yet"
    number = status.last_manifest_seq & ((1 << EPOCH_BITS) - 1)
    return f"acknowledged, closed at {status.last_manifest_at:%Y-%m-%d %H:%M:%S} UTC, up to {status.last_manifest_seq >> EPOCH_BITS}·{number}"


def _pending(status: Status) -> str:
    if not status.pending_ranges:
        return "none"
    hint = ": a transaction older than that still runs, or a row waits" if (status.oldest_pending_seconds or 0) > 60 else ""
    return f"{status.pending_ranges:,}, the oldest for {age(status.oldest_pending_seconds)}{hint}"


def age(seconds: float | None) -> str:
    """As a person says it."""
    if seconds is None:
        return "an unknown time"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _transaction(status: Status) -> str:
    if status.oldest_transaction_seconds < LONG_SECONDS:
        return f"of the database server, open for {age(status.oldest_transaction_seconds)}"
    return f"OPEN for {age(status.oldest_transaction_seconds)}: it keeps ranges open and dead rows in place; pg_stat_activity names it"


def _size(size: int) -> str:
    if size < 10 * 2**20:
        return f"{size / 2**10:,.0f} KiB"
    return f"{size / 2**20:,.0f} MiB"


ONE = literal(f"""
WITH e AS (SELECT epoch, reason FROM publisher.epochs ORDER BY epoch DESC LIMIT 1),
last AS (
  SELECT max(t.closed_at) AS closed_at, max(r.seq_to) AS seq_to FROM publisher.tallies t JOIN publisher.ranges r USING (range)
  WHERE t.sent_revision IS NOT NULL)
SELECT
  (SELECT count(*) FROM (SELECT FROM publisher.outbox LIMIT %(limit)s) w),
  (SELECT extract(epoch FROM clock_timestamp() - captured_at)::float8 FROM publisher.outbox ORDER BY seq LIMIT 1),
  (SELECT sum(pg_total_relation_size(t.relid))::bigint FROM pg_partition_tree('publisher.outbox') t),
  {OLDEST_TRANSACTION},
  (SELECT epoch FROM e), (SELECT reason FROM e),
  EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
          AND l.classid::int8 = %(high)s AND l.objid::int8 = %(low)s
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())),
  (SELECT coalesce(sum(cardinality(seqs)), 0)::int FROM publisher.claims),
  (SELECT count(*) FROM publisher.ranges WHERE closed_at IS NULL AND seq_to IS NOT NULL),
  (SELECT extract(epoch FROM clock_timestamp() - min(cut_at))::float8 FROM publisher.ranges WHERE closed_at IS NULL AND seq_to IS NOT NULL),
  (SELECT closed_at FROM last), (SELECT seq_to FROM last),
  (SELECT count(*) FROM publisher.tallies WHERE closed_at IS NOT NULL AND sent_revision IS DISTINCT FROM revision)
""")  # noqa: S608

BY_ENTITY = """
SELECT entity, count(*) FROM (SELECT entity FROM publisher.outbox LIMIT %(limit)s) w GROUP BY entity ORDER BY 2 DESC, 1
"""

DEAD = """
SELECT entity || ': ' || reason || coalesce(' (' || nullif(array_to_string(fields, ', '), '') || ')', ''), count(*)
FROM publisher.dead_letters WHERE state IN ('parked', 'waiting', 'requeued') GROUP BY 1 ORDER BY 2 DESC, 1
"""

BACKFILLS = """
SELECT entity, CASE WHEN due IS NOT NULL AND started_at IS NOT NULL AND finished_at IS NULL THEN 'at ' || rows || ' rows, not finished'
  WHEN due IS NOT NULL THEN 'DUE (' || due || '): run `publisher backfill ' || entity || '`' ELSE 'at ' || rows || ' rows, not finished' END
FROM publisher.backfills WHERE due IS NOT NULL OR (started_at IS NOT NULL AND finished_at IS NULL) ORDER BY entity
"""

K_GROUPS = """
SELECT CASE WHEN count(*) = 0 THEN 'nobody has looked yet: they say nothing until `publisher risk` has run'
  WHEN count(*) FILTER (WHERE resent_at IS NULL) > 0 THEN 'rows that say other things now are still to be sent: give `publisher risk` again'
  ELSE 'coarsening ' || max(version) || ', of ' || to_char(max(computed_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC' END
FROM publisher.coarsenings
"""
