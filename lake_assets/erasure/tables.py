"""What is theirs out of the tables: first noted, then merged away from silver to bronze.

Belongs here: adjustments, and the merges. Not here: which events (events.py), the bytes of former versions (files.py).

Bronze goes last: a try that dies before it finds everything again. Only codes in tables of keys lead to a row, never a literal in SQL: Delta writes
those into its log. A row of which something stays, since it went to somebody else, is written anew from what is left of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lake_assets.bronze.erased import CLEANED, DROPPED, REMOVED
from lake_assets.erasure.events import Going
from lake_assets.silver.history import NEEDED
from lake_assets.transforms import schemas
from lake_assets.transforms.scd2 import spans
from lake_assets.transforms.winners import is_delete, tombstones, winners
from publisher.contracts import Contract
from resources.spark import spark_errors
from resources.tables import LakeTables


def note(erasure: int) -> str:
    """What the commits of an erasure say of themselves."""
    return f'{{"erasure":{erasure}}}'


def adjust(tables: LakeTables, found: Mapping[str, Going], erasure: int) -> None:
    """Notes the events of bronze that go, each row of it once; what an earlier try has noted stays."""
    there = tables.read("ops", "adjustments").where(sf.col("erasure") == erasure)
    with spark_errors("reading the adjustments"):
        known = {(row.entity, row.seq, row.digest, row._object, row._batch) for row in there.collect()}
    rows = [
        (entity, event.seq, event.digest, event.bucket, event.upto, REMOVED, erasure, event.object, event.batch)
        for entity, going in found.items()
        for event in going.events
        if (entity, event.seq, event.digest, event.object, event.batch) not in known
    ]
    if rows:
        with spark_errors("noting the adjustments"):
            frame = tables.spark.createDataFrame(rows, schemas.struct(schemas.ADJUSTMENTS)).coalesce(1)
            frame.write.format("delta").mode("append").save(tables.path("ops", "adjustments"))


def note_cleaned(tables: LakeTables, erasure: int) -> None:
    """Notes that the lines which loads had dropped are in no raw object any more. Repeated, it changes nothing."""
    statement = (
        f"UPDATE {tables.sql_name('ops', 'adjustments')} SET how = '{CLEANED}', erasure = {int(erasure)} WHERE how = '{DROPPED}'"  # noqa: S608
    )
    with spark_errors("noting what was cleaned"):
        tables.spark.sql(statement).collect()


def remove_from_silver(tables: LakeTables, contract: Contract, going: Going, erasure: int) -> None:
    """Takes an entity's rows out of silver and its history, and writes anew what stays of a living one."""
    entity, keys = contract.entity, _keys(tables, going.keys)
    left = _left(tables, entity, going)
    for name in (entity, f"{entity}_history"):
        tables.delete_matching("silver", name, keys, "t._key = s._key", note=note(erasure))
    if left is not None:
        current = winners(left, "_key").where(~is_delete()).select(*_names(schemas.silver(contract)))
        _append(tables, "silver", entity, current, erasure)
        _append(tables, "silver", f"{entity}_history", _history(left, contract), erasure)


def remove_tombstones(tables: LakeTables, found: Mapping[str, Going], erasure: int) -> None:
    """Takes the deleted keys of erased persons out of `ops/tombstones`, and puts back those of rows that went to somebody else."""
    rows = [(entity, key) for entity, going in found.items() for key in sorted(going.keys)]
    if not rows:
        return
    keys = tables.spark.createDataFrame(rows, "entity STRING, key STRING").coalesce(1)
    tables.delete_matching("ops", "tombstones", keys, "t.entity = s.entity AND t.key = s.key", note=note(erasure))
    kept = [
        tombstones(left.withColumn("entity", sf.lit(e)))
        for e, going in found.items()
        if (left := _left(tables, e, going)) is not None
    ]
    if kept:
        _append(tables, "ops", "tombstones", reduce(DataFrame.union, kept), erasure)


def remove_from_bronze(tables: LakeTables, entity: str, going: Going, erasure: int) -> None:
    """Takes the events out of bronze."""
    tables.delete_matching(
        "bronze",
        entity,
        _positions(tables, going),
        "t._seq = s._seq AND t._digest = s._digest AND t._key = s._key",
        note=note(erasure),
    )


def remove_from_quarantine(tables: LakeTables, values: Iterable[tuple[str, str]], erasure: int) -> None:
    """Takes the rows of refused values, each by object and digest, out of quarantine."""
    rows = sorted(set(values))
    if rows:
        source = tables.spark.createDataFrame(rows, "object STRING, digest STRING").coalesce(1)
        tables.delete_matching("ops", "quarantine", source, "t.object = s.object AND t.digest = s.digest", note=note(erasure))


def removed(tables: LakeTables, layer: str, name: str, erasure: int) -> tuple[int, int]:
    """How many rows an erasure took out of a table, over all its tries, and the table's version now. Asked of Delta's log: a try that died counts, too."""
    with spark_errors(f"reading what was removed from {layer}/{name}"):
        rows = tables.spark.sql(f"DESCRIBE HISTORY {tables.sql_name(layer, name)}").collect()
    mine = [row.operationMetrics or {} for row in rows if row.userMetadata == note(erasure)]
    return sum(int(each.get("numTargetRowsDeleted", 0)) for each in mine), max((int(row.version) for row in rows), default=0)


def _left(tables: LakeTables, entity: str, going: Going) -> DataFrame | None:
    """The events that stay of rows of which others go; None where there is no such row."""
    if not going.living:
        return None
    living = sf.broadcast(_keys(tables, going.living))
    gone = sf.broadcast(_positions(tables, going))
    return tables.read("bronze", entity).join(living, "_key", "left_semi").join(gone, ["_key", "_seq", "_digest"], "left_anti")


def _history(events: DataFrame, contract: Contract) -> DataFrame:
    needed = [*_names(schemas.record(contract)), *NEEDED]
    return spans(events.select(*needed), _names(schemas.history(contract)))


def _append(tables: LakeTables, layer: str, name: str, frame: DataFrame, erasure: int) -> None:
    with spark_errors(f"writing what stays of {layer}/{name}"):
        writer = frame.coalesce(1).write.format("delta").mode("append").option("userMetadata", note(erasure))
        writer.save(tables.path(layer, name))


def _keys(tables: LakeTables, keys: Iterable[str]) -> DataFrame:
    return tables.spark.createDataFrame([(key,) for key in sorted(keys)], "_key STRING").coalesce(1)


def _positions(tables: LakeTables, going: Going) -> DataFrame:
    rows = sorted({(event.key, event.seq, event.digest) for event in going.events})
    return tables.spark.createDataFrame(rows, "_key STRING, _seq BIGINT, _digest BIGINT").coalesce(1)


def _names(columns: schemas.Columns) -> list[str]:
    return [name for name, *_ in columns]
