"""The relay's side of an erasure: between two reads it purges what of the person waits and is not on its way.

Belongs here: that transaction. Not here: when (relay/loop.py), the erase events, which the request has put in the outbox (request.py).

A row on its way may have arrived already: it is repeated until it is acknowledged, and leaves before the erase event of its key. What is purged was
never sent, so no count of events and no digest changes; a dead letter that goes is taken off the count of its range, by a revision if that had closed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import cast

from psycopg.types.json import Jsonb

from publisher import manifest
from publisher.database import Connection

OPEN = frozenset({"parked", "waiting", "requeued"})
"""States in which a letter is counted as dead and may yet leave. A superseded one stays counted: its event never left."""


def settle(connection: Connection, in_flight: Collection[int]) -> frozenset[int]:
    """Carries out all requests. Returns the numbers of the rows that went: whoever holds one in memory must drop it."""
    purged: set[int] = set()
    with connection.transaction():
        for request, person, entities in connection.execute(ASKED).fetchall():
            of = {"person": person, "entities": entities, "flight": list(in_flight)}
            under_way = connection.execute(UNDER_WAY, of).fetchall()
            rows = cast("list[tuple[int, str]]", connection.execute(PURGE_OUTBOX, of).fetchall())
            parked = cast("list[tuple[int, str]]", connection.execute(PURGE_PARKED, of).fetchall())
            gone = [seq for seq, _ in (*rows, *parked)]
            letters = cast("list[tuple[int, str, str]]", connection.execute(PURGE_LETTERS, {**of, "gone": gone}).fetchall())
            manifest.forget_dead(connection, [(entity, seq) for seq, entity, state in letters if state in OPEN])
            counts = {
                "outbox": Counter(entity for _, entity in rows),
                "parked": Counter(entity for _, entity in parked),
                "dead_letters": Counter(entity for _, entity, _ in letters),
                "under_way": Counter(str(row[0]) for row in under_way),
            }
            connection.execute(DONE, {"erasure": request, "purged": Jsonb(counts)})
            purged.update(gone)
    return frozenset(purged)


ASKED = "SELECT erasure, subject, entities FROM publisher.erasures WHERE settled_at IS NULL ORDER BY erasure FOR UPDATE"

_MINE = """
entity = ANY (%(entities)s) AND op <> 'erase' AND (subject = %(person)s OR (subject IS NULL AND (entity, key) IN (
  SELECT e.entity, e.key FROM publisher.outbox e WHERE e.op = 'erase' AND e.subject = %(person)s AND e.entity = ANY (%(entities)s))))
"""
"""A row without a known person (its parent went in the same statement) is the person's if its key is. One that names another person never is."""

UNDER_WAY = f"SELECT entity FROM publisher.outbox WHERE {_MINE} AND seq = ANY (%(flight)s::bigint[])"  # noqa: S608

PURGE_OUTBOX = f"DELETE FROM publisher.outbox WHERE {_MINE} AND seq <> ALL (%(flight)s::bigint[]) RETURNING seq, entity"  # noqa: S608

PURGE_PARKED = f"DELETE FROM publisher.parked WHERE {_MINE} RETURNING seq, entity"  # noqa: S608

PURGE_LETTERS = f"""
DELETE FROM publisher.dead_letters WHERE seq = ANY (%(gone)s::bigint[]) OR {_MINE} RETURNING seq, entity, state
"""  # noqa: S608

DONE = "UPDATE publisher.erasures SET settled_at = clock_timestamp(), subject = NULL, purged = %(purged)s WHERE erasure = %(erasure)s"
