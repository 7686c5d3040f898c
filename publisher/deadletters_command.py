"""`publisher dead-letters`.

Belongs here: reading dead letters in groups, and showing them. Not here: parking and replaying (deadletters.py). Neither a value nor the key of a row is read: who must find the rows
asks the database (docs/runbook.md).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import cast

import click
import psycopg

from publisher.console import read_settings, session
from publisher.database import Connection, translate
from publisher.status import age


@dataclass(frozen=True)
class Group:
    """Dead letters of one entity that share a reason. `oldest_seconds` since the oldest was captured, by the database's clock."""

    entity: str
    reason: str
    fields: tuple[str, ...]
    state: str
    count: int
    oldest_seconds: float


def groups(connection: Connection) -> list[Group]:
    """What may not leave, and what waits behind it, most first. Raises InstallError where the publisher is not installed."""
    try:
        rows = connection.execute(GROUPS).fetchall()
    except psycopg.Error as error:
        raise translate(error, "dead-letters") from None
    found = (cast("tuple[str, str, list[str], str, int, float]", row) for row in rows)
    return [Group(entity, reason, tuple(fields), state, count, oldest) for entity, reason, fields, state, count, oldest in found]


def show(found: Sequence[Group]) -> str:
    """A table for a terminal, and what to do."""
    if not found:
        return "no dead letters: everything that was captured may leave."
    heading = ("entity", "count", "oldest", "fields", "reason")
    rows = [
        (g.entity, f"{g.count:,}", age(g.oldest_seconds), ", ".join(g.fields) or "-", g.reason + HINTS.get(g.state, ""))
        for g in found
    ]
    widths = [max(len(row[i]) for row in (heading, *rows)) for i in range(4)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]) for row in (heading, *rows)
    ]
    return "\n".join([*lines, "", REMEDY])


@click.command("dead-letters")
@click.option("--json", "as_json", is_flag=True, help="As JSON: a list of groups.")
def dead_letters_command(as_json: bool) -> None:
    """List what may not leave by entity, reason and fields, with how many and since when; never by value or key."""
    with session(read_settings(), "dead-letters") as connection:
        found = groups(connection)
    click.echo(json.dumps([asdict(group) for group in found], indent=2) if as_json else show(found))


REMEDY = "Mend the cause (the runbook has each reason), then `publisher replay` judges them again."
HINTS = {"requeued": " (may leave now: the relay puts it back)"}

GROUPS = """
SELECT d.entity, d.reason, d.fields, d.state, count(*),
  greatest(0, max(extract(epoch FROM clock_timestamp() - coalesce(p.captured_at, d.parked_at))))::float8
FROM publisher.dead_letters d LEFT JOIN publisher.parked p USING (seq)
WHERE d.state IN ('parked', 'waiting', 'requeued')
GROUP BY d.entity, d.reason, d.fields, d.state ORDER BY 5 DESC, 1, 2, 3, 4
"""
