"""Checkpoints: which version each table had when a run ended, so that all can be read, or brought back, as one set.

Belongs here: writing them down, finding one, reading as of one. Not here: bringing tables back (`rollback.py`), which tables a lane has (`lanes.py`).

A set is consistent by lane. Ingest's tables (bronze, silver, and what is known of batches) are of one moment, and so are history's and gold's; history and gold are
the last that there were then, and may be some batches behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from lake_assets.raw.session import interpreted
from lake_assets.transforms import schemas
from resources.delta_log import DeltaLogs, Table
from resources.errors import ResourceError
from resources.spark import as_micros, from_micros, spark_errors
from resources.tables import LakeTables

NAME = "checkpoints"
INGEST, HISTORY, GOLD = "ingest", "history", "gold"


class NoCheckpoint(ResourceError):
    """There is no such checkpoint."""

    def __init__(self, number: int, newest: int | None) -> None:
        there = "there is none yet" if newest is None else f"the newest is {newest}"
        super().__init__(f"There is no checkpoint {number}: {there}. ops/checkpoints lists them.")


class BehindErasure(ResourceError):
    """Somebody was erased since: what was before is not read any more."""

    def __init__(self, number: int, erased: datetime) -> None:
        super().__init__(
            f"Checkpoint {number} is older than the erasure of {erased:%Y-%m-%d %H:%M} UTC, and would show people who were erased: "
            "read a newer one, or history for what was true when."
        )


@dataclass(frozen=True)
class LaneSet:
    """The tables of a lane as one of its runs left them."""

    lane: str
    number: int
    at: datetime
    upto_batch: int | None
    generation: int
    key_version: int
    versions: Mapping[Table, int]


def record(
    tables: LakeTables,
    logs: DeltaLogs,
    lane: str,
    names: Iterable[Table],
    *,
    upto_batch: int | None,
    generation: int = 0,
    key_version: int = 1,
) -> int:
    """Writes down which versions a lane's tables have; the checkpoint's number. Raises SparkFailed.

    Called by the only run that may write these tables. Its cost does not grow: the versions and the number are read from names in the logs, and one row a
    table is appended.
    """
    found = logs.versions([("ops", NAME), *names])
    number = found.pop(("ops", NAME), -1) + 1  # the log of the checkpoints counts them
    now = datetime.now(UTC)
    rows = [
        (number, now, lane, "/".join(table), version, upto_batch, generation, key_version)
        for table, version in sorted(found.items())
    ]
    frame = tables.spark.createDataFrame(rows, schemas.struct(schemas.CHECKPOINTS)).coalesce(1)
    with interpreted(tables.spark), spark_errors(f"writing checkpoint {number}"):
        # No transaction id: two lanes may share a number, and both must be there.
        frame.write.format("delta").mode("append").save(tables.path("ops", NAME))
    return number


def find(tables: LakeTables, number: int) -> dict[str, LaneSet]:
    """By lane, the last set up to this checkpoint. Raises NoCheckpoint for a number that no run has left."""
    table = tables.read("ops", NAME)
    columns: list[Column | str] = [
        "checkpoint",
        as_micros("at").alias("at"),
        "lane",
        "table",
        "version",
        "upto_batch",
        "generation",
        "key_version",
    ]
    last = table.where(sf.col("checkpoint") <= number).groupBy("lane").agg(sf.max("checkpoint").alias("checkpoint"))
    with interpreted(tables.spark), spark_errors(f"looking for checkpoint {number}"):
        rows = table.join(last, ["lane", "checkpoint"], "left_semi").select(*columns).collect()
        if not any(row.checkpoint == number for row in rows):
            (newest,) = table.agg(sf.max("checkpoint").alias("newest")).collect()
            raise NoCheckpoint(number, newest.newest)
    sets: dict[str, LaneSet] = {}
    for lane in {row.lane for row in rows}:
        mine = [row for row in rows if row.lane == lane]
        # A killed run's statement may have been repeated: of two rows of a table the later commit's holds.
        versions = {_table(row.table): row.version for row in sorted(mine, key=lambda row: row.at)}
        one = max(mine, key=lambda row: row.at)
        sets[lane] = LaneSet(lane, one.checkpoint, from_micros(one.at), one.upto_batch, one.generation, one.key_version, versions)
    return sets


@dataclass(frozen=True)
class AsOf:
    """The lake as it was: `as_of(tables, 17).read("silver", "debts")`."""

    tables: LakeTables
    number: int
    sets: Mapping[str, LaneSet]

    def version(self, layer: str, name: str) -> int:
        """The table's version in the set. Raises LookupError for a table that was not there then."""
        for each in self.sets.values():
            if (layer, name) in each.versions:
                return each.versions[layer, name]
        raise LookupError(f"checkpoint {self.number} has no table {layer}/{name}")

    def read(self, layer: str, name: str) -> DataFrame:
        return self.tables.read(layer, name, self.version(layer, name))

    def sql_name(self, layer: str, name: str) -> str:
        """The table as SQL names it, for FROM and JOIN."""
        return f"{self.tables.sql_name(layer, name)} VERSION AS OF {self.version(layer, name)}"


def as_of(tables: LakeTables, number: int) -> AsOf:
    """All tables as one consistent set. Raises NoCheckpoint, and BehindErasure; reading what VACUUM removed raises Spark's own error."""
    sets = find(tables, number)
    if erased := erased_since(tables, min(each.at for each in sets.values())):
        raise BehindErasure(number, erased)
    return AsOf(tables, number, sets)


def erased_since(tables: LakeTables, at: datetime) -> datetime | None:
    """When the last erasure was that is newer than `at`; None without one, and in a lake that has never erased."""
    schema = tables.schema("ops", "erasures")
    times = [field.name for field in schema.fields if field.dataType.typeName() == "timestamp"] if schema else []
    if not times:
        return None
    newest = [sf.max(as_micros(name)).alias(name) for name in times]
    with interpreted(tables.spark), spark_errors("looking for erasures"):
        (row,) = tables.read("ops", "erasures").agg(*newest).collect()
    last = max((micros for micros in row if micros is not None), default=None)
    return from_micros(last) if last is not None and from_micros(last) > at else None


def _table(text: str) -> Table:
    layer, name = text.split("/", 1)
    return layer, name
