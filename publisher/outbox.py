"""The outbox as the relay uses it: read each row once, in order; claim; delete.

Belongs here: statements on the outbox and on claims. Not here: how rows get in (capture/), the tables themselves (ring.py), what is counted (manifest.py), the loop (relay/).

**Order.** `seq` is drawn under the row's lock, so per key it rises in commit order. Across keys a lower seq may commit later, so a cursor over seq
would lose rows. Rows are read by snapshot instead: what the snapshot of this poll sees and that of the last did not, in seq order.

**Durability.** Claims are committed before anything is put, with synchronous_commit on. Their commit lies behind the claimed rows' commits in the WAL, so
when it returns those are flushed too (and at the synchronous standbys, where there are any), even where the platform's own sessions
commit asynchronously. A crash can then not take back a row that has left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, cast

from publisher import ring
from publisher.database import Connection, bigints, literal
from publisher.errors import TransientError

RELAY_LOCK = 0x707573685F72656C
"""Session advisory lock: one relay works at a time. It goes with the session, so a relay that lost its connection has lost it."""

SEES_NOTHING = "1:1:"


class OutboxRow(NamedTuple):
    """A captured change as it lies in the outbox. `row` is JSON text."""

    seq: int
    entity: str
    op: str
    key: str
    subject: str | None
    row: str | None
    captured_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows of one partition that may have been put already, and the release that made their bytes."""

    partition: int
    release: str
    seqs: tuple[int, ...]


def try_lock(connection: Connection) -> bool:
    """Becomes the relay of this database, for as long as this session lives."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [RELAY_LOCK]).fetchone()
    return bool(row and row[0])


class OutboxReader:
    """Reads each committed row once, in pages."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._seen = SEES_NOTHING
        self._snapshot: str | None = None
        self._after = 0
        self.passes = 0
        self.coarsening = 0
        """The version that held when the last snapshot was taken. Rows that it demanded anew are seen by no earlier snapshot."""
        self.erasures = False
        """Whether an erasure was asked for when the last snapshot was taken. Its events are seen by no earlier one."""

    @property
    def at_rest(self) -> bool:
        """Whether all that the last snapshot saw has been read."""
        return self._snapshot is None

    def read(self, limit: int) -> list[OutboxRow]:
        """At most `limit` rows; an empty list when nothing new has been committed."""
        if self._snapshot is None:
            snapshot = self._current_snapshot()
            if snapshot == self._seen:
                self.passes += 1
                return []
            self._snapshot, self._after = snapshot, 0
        cursor = self._connection.execute(
            READ, {"after": self._after, "snapshot": self._snapshot, "seen": self._seen, "limit": limit}, binary=True
        )
        rows = [OutboxRow(*cast("tuple[int, str, str, str, str | None, str | None, datetime]", row)) for row in cursor]
        if len(rows) < limit:
            self._seen, self._snapshot = self._snapshot, None
            self.passes += 1
        else:
            self._after = rows[-1].seq
        return rows

    def _current_snapshot(self) -> str:
        row = self._connection.execute(SNAPSHOT).fetchone()
        if row is None:
            raise TransientError("the database gave no snapshot")
        self.coarsening = int(str(row[1]))
        self.erasures = bool(row[2])
        return str(row[0])


def rows_of(connection: Connection, seqs: Sequence[int]) -> list[OutboxRow]:
    """The named rows that are still in the outbox, in order: for repeating a predecessor's claims."""
    cursor = connection.execute(BY_SEQ, [list(seqs)], binary=True)
    return [OutboxRow(*cast("tuple[int, str, str, str, str | None, str | None, datetime]", row)) for row in cursor]


def load_claims(connection: Connection) -> list[Claim]:
    """What a predecessor had on its way."""
    rows = connection.execute("SELECT partition, release, seqs FROM publisher.claims ORDER BY partition").fetchall()
    return [Claim(int(str(p)), str(release), tuple(cast("list[int]", seqs))) for p, release, seqs in rows]


def store_claims(connection: Connection, claims: Iterable[Claim]) -> None:
    """Within the caller's transaction."""
    claims = list(claims)
    if claims:
        partitions = [claim.partition for claim in claims]
        releases = [claim.release for claim in claims]
        seqs = [bigints(claim.seqs) for claim in claims]
        connection.execute(STORE_CLAIMS, [partitions, releases, seqs])


def drop_claims(connection: Connection, partitions: Sequence[int]) -> None:
    """Within the caller's transaction, once the partitions' records are acknowledged."""
    if partitions:
        connection.execute("DELETE FROM publisher.claims WHERE partition = ANY (%s)", [list(partitions)])


def delete(connection: Connection, seqs: Sequence[int]) -> None:
    """Removes acknowledged rows, within the caller's transaction.

    Raises TransientError when some were gone: then this session is not the only relay, and must not count them.
    """
    if seqs:
        gone = connection.execute(DELETE, [bigints(seqs), bigints(ring.slots_of(seqs))]).rowcount
        if gone != len(seqs):
            raise TransientError(f"{len(seqs) - gone} of {len(seqs)} acknowledged rows were not in the outbox any more")


def remember_release(connection: Connection, release: str, contracts: Mapping[str, str], coarsening: int) -> None:
    """Keeps what made a release under the digest that claims name, so that a successor with other contracts can still repeat."""
    connection.execute(
        "INSERT INTO publisher.releases (release, contracts, coarsening) SELECT %s, jsonb_object(%s, %s), %s ON CONFLICT DO NOTHING",
        [release, list(contracts), list(contracts.values()), coarsening],
    )


def contracts_of(connection: Connection, release: str) -> tuple[dict[str, str], int | None]:
    """File name to text, and the version of the coarsening, of a release that was in use before. Raises TransientError where it is not known."""
    row = connection.execute("SELECT contracts, coarsening FROM publisher.releases WHERE release = %s", [release]).fetchone()
    if row is None:
        raise TransientError(f"claimed under the release {release}, whose contracts are not kept")
    return cast("tuple[dict[str, str], int | None]", row)


def last_seq(connection: Connection) -> int:
    """The highest number that was given to a row."""
    row = connection.execute("SELECT last_value FROM publisher.seq").fetchone()
    return int(str(row[0])) if row else 0


def empty_up_to(connection: Connection, seq: int) -> bool:
    """Whether no committed row up to `seq` waits."""
    row = connection.execute("SELECT NOT EXISTS (SELECT FROM publisher.outbox WHERE seq <= %s)", [seq]).fetchone()
    return bool(row and row[0])


def depth(connection: Connection, limit: int = 1_000_000) -> int:
    """How many rows wait, counted up to `limit`."""
    row = connection.execute("SELECT count(*) FROM (SELECT FROM publisher.outbox LIMIT %s) waiting", [limit]).fetchone()
    return int(str(row[0])) if row else 0


_COLUMNS = "seq, entity, op, key, subject, row::text, captured_at"

SNAPSHOT = """
SELECT pg_current_snapshot()::text, coalesce((SELECT max(version) FROM publisher.coarsenings), 0),
  EXISTS (SELECT FROM publisher.erasures WHERE settled_at IS NULL)
"""

READ = literal(f"""
SELECT {_COLUMNS} FROM publisher.outbox
WHERE seq > %(after)s AND pg_visible_in_snapshot(xid, %(snapshot)s::pg_snapshot)
  AND NOT pg_visible_in_snapshot(xid, %(seen)s::pg_snapshot)
ORDER BY seq LIMIT %(limit)s
""")  # noqa: S608

DELETE = literal(f"DELETE FROM publisher.outbox WHERE seq = ANY (%s::bigint[]) AND {ring.SLOT} = ANY (%s::bigint[])")  # noqa: S608
"""The second condition is for the planner: it then looks only into the tables of the ring that hold these rows."""

BY_SEQ = literal(f"SELECT {_COLUMNS} FROM publisher.outbox WHERE seq = ANY (%s) ORDER BY seq")  # noqa: S608

STORE_CLAIMS = """
INSERT INTO publisher.claims (partition, release, seqs)
SELECT c.partition, c.release, c.seqs::bigint[] FROM unnest(%s::smallint[], %s::text[], %s::text[]) c (partition, release, seqs)
ON CONFLICT (partition) DO UPDATE SET release = excluded.release, seqs = excluded.seqs
"""
