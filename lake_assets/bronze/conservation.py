"""Conservation: every JSON value that a batch read is in bronze, a manifest, or in quarantine.

Belongs here: counting a batch in the tables. Not here: whether the platform sent more (`completeness/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resources.spark import spark_errors
from resources.tables import LakeTables


@dataclass(frozen=True)
class Conservation:
    """What was read, and what the tables hold of it."""

    read: int
    bronze: dict[str, int]
    manifests: int
    quarantined: int

    @property
    def held(self) -> int:
        return sum(self.bronze.values()) + self.manifests + self.quarantined

    @property
    def holds(self) -> bool:
        return self.read == self.held


def count_batch(tables: LakeTables, batch: int, read: int, entities: Sequence[str]) -> Conservation:
    """Counts the rows of a batch in every table that it may have gone to, not in what the load believes to have written."""
    sources = [("bronze", entity) for entity in entities] + [("ops", "manifests"), ("ops", "quarantine")]
    query = " UNION ALL ".join(
        f"SELECT '{layer}/{name}' AS source, count(*) AS n FROM {tables.sql_name(layer, name)} WHERE _batch = {int(batch)}"  # noqa: S608 (names and a number)
        for layer, name in sources
    )
    with spark_errors(f"counting batch {batch}"):
        found = {row.source: row.n for row in tables.spark.sql(query).collect()}
    return Conservation(
        read=read,
        bronze={entity: n for entity in entities if (n := found[f"bronze/{entity}"])},
        manifests=found["ops/manifests"],
        quarantined=found["ops/quarantine"],
    )
