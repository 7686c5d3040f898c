"""What a batch is, counted in the tables: whether all that it read is there, and what silver has to do.

Belongs here: counting a batch. Not here: whether the platform sent more (`completeness/`).

Conservation: every JSON value that a batch read is in bronze, a manifest or a risk report, in quarantine, or an
adjustment, where its person had been erased.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from types import MappingProxyType

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as sf

from lake_assets.bronze.batch_rows import Span, batch_rows
from lake_assets.bronze.erased import DROPPED
from lake_assets.transforms.rules import TOLD
from lake_assets.transforms.winners import IS_DELETE
from resources.spark import as_micros, from_micros, spark_errors
from resources.tables import LakeTables

NOT_EVENTS = (*TOLD.values(), "quarantine")
"""Tables in `ops` in which a batch has rows besides bronze."""

NOTHING: Mapping[str, Span] = MappingProxyType({})


@dataclass(frozen=True)
class BatchContents:
    """What of an entity is in a batch. `conflicts` counts its positions that have two contents, here or in another batch.

    `newest` is the latest of its events' `_committed_at`.
    """

    events: int
    deletes: int
    conflicts: int
    newest: datetime | None = None


@dataclass(frozen=True)
class Conservation:
    """What was read, and what the tables hold of it."""

    read: int
    contents: dict[str, BatchContents]
    told: int
    """Manifests and risk reports."""
    quarantined: int
    erased: int = 0
    """Events of persons who had been erased, noted in `ops/adjustments` instead of loaded."""

    @property
    def bronze(self) -> dict[str, int]:
        return {entity: found.events for entity, found in self.contents.items()}

    @property
    def held(self) -> int:
        return sum(self.bronze.values()) + self.told + self.quarantined + self.erased

    @property
    def holds(self) -> bool:
        return self.read == self.held


def count_batch(
    tables: LakeTables, batch: int, read: int, entities: Sequence[str], spans: Mapping[str, Span] = NOTHING, *, erasures: int = 0
) -> Conservation:
    """Counts the rows of a batch in every table that it may have gone to, not in what the load believes to have written.

    `spans` says between which positions each entity's events are: there a conflict is looked for in earlier batches too. It bounds
    what is read, by Delta's statistics of `_seq`.
    """
    of = [("bronze", entity) for entity in entities] + [("ops", name) for name in NOT_EVENTS]
    rows = batch_rows(tables, batch, of, {("bronze", entity): span for entity, span in spans.items()})
    mine = sf.col("_batch") == batch
    with spark_errors(f"counting batch {batch}"):
        found = {} if rows is None else {row.table: _contents(row) for row in _count(rows, mine).collect()}
        dropped = _dropped(tables, batch) if erasures else 0
    contents = {entity: found[f"bronze/{entity}"] for entity in entities if f"bronze/{entity}" in found}
    told, quarantined = (
        sum(found[f"ops/{name}"].events for name in names if f"ops/{name}" in found) for names in (TOLD.values(), ("quarantine",))
    )
    return Conservation(read, contents, told, quarantined, dropped)


def _dropped(tables: LakeTables, batch: int) -> int:
    """The batch's adjustments that its load made."""
    noted = tables.read("ops", "adjustments").where((sf.col("_batch") == batch) & (sf.col("how") == DROPPED))
    return int(noted.count())


def _count(rows: DataFrame, mine: Column) -> DataFrame:
    """By table, of the positions where the batch has something."""
    positions = rows.groupBy("table", "_seq").agg(
        sf.count_if(mine).alias("events"), sf.count_if(mine & sf.expr(IS_DELETE)).alias("deletes"),
        (sf.min("_digest") != sf.max("_digest")).alias("differ"), sf.max(sf.when(mine, sf.col("_committed_at"))).alias("newest"),
    )  # fmt: skip
    return positions.where("events > 0").groupBy("table").agg(
        sf.sum("events").alias("events"), sf.sum("deletes").alias("deletes"), sf.count_if("differ").alias("conflicts"),
        as_micros(sf.max("newest")).alias("newest"),
    )  # fmt: skip


def _contents(row: Row) -> BatchContents:
    return BatchContents(row.events, row.deletes, row.conflicts, None if row.newest is None else from_micros(row.newest))


def held_by_object(tables: LakeTables, batch: int, entities: Iterable[str], *, erasures: int = 0) -> dict[str, Counter[str]]:
    """How many rows of a batch each raw object has in each table: after a load that was not finished."""
    sources = [("bronze", entity, "_object") for entity in entities]
    sources += [("ops", name, "object" if name == "quarantine" else "_object") for name in NOT_EVENTS]
    each: Iterable[str] = (
        f"SELECT '{name}' AS source, {column} AS object, count(*) AS held "  # noqa: S608 (names and a number)
        f"FROM {tables.sql_name(layer, name)} WHERE _batch = {int(batch)} GROUP BY {column}"
        for layer, name, column in sources
    )
    if erasures:
        dropped = (
            f"FROM {tables.sql_name('ops', 'adjustments')} WHERE _batch = {int(batch)} AND how = '{DROPPED}' GROUP BY _object"
        )
        each = chain(each, [f"SELECT 'adjustments' AS source, _object AS object, count(*) AS held {dropped}"])
    with spark_errors(f"looking for what batch {batch} has loaded"):
        rows = tables.spark.sql(" UNION ALL ".join(each)).collect()
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(row.object, Counter())[row.source] = row.held
    return found


def widened(spans: Mapping[str, Span], others: Mapping[str, Span]) -> dict[str, Span]:
    """The spans that hold both."""
    found = dict(spans)
    for entity, (low, high) in others.items():
        known = found.get(entity, (low, high))
        found[entity] = (min(low, known[0]), max(high, known[1]))
    return found
