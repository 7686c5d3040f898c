"""Manifests: what became of each contiguous range of `seq`, per entity, so that the lake can prove that it has all of it.

Belongs here: cutting, counting, closing and sending state of ranges. Not here: the event's form (wire.py), the loop (relay/).

A range ends at a number drawn from the sequence itself (so an idle range has an end of its own, too) *before* `cut_xid` is assigned. Whoever
drew a lower number wrote its row first, so holds a lower transaction id: once the oldest running transaction is not older than `cut_xid`, nothing can commit
into the range any more. It closes when, besides, nothing of it waits in the outbox. Events are counted in the transaction that deletes them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from publisher import wire
from publisher.database import Connection, bigints
from publisher.errors import InstallError
from publisher.wire import ReleasedEvent

CUT_LOCK = 0x707573685F637574
"""Transaction lock: shared by whoever counts, exclusive for whoever cuts, so that no event is counted into a range that has just ended."""

DIGEST_MODULUS = 2**64
KEPT = "1 day"
"""How long sent manifests are kept; those with dead letters stay, for their revisions."""


@dataclass(frozen=True, slots=True)
class ManifestEvent:
    """One manifest on its way: its event, and what to mark as sent when it is acknowledged."""

    range: int
    of: str
    revision: int
    event: ReleasedEvent


def cut(connection: Connection) -> int:
    """Ends the open range and begins the next. Returns its last seq."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [CUT_LOCK])
        number = connection.execute("SELECT nextval('publisher.seq')").fetchone()
        seq_to = int(str(number[0])) if number else 0
        ended = connection.execute(
            "UPDATE publisher.ranges SET seq_to = %s, cut_xid = pg_current_xact_id(), cut_at = clock_timestamp()"
            " WHERE seq_to IS NULL",
            [seq_to],
        ).rowcount
        if ended != 1:
            raise InstallError("no range is open: run `publisher install`")
        connection.execute("INSERT INTO publisher.ranges (seq_from) VALUES (%s)", [seq_to])
    return seq_to


def close(connection: Connection, entities: Iterable[str]) -> int:
    """Closes the ranges that are complete: every entity gets a count, even of nothing. Returns how many ranges."""
    with connection.transaction():
        return connection.execute(CLOSE, {"entities": sorted(entities)}).rowcount


def count(connection: Connection, sent: Sequence[ReleasedEvent]) -> None:
    """Counts acknowledged events, within the transaction that deletes them. A range that had closed gets a revision."""
    if not sent:
        return
    replayed = _mark_sent(connection, [item.seq for item in sent])
    totals: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    ranges = _ranges(connection, min(item.seq for item in sent))
    for item in sent:
        total = totals[ranges.of(item.seq), item.entity]
        total[0] += 1
        total[2] += item.digest
        if item.seq in replayed:
            total[1] -= 1
    _add(connection, totals)


def count_dead(connection: Connection, parked: Iterable[tuple[str, int]]) -> None:
    """Counts dead letters `(entity, seq)`, within the transaction that parks them."""
    _count_letters(connection, parked, 1)


def forget_dead(connection: Connection, letters: Iterable[tuple[str, int]]) -> None:
    """Takes dead letters `(entity, seq)` off the counts again, within the transaction that purges them: an erasure leaves nothing that could be sent."""
    _count_letters(connection, letters, -1)


def unsent(connection: Connection, entities: Iterable[str], limit: int = 1000) -> list[ManifestEvent]:
    """Closed manifests that have not been acknowledged, oldest first.

    Their bytes are the same each time, but for `backfill_due`, which is of the moment: of two repeats the lake takes the one that says it.
    """
    rows = connection.execute(UNSENT, {"entities": sorted(entities), "limit": limit}).fetchall()
    return [_event(*cast("tuple[int, str, int, int, int, datetime, int, int, int, bool, int]", row)) for row in rows]


def mark_sent(connection: Connection, manifests: Sequence[ManifestEvent]) -> None:
    """Within the transaction that acknowledges their records."""
    if manifests:
        columns = [[m.range for m in manifests], [m.of for m in manifests], [m.revision for m in manifests]]
        connection.execute(MARK_SENT, columns)


def accounted(connection: Connection, seq_to: int, entities: Iterable[str]) -> bool:
    """Whether every range up to `seq_to` is closed, and every manifest of it acknowledged."""
    row = connection.execute(ACCOUNTED, {"seq_to": seq_to, "entities": sorted(entities)}).fetchone()
    return bool(row and row[0])


def purge(connection: Connection) -> int:
    """Forgets ranges that were sent a day ago and hold no dead letter. Returns how many."""
    return connection.execute(PURGE, {"kept": KEPT}).rowcount


def _event(
    number: int,
    of: str,
    seq_from: int,
    seq_to: int,
    revision: int,
    closed_at: datetime,
    events: int,
    dead: int,
    digest: int,
    backfill_due: bool,
    key_version: int,
) -> ManifestEvent:
    event = wire.manifest(
        of=of,
        seq_from=seq_from,
        seq_to=seq_to,
        revision=revision,
        closed_at=closed_at,
        events=events,
        dead_letters=dead,
        digest=int(digest),
        backfill_due=backfill_due,
        key_version=key_version,
    )
    return ManifestEvent(number, of, revision, event)


class _Ranges:
    """Which range a seq belongs to. The last one is open."""

    def __init__(self, rows: Sequence[tuple[int, int | None]]) -> None:
        self._numbers = [number for number, _ in rows]
        self._ends = [end for _, end in rows if end is not None]

    def of(self, seq: int) -> int:
        return self._numbers[bisect_left(self._ends, seq)]


def _ranges(connection: Connection, lowest: int) -> _Ranges:
    connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", [CUT_LOCK])
    rows = connection.execute(
        "SELECT range, seq_to FROM publisher.ranges WHERE seq_to >= %s OR seq_to IS NULL ORDER BY seq_to NULLS LAST", [lowest]
    ).fetchall()
    return _Ranges(cast("list[tuple[int, int | None]]", rows))


def _mark_sent(connection: Connection, seqs: list[int]) -> frozenset[int]:
    rows = connection.execute(
        "UPDATE publisher.dead_letters SET state = 'sent', resolved_at = clock_timestamp()"
        " WHERE EXISTS (SELECT FROM publisher.dead_letters WHERE state = 'requeued')"
        " AND state = 'requeued' AND seq = ANY (%s::bigint[]) RETURNING seq",
        [bigints(seqs)],
    ).fetchall()
    return frozenset(int(str(row[0])) for row in rows)


def _count_letters(connection: Connection, letters: Iterable[tuple[str, int]], each: int) -> None:
    letters = list(letters)
    if not letters:
        return
    ranges = _ranges(connection, min(seq for _, seq in letters))
    totals: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for entity, seq in letters:
        totals[ranges.of(seq), entity][1] += each
    _add(connection, totals)


def _add(connection: Connection, totals: dict[tuple[int, str], list[int]]) -> None:
    ranges, entities = [key[0] for key in totals], [key[1] for key in totals]
    events, dead, digests = ([total[i] for total in totals.values()] for i in range(3))
    connection.execute(ADD, [ranges, entities, events, dead, [d % DIGEST_MODULUS for d in digests]])


CLOSE = """
WITH closing AS (
  UPDATE publisher.ranges r SET closed_at = clock_timestamp()
  WHERE r.closed_at IS NULL AND r.seq_to IS NOT NULL AND r.cut_xid <= pg_snapshot_xmin(pg_current_snapshot())
    AND NOT EXISTS (SELECT FROM publisher.outbox o WHERE o.seq <= r.seq_to)
  RETURNING r.range, r.closed_at
), filled AS (
  INSERT INTO publisher.tallies AS t (range, entity, closed_at)
  SELECT c.range, e.entity, c.closed_at FROM closing c CROSS JOIN unnest(%(entities)s::text[]) e (entity)
  ON CONFLICT (range, entity) DO UPDATE SET closed_at = excluded.closed_at
)
SELECT FROM closing
"""

ADD = """
INSERT INTO publisher.tallies AS t (range, entity, events, dead_letters, digest, closed_at)
SELECT a.range, a.entity, a.events, a.dead, a.digest, r.closed_at
FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::numeric[]) a (range, entity, events, dead, digest)
JOIN publisher.ranges r ON r.range = a.range
ON CONFLICT (range, entity) DO UPDATE SET
  events = t.events + excluded.events, dead_letters = t.dead_letters + excluded.dead_letters,
  digest = (t.digest + excluded.digest) %% 18446744073709551616,
  revision = t.revision + (t.closed_at IS NOT NULL)::int,
  closed_at = CASE WHEN t.closed_at IS NOT NULL THEN clock_timestamp() END
"""

UNSENT = """
-- A backfill that had ended before the range began (when the one before it was cut) has numbered its rows up to the range's end. One that
-- ended later may have rows beyond it, and counts as due.
SELECT t.range, t.entity, r.seq_from, r.seq_to, t.revision, t.closed_at, t.events, t.dead_letters, t.digest,
  coalesce(b.due IS NOT NULL OR b.finished_at >= coalesce(before.cut_at, '-infinity'), false),
  coalesce((SELECT e.key_version FROM publisher.epochs e WHERE e.epoch = r.seq_to >> 48), 1)
FROM publisher.tallies t JOIN publisher.ranges r USING (range)
LEFT JOIN publisher.ranges before ON before.seq_to = r.seq_from
LEFT JOIN publisher.backfills b ON b.entity = t.entity
WHERE t.closed_at IS NOT NULL AND t.sent_revision IS DISTINCT FROM t.revision AND t.entity = ANY (%(entities)s)
ORDER BY t.range, t.entity LIMIT %(limit)s
"""

MARK_SENT = """
UPDATE publisher.tallies t SET sent_revision = s.revision
FROM unnest(%s::bigint[], %s::text[], %s::int[]) s (range, entity, revision)
WHERE t.range = s.range AND t.entity = s.entity AND coalesce(t.sent_revision, -1) < s.revision
"""

ACCOUNTED = """
SELECT NOT EXISTS (
  SELECT FROM publisher.ranges r LEFT JOIN publisher.tallies t ON t.range = r.range AND t.entity = ANY (%(entities)s)
  WHERE r.seq_to <= %(seq_to)s AND (r.closed_at IS NULL OR t.sent_revision IS DISTINCT FROM t.revision))
"""

PURGE = """
DELETE FROM publisher.ranges r
WHERE r.closed_at < clock_timestamp() - %(kept)s::interval
  AND NOT EXISTS (
    SELECT FROM publisher.tallies t WHERE t.range = r.range AND (t.dead_letters > 0 OR t.sent_revision IS DISTINCT FROM t.revision))
  AND r.range < (SELECT max(range) FROM publisher.ranges)
"""
