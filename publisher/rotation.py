"""`publisher keys rotate`: from one pseudonym key to the next, all entities at once.

Belongs here: the plan, and running it. Not here: where keys are kept (keys.py), epochs (epoch.py), sending the rows (backfill.py).

Codes of two keys do not join, so there is no half way: a new epoch begins under the new key, every row that waits gets a number of it, and a
backfill sends all rows anew. The lake builds its tables of the new codes beside the old ones, and exchanges them when manifests prove all of it there.
Nothing here deletes the former key: what was sent under it can be repeated, and read, until the secret drops it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from publisher import backfill, epoch
from publisher.contracts.model import Contract
from publisher.database import Connection, literal, translate
from publisher.errors import SettingsError, TransientError
from publisher.outbox import try_lock

REASON = "a new pseudonym key"


@dataclass(frozen=True)
class Plan:
    """What a rotation has before it. `rows` are the database's own estimates."""

    in_use: int
    named: int
    held: tuple[int, ...]
    rows: Mapping[str, int]
    unfinished: tuple[str, ...]

    @property
    def begins(self) -> bool:
        """Whether the contracts name a key that is not in use yet."""
        return self.named > self.in_use


def plan(connection: Connection, contracts: Mapping[str, Contract], held: tuple[int, ...]) -> Plan:
    """Looks, and changes nothing. Raises InstallError where the publisher is not installed."""
    try:
        in_use = epoch.key_version(connection)
        rows = {entity: backfill.estimate(connection, contract) for entity, contract in contracts.items()}
        due = tuple(backfill.due(connection))
    except psycopg.Error as error:
        raise translate(error, "keys rotate") from None
    return Plan(in_use, next(iter(contracts.values())).key_version, held, rows, due)


def begin(connection: Connection, found: Plan) -> int:
    """Begins the epoch of the key that the contracts name; its number. Every entity is due for a backfill from then on.

    Raises SettingsError for a key that is not the next one, TransientError while a relay works under the former, or something of it waits.
    """
    if found.named != found.in_use + 1:
        raise SettingsError(
            f"the contracts name key {found.named}, and {found.in_use} is in use: write pseudonymKey {found.in_use + 1} in every contract"
        )
    if not try_lock(connection):
        raise TransientError(
            "a relay works under the former contracts: stop it, give the command again, then start it with the new ones"
        )
    try:
        _refuse_what_waits(connection)
        return epoch.raise_epoch(connection, REASON, found.named)
    except psycopg.Error as error:
        raise translate(error, "keys rotate") from None
    finally:
        connection.execute(literal("SELECT pg_advisory_unlock_all()"))


def _refuse_what_waits(connection: Connection) -> None:
    """What was put and not acknowledged would be in the lake under numbers that no manifest counts; a dead letter's row would be missing there."""
    row = connection.execute(WAITS).fetchone()
    claims, letters = (int(str(each)) for each in row or (0, 0))
    if claims:
        raise TransientError(
            "records of the former key may be on their way: `publisher relay --drain` under the former contracts, then this again"
        )
    if letters:
        raise TransientError(
            f"{letters} dead letters wait, and the lake would lose their rows: mend them, `publisher replay`, drain, then this again"
        )


WAITS = """
SELECT (SELECT count(*) FROM publisher.claims), (SELECT count(*) FROM publisher.dead_letters WHERE state IN ('parked', 'waiting', 'requeued'))
"""


def as_text(found: Plan) -> str:
    """The plan, for a person."""
    lines = [
        f"Key {found.in_use} is in use; the contracts name key {found.named}; the secret holds {', '.join(map(str, found.held))}.",
        *(f"  {entity:15}{rows:>15,} rows" for entity, rows in found.rows.items()),
        f"All {sum(found.rows.values()):,} rows (the database's estimate) leave once more. Meanwhile silver, history and gold stay as they are;",
        "then the lake exchanges them. Codes of before join with none of after: whoever has kept any must take them anew. History begins anew.",
    ]
    return "\n".join(lines)
