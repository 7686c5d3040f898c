"""Dead letters: events that may not leave as they are, and what waits behind them.

Belongs here: parking, replaying, putting back. Not here: why an event cannot be released (release.py), counting (manifest.py).

`dead_letters` holds names and reasons, `parked` what was captured. A key with a dead letter waits as a whole: its later rows are parked
behind it (`waiting`), so that order per key holds. `publisher replay` decides: a letter that can be released now is `requeued`; one
that cannot, while a later row of its key can, is `superseded` (the row was mended by a later write, and the letter stays counted as dead). The relay
puts the key's rows back, since only it knows when none of them is on its way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from publisher import manifest
from publisher.database import Connection
from publisher.errors import PermanentError, Unreleasable
from publisher.outbox import OutboxRow

WAITING_REASON = "waits behind an earlier event of its key"

Key = tuple[str, str]
"""Entity and source key."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A row to park, and why. No value."""

    seq: int
    entity: str
    op: str
    key: str
    reason: str
    fields: tuple[str, ...]
    waits: bool
    subject: str | None = None

    @classmethod
    def of(cls, row: OutboxRow, error: PermanentError) -> DeadLetter:
        """The letter for a row that the contract does not let out."""
        reason, fields = (error.reason, error.fields) if isinstance(error, Unreleasable) else ("record too large", ())
        return cls(row.seq, row.entity, row.op, row.key, reason, fields, waits=False, subject=row.subject)

    @classmethod
    def behind(cls, row: OutboxRow) -> DeadLetter:
        """The letter for a row whose key has a dead letter already."""
        return cls(row.seq, row.entity, row.op, row.key, WAITING_REASON, (), waits=True, subject=row.subject)


@dataclass(frozen=True)
class Replayed:
    """What a replay decided."""

    requeued: int
    superseded: int
    still_dead: int


def dead_keys(connection: Connection) -> dict[Key, int]:
    """Keys that wait, and the lowest seq that each waits with. A row from before it need not wait: it was read, but not yet sent."""
    rows = connection.execute(
        "SELECT d.entity, d.key, min(d.seq) FROM publisher.dead_letters d JOIN publisher.parked p USING (seq)"
        " WHERE d.state IN ('parked', 'waiting', 'requeued') GROUP BY d.entity, d.key"
    ).fetchall()
    return {(str(entity), str(key)): int(str(seq)) for entity, key, seq in rows}


def park(connection: Connection, letters: Iterable[DeadLetter]) -> None:
    """Moves rows from the outbox to `parked`, and counts each once, within the caller's transaction."""
    letters = list(letters)
    if not letters:
        return
    columns = [
        [x.seq for x in letters], [x.entity for x in letters], [x.op for x in letters], [x.key for x in letters],
        [x.reason for x in letters], ["{" + ",".join(f'"{name}"' for name in x.fields) + "}" for x in letters],
        ["waiting" if x.waits else "parked" for x in letters], [x.subject for x in letters],
    ]  # fmt: skip
    new = connection.execute(LETTERS, columns).fetchall()
    connection.execute(PARK, [[x.seq for x in letters]])
    manifest.count_dead(connection, [(str(entity), int(str(seq))) for entity, seq, inserted in new if inserted])


def replay(connection: Connection, fault: Callable[[OutboxRow], PermanentError | None]) -> Replayed:
    """Decides for each waiting key, oldest first. `fault` says why a row cannot leave, or None when it can."""
    requeued = superseded = still_dead = 0
    with connection.transaction():
        rows = connection.execute(WAITING).fetchall()
        keys: dict[Key, list[OutboxRow]] = defaultdict(list)
        for row in rows:
            parked = OutboxRow(*cast("tuple[int, str, str, str, str | None, str | None, datetime]", row))
            keys[parked.entity, parked.key].append(parked)
        for waiting in keys.values():
            bad = {row.seq: error for row in waiting if (error := fault(row)) is not None}
            good = [row.seq for row in waiting if row.seq not in bad]
            if not good:
                still_dead += 1
                continue
            dropped = [seq for seq in bad if seq < max(good)]
            superseded += len(dropped)
            requeued += len(good)
            connection.execute(
                "UPDATE publisher.dead_letters SET state = 'superseded', resolved_at = clock_timestamp() WHERE seq = ANY (%s)",
                [dropped],
            )
            connection.execute("DELETE FROM publisher.parked WHERE seq = ANY (%s)", [dropped])
            connection.execute(
                "UPDATE publisher.dead_letters SET state = 'requeued' WHERE state = 'parked' AND seq = ANY (%s)", [good]
            )
            # A row after the last good one is judged again when it is read.
            later = [seq for seq in bad if seq > max(good)]
            connection.execute("UPDATE publisher.dead_letters SET state = 'waiting' WHERE seq = ANY (%s)", [later])
    return Replayed(requeued, superseded, still_dead)


def put_back(connection: Connection) -> set[Key]:
    """Returns the rows of keys that no longer hold a dead letter to the outbox, with their old seq. Returns these keys."""
    rows = connection.execute(PUT_BACK).fetchall()
    return {(str(entity), str(key)) for entity, key in rows}


LETTERS = """
INSERT INTO publisher.dead_letters AS d (seq, entity, op, key, reason, fields, state, subject)
SELECT x.seq, x.entity, x.op, x.key, x.reason, x.fields::text[], x.state, x.subject
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
  x (seq, entity, op, key, reason, fields, state, subject)
ON CONFLICT (seq) DO UPDATE SET reason = excluded.reason, fields = excluded.fields, state = excluded.state, parked_at = clock_timestamp()
RETURNING entity, seq, xmax = 0
"""

PARK = """
WITH moved AS (DELETE FROM publisher.outbox WHERE seq = ANY (%s) RETURNING *)
INSERT INTO publisher.parked SELECT * FROM moved
"""

WAITING = """
SELECT p.seq, p.entity, p.op, p.key, p.subject, p.row::text, p.captured_at
FROM publisher.parked p JOIN publisher.dead_letters d USING (seq)
WHERE d.state IN ('parked', 'waiting') ORDER BY p.seq FOR UPDATE OF d
"""

PUT_BACK = """
WITH free AS (
  SELECT d.entity, d.key FROM publisher.dead_letters d JOIN publisher.parked p USING (seq)
  WHERE d.state IN ('waiting', 'requeued')
    AND NOT EXISTS (SELECT FROM publisher.dead_letters b WHERE b.entity = d.entity AND b.key = d.key AND b.state = 'parked')
), letters AS (
  UPDATE publisher.dead_letters d SET state = 'requeued' FROM (SELECT DISTINCT entity, key FROM free) f
  WHERE d.entity = f.entity AND d.key = f.key AND d.state IN ('waiting', 'requeued') RETURNING d.seq
), moved AS (
  DELETE FROM publisher.parked p USING letters l WHERE p.seq = l.seq RETURNING p.*
), returned AS (
  INSERT INTO publisher.outbox (seq, captured_at, entity, op, key, subject, row)
  SELECT seq, captured_at, entity, op, key, subject, row FROM moved
)
SELECT DISTINCT entity, key FROM moved
"""
