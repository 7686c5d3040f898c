"""Withdrawn fields: the columns of bronze, silver and history are emptied, in every version that can still be reached.

Belongs here: which columns wait, emptying them, removing the files that still hold them. Not here: when (assets/deploy.py), what keeps late events
from filling them again (transforms/events.py: it loads what the contract in force names).

It runs while nothing else reads or writes: VACUUM without retention beside a write breaks the table. Each step can be repeated: what died half-way
is done again, from its beginning. The column itself stays, and stays null: to drop it would take a new copy of each table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lake_assets.raw import progress
from lake_assets.raw.session import interpreted, is_small
from resources.spark import spark_errors
from resources.table_schema import quoted
from resources.table_upkeep import keep_present_version
from resources.tables import WRITTEN_ANEW, LakeTables

NAME = "withdrawn"
WAITS, EMPTIED = "waits", "emptied"

Columns = Mapping[str, Sequence[str]]
"""Of each entity some columns."""


@dataclass(frozen=True)
class Scrubbed:
    """What was emptied of an entity: how many rows of each table held something, `layer/name` by number."""

    entity: str
    columns: tuple[str, ...]
    rows: dict[str, int]


def note_withdrawn(tables: LakeTables, surplus: Columns) -> dict[str, tuple[str, ...]]:
    """Remembers which columns no contract names any more (`surplus`, of all entities); those that have still to be emptied.

    A field that a contract names again is forgotten here: were it withdrawn once more, it would be emptied once more.
    """
    known = _read(tables)
    now = {
        entity: {column: known.get(entity, {}).get(column, WAITS) for column in sorted(columns)}
        for entity, columns in sorted(surplus.items())
        if columns
    }
    if now != known:
        progress.write(tables, NAME, note=json.dumps(now))
    return _waiting(now)


def waiting(tables: LakeTables) -> dict[str, tuple[str, ...]]:
    """Of each entity the columns that have still to be emptied."""
    return _waiting(_read(tables))


def scrub(tables: LakeTables, entity: str, columns: Sequence[str]) -> Scrubbed:
    """Empties columns of an entity in bronze, silver and history, and removes every file that is of an earlier version.

    Nothing else may read or write these tables. Only names stand in its statements, so no value gets into Delta's log. Raises SparkFailed.
    """
    rows: dict[str, int] = {}
    for layer, name in tables_of(entity):
        schema = tables.schema(layer, name)
        there = [column for column in columns if schema is not None and column in schema.fieldNames()]
        if schema is None:
            continue
        if there:
            with (
                interpreted(tables.spark, small=is_small(tables, layer, name)),
                spark_errors(f"emptying columns of {layer}/{name}"),
                tables.settings(WRITTEN_ANEW),
            ):
                emptied = ", ".join(f"{quoted(column)} = NULL" for column in there)
                held = " OR ".join(f"{quoted(column)} IS NOT NULL" for column in there)
                found = tables.spark.sql(f"UPDATE {tables.sql_name(layer, name)} SET {emptied} WHERE {held}").collect()  # noqa: S608 (names)
                rows[f"{layer}/{name}"] = int(found[0].num_affected_rows)
        keep_present_version(tables, layer, name)
    return Scrubbed(entity, tuple(columns), rows)


def finish(tables: LakeTables, done: Iterable[Scrubbed]) -> None:
    """Remembers that these columns are empty, for good: nothing loads them any more."""
    known = _read(tables)
    for each in done:
        known.setdefault(each.entity, {}).update(dict.fromkeys(each.columns, EMPTIED))
    progress.write(tables, NAME, note=json.dumps(known))


def tables_of(entity: str) -> tuple[tuple[str, str], ...]:
    """Where an entity's fields are columns, as (layer, name)."""
    return ("bronze", entity), ("silver", entity), ("silver", f"{entity}_history")


def _read(tables: LakeTables) -> dict[str, dict[str, str]]:
    known = progress.read(tables, NAME)
    found: dict[str, dict[str, str]] = json.loads((known and known.note) or "{}")
    return found


def _waiting(states: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    found = {entity: tuple(c for c, state in columns.items() if state == WAITS) for entity, columns in states.items()}
    return {entity: columns for entity, columns in found.items() if columns}
