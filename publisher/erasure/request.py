"""Asking for an erasure: the erase events and the request, in one transaction; and what became of it.

Belongs here: the command's side of the protocol. Not here: purging, which only the relay may do (settle.py).

Why the relay: what it has read, it holds in memory and may be about to put. Rows that went away under it would be counted and were not sent, or sent and were
not counted. So the command asks, and whoever holds the relay's lock purges between two reads.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import psycopg

from publisher.backfill import BUSY, LOCK_TIMEOUT
from publisher.capture.install import entity_sql
from publisher.contracts.model import Contract
from publisher.database import Connection, literal, translate
from publisher.erasure.people import about, forget_positions, held, is_person, number_rows
from publisher.erasure.remembered import digest_of
from publisher.errors import SettingsError, TransientError
from publisher.keys import Keyring

ATTEMPTS = 30
"""How often the rows' locks are asked for. Each attempt gives up before the platform's own statement would."""


@dataclass(frozen=True)
class Receipt:
    """What an erasure did. No key: counts by entity, positions and times. `purged` is by table, then by entity."""

    erasure: int
    entity: str
    asked_at: datetime
    settled_at: datetime | None
    seq_from: int
    seq_to: int
    events: Mapping[str, int]
    purged: Mapping[str, Mapping[str, int]]


def ask(connection: Connection, contracts: Mapping[str, Contract], keyring: Keyring, entity: str, key: str) -> tuple[int, str]:
    """Numbers an erase event for each row about the person, and asks the relay to purge the rest. Returns the request and the key as the database writes it.

    Raises SettingsError for an entity that is no person, or a key of another type, TransientError while others lock the rows for long.
    """
    if not is_person(contracts[entity]):
        people = ", ".join(sorted(c.entity for c in contracts.values() if is_person(c))) or "no entity"
        raise SettingsError(f"the rows of {entity} are no persons: {people} can be erased, with all that is about them")
    _, key_type = entity_sql(connection, contracts, entity)
    person = _as_the_database_writes(connection, entity, key, key_type)
    for attempt in range(ATTEMPTS):
        try:
            return _ask(connection, contracts, keyring, contracts[entity], person, key_type), person
        except BUSY:
            time.sleep(random.uniform(0, min(1.0, 0.05 * 2**attempt)))  # noqa: S311
        except psycopg.Error as error:
            raise translate(error, "erase") from None
    raise TransientError("erase: another session kept rows of the person locked, nothing was changed: run it again")


def settled(connection: Connection, request: int, person: str) -> bool:
    """Whether the request is carried out, and nothing of the person waits here any more."""
    row = connection.execute(SETTLED, {"erasure": request, "person": person}).fetchone()
    return bool(row and row[0])


def receipt(connection: Connection, request: int) -> Receipt:
    """Raises TransientError where somebody removed the request."""
    row = connection.execute(RECEIPT, [request]).fetchone()
    if row is None:
        raise TransientError("the request for the erasure is gone from publisher.erasures: run it again")
    return Receipt(
        *cast(
            "tuple[int, str, datetime, datetime | None, int, int, dict[str, int], dict[str, dict[str, int]]]",
            row,
        )
    )


def _ask(
    connection: Connection, contracts: Mapping[str, Contract], keyring: Keyring, who: Contract, person: str, key_type: str
) -> int:
    namespace = str(who.subject_namespace)
    entities = about(who, contracts)
    sqls = {contract.entity: entity_sql(connection, contracts, contract.entity) for contract in entities}
    keys: dict[str, list[str]] = {}
    seqs: list[int] = []
    with connection.transaction():
        connection.execute(LOCK_TIMEOUT)
        connection.execute("SELECT pg_current_xact_id()")  # before nextval: see manifest.py
        for entity, (sql, own_type) in sqls.items():
            there = connection.execute(literal(number_rows(sql, key_type)), {"person": person}).fetchall()
            gone = _waiting_keys(connection, entity, person, {str(key) for key, _ in there})
            # A key that the table holds and that does not lead to the person is another's now.
            others = connection.execute(literal(held(sql, own_type)), {"keys": gone}).fetchall() if gone else []
            alone = [key for key in gone if key not in {str(row[0]) for row in others}]
            if entity == who.entity and not there and person not in alone:
                alone.append(person)
            more = connection.execute(NUMBER, {"entity": entity, "person": person, "keys": alone}).fetchall()
            found = [(str(key), int(str(seq))) for key, seq in (*there, *more)]
            keys[entity] = [key for key, _ in found]
            seqs += [seq for _, seq in found]
            connection.execute(literal(forget_positions(sql, own_type)), {"keys": keys[entity]})
        row = connection.execute(
            REQUEST,
            {
                "entity": who.entity, "namespace": namespace, "subject": person, "person": digest_of(keyring, namespace, person),
                "seq_from": min(seqs), "seq_to": max(seqs), "entities": list(keys), "counts": [len(each) for each in keys.values()],
            },
        ).fetchone()  # fmt: skip
    return int(str(row[0])) if row else 0


def _waiting_keys(connection: Connection, entity: str, person: str, known: set[str]) -> list[str]:
    rows = connection.execute(WAITING_KEYS, {"entity": entity, "person": person}).fetchall()
    return sorted({str(row[0]) for row in rows} - known)


def _as_the_database_writes(connection: Connection, entity: str, key: str, key_type: str) -> str:
    try:
        row = connection.execute(literal(f"SELECT %s::text::{key_type}::text"), [key]).fetchone()
    except (psycopg.DataError, psycopg.ProgrammingError):
        raise SettingsError(f"the key is not of the type of a key of {entity} ({key_type})") from None
    return str(row[0]) if row else key


WAITING_KEYS = """
SELECT key FROM publisher.outbox WHERE entity = %(entity)s AND subject = %(person)s AND op <> 'erase'
UNION SELECT key FROM publisher.parked WHERE entity = %(entity)s AND subject = %(person)s
UNION SELECT key FROM publisher.dead_letters WHERE entity = %(entity)s AND subject = %(person)s
"""

NUMBER = """
INSERT INTO publisher.outbox (seq, entity, op, key, subject)
SELECT nextval('publisher.seq'), %(entity)s, 'erase', key, %(person)s FROM unnest(%(keys)s::text[]) key RETURNING key, seq
"""

REQUEST = """
INSERT INTO publisher.erasures (entity, namespace, entities, subject, person, seq_from, seq_to, events)
SELECT %(entity)s, %(namespace)s, %(entities)s, %(subject)s, %(person)s, %(seq_from)s, %(seq_to)s,
  (SELECT jsonb_object_agg(e, n) FROM unnest(%(entities)s::text[], %(counts)s::int[]) c (e, n) WHERE n > 0)
RETURNING erasure
"""

SETTLED = """
SELECT settled_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM publisher.outbox w WHERE w.subject = %(person)s AND w.entity = ANY (e.entities))
  AND NOT EXISTS (SELECT FROM publisher.parked w WHERE w.subject = %(person)s AND w.entity = ANY (e.entities))
  AND NOT EXISTS (SELECT FROM publisher.dead_letters w WHERE w.subject = %(person)s AND w.entity = ANY (e.entities))
FROM publisher.erasures e WHERE e.erasure = %(erasure)s
"""

RECEIPT = """
SELECT erasure, entity, asked_at, settled_at, seq_from, seq_to, events, coalesce(purged, '{}') FROM publisher.erasures WHERE erasure = %s
"""
