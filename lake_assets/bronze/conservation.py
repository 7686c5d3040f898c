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

from lake_assets.bronze.erased import DROPPED
from lake_assets.transforms.rules import TOLD
from lake_assets.transforms.winners import IS_DELETE
from resources.spark import from_micros, spark_errors
from resources.tables import LakeTables

NOT_EVENTS = (*TOLD.values(), "quarantine")
"""Tables in `ops` in which a batch has rows besides bronze."""

Span = tuple[int, int]
"""The lowest and the highest position, both inclusive."""

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
    mine, none = f"_batch = {int(batch)}", "NULL AS seq, NULL AS digest, true AS mine, false AS deleted, NULL AS at"
    sources = [_events_sql(tables, entity, mine, spans.get(entity)) for entity in entities]
    sources += [f"SELECT '{name}' AS source, {none} FROM {tables.sql_name('ops', name)} WHERE {mine}" for name in NOT_EVENTS]  # noqa: S608
    if erasures:
        dropped = f"{tables.sql_name('ops', 'adjustments')} WHERE {mine} AND how = '{DROPPED}'"
        sources.append(f"SELECT 'adjustments' AS source, {none} FROM {dropped}")  # noqa: S608
    # Counted together, not a table at a time: of ten small tables it was the stages that took the time.
    counted = f"""
        SELECT source, sum(events) AS events, sum(deletes) AS deletes, count_if(lowest <> highest) AS conflicts, unix_micros(max(newest)) AS newest
        FROM (SELECT source, count_if(mine) AS events, count_if(mine AND deleted) AS deletes, min(digest) AS lowest,
            max(digest) AS highest, max(at) FILTER (WHERE mine) AS newest
          FROM ({" UNION ALL ".join(sources)}) GROUP BY source, seq)
        WHERE events > 0 GROUP BY source"""  # noqa: S608 (names and numbers)
    with spark_errors(f"counting batch {batch}"):
        rows = tables.spark.sql(counted).collect()
    found = {
        row.source: BatchContents(row.events, row.deletes, row.conflicts, row.newest and from_micros(row.newest)) for row in rows
    }
    contents = {entity: found[entity] for entity in entities if entity in found}
    told, quarantined, erased = (
        sum(found[name].events for name in names if name in found) for names in (TOLD.values(), ("quarantine",), ("adjustments",))
    )
    return Conservation(read, contents, told, quarantined, erased)


def _events_sql(tables: LakeTables, entity: str, mine: str, span: Span | None) -> str:
    around = f"{mine} OR _seq BETWEEN {int(span[0])} AND {int(span[1])}" if span else mine
    return (
        f"SELECT '{entity}' AS source, _seq AS seq, _digest AS digest, {mine} AS mine, {IS_DELETE} AS deleted, _committed_at AS at "  # noqa: S608
        f"FROM {tables.sql_name('bronze', entity)} WHERE {around}"
    )


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
