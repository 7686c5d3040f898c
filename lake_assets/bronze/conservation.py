"""What a batch is, counted in the tables: whether all that it read is there, and what silver has to do.

Belongs here: counting a batch. Not here: whether the platform sent more (`completeness/`).

Conservation: every JSON value that a batch read is in bronze, a manifest, or in quarantine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lake_assets.transforms.winners import IS_DELETE
from resources.spark import spark_errors
from resources.tables import LakeTables


@dataclass(frozen=True)
class BatchContents:
    """What of an entity is in a batch. `conflicts` counts positions that have two contents."""

    events: int
    deletes: int
    conflicts: int


@dataclass(frozen=True)
class Conservation:
    """What was read, and what the tables hold of it."""

    read: int
    contents: dict[str, BatchContents]
    manifests: int
    quarantined: int

    @property
    def bronze(self) -> dict[str, int]:
        return {entity: found.events for entity, found in self.contents.items()}

    @property
    def held(self) -> int:
        return sum(self.bronze.values()) + self.manifests + self.quarantined

    @property
    def holds(self) -> bool:
        return self.read == self.held


def count_batch(tables: LakeTables, batch: int, read: int, entities: Sequence[str]) -> Conservation:
    """Counts the rows of a batch in every table that it may have gone to, not in what the load believes to have written."""
    other = [
        f"SELECT '{name}' AS source, count(*) AS events, 0L AS deletes, 0L AS conflicts "  # noqa: S608 (names and a number)
        f"FROM {tables.sql_name('ops', name)} WHERE _batch = {int(batch)}"
        for name in ("manifests", "quarantine")
    ]
    with spark_errors(f"counting batch {batch}"):
        rows = tables.spark.sql(" UNION ALL ".join([_contents_sql(tables, entities, batch), *other])).collect()
    found = {row.source: BatchContents(row.events, row.deletes, row.conflicts) for row in rows}
    contents = {entity: found[entity] for entity in entities if found[entity].events}
    return Conservation(read, contents, found["manifests"].events, found["quarantine"].events)


def _contents_sql(tables: LakeTables, entities: Iterable[str], batch: int) -> str:
    return " UNION ALL ".join(
        f"""
        SELECT '{entity}' AS source, coalesce(sum(events), 0) AS events, coalesce(sum(deletes), 0) AS deletes,
          count_if(contents > 1) AS conflicts
        FROM (SELECT count(*) AS events, count_if({IS_DELETE}) AS deletes, count(DISTINCT _digest) AS contents
          FROM {tables.sql_name("bronze", entity)} WHERE _batch = {int(batch)} GROUP BY _seq)"""  # noqa: S608
        for entity in entities
    )
