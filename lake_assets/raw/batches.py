"""Batches: what the ledger hands to bronze, and which have come through silver.

Belongs here: which objects a batch has, which batches wait, closing one with its counts. Not here: making them (`ledger.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark.sql import Row
from pyspark.sql import functions as sf

from lake_assets.raw import generation, progress
from lake_assets.raw.session import interpreted
from lake_assets.transforms import schemas
from resources.spark import spark_errors
from resources.tables import LakeTables

FINISHED = "batches"
"""The progress below which every batch is finished: what lies behind it is never read again."""


@dataclass(frozen=True)
class RawObject:
    """A raw object by its identity. `key` is its name in the landing bucket."""

    key: str
    etag: str
    size_bytes: int


@dataclass(frozen=True)
class Batch:
    """What is loaded together. It never changes, so that loading it again gives the same rows."""

    number: int
    objects: tuple[RawObject, ...]
    generation: int = 0

    @property
    def size_bytes(self) -> int:
        return sum(landed.size_bytes for landed in self.objects)


@dataclass(frozen=True)
class Counts:
    """Where the values of a batch are. `conserved` says that the tables were counted and the sum holds."""

    read: int
    bronze: int
    manifests: int
    quarantined: int
    conserved: bool


def read_batch(tables: LakeTables, number: int, under: int = 0) -> Batch:
    """The batch with its objects, in the order of their names, to be written `under` a generation.

    Raises LookupError for one that the ledger does not have.
    """
    with interpreted(tables.spark), spark_errors(f"reading batch {number}"):
        rows = tables.read("ops", "objects").where(sf.col("_batch") == number).collect()
    if not rows:
        raise LookupError(f"the ledger has no batch {number}")
    return _batch(number, rows, under)


def _batch(number: int, rows: Iterable[Row], under: int) -> Batch:
    objects = sorted((RawObject(row.object, row.etag, row.size_bytes) for row in rows), key=lambda o: (o.key, o.etag))
    return Batch(number, tuple(objects), under)


def pending_batches(tables: LakeTables) -> list[int]:
    """The batches that have not come through silver, oldest first. Its cost does not grow with history."""
    with interpreted(tables.spark):
        behind = finished_below(tables)
        with spark_errors("listing the batches"):
            # One look at both tables: each alone costs as much again.
            ledger = tables.read("ops", "objects").where(sf.col("_batch") > behind).select("_batch", sf.lit(0).alias("done"))
            closed = tables.read("ops", "batches").where(sf.col("_batch") > behind).select("_batch", sf.lit(1).alias("done"))
            rows = ledger.union(closed).groupBy("_batch").agg(sf.max("done").alias("done")).where("done = 0").collect()
    return sorted(row._batch for row in rows)


def oldest_waiting(tables: LakeTables) -> Batch | None:
    """The oldest batch that has not come through silver, with its objects, in one look; None when none waits."""
    with interpreted(tables.spark):
        known = progress.find_some(tables, (FINISHED, generation.NAME))
        behind = known[FINISHED].position or 0 if FINISHED in known else 0
        closed = tables.read("ops", "batches").where(sf.col("_batch") > behind).select("_batch")
        waiting = tables.read("ops", "objects").where(sf.col("_batch") > behind).join(closed, "_batch", "left_anti")
        oldest = waiting.groupBy("_batch").agg(sf.collect_list(sf.struct("object", "etag", "size_bytes")).alias("objects"))
        with spark_errors("looking for the oldest batch"):
            rows = oldest.orderBy("_batch").limit(1).collect()
    return _batch(rows[0]._batch, rows[0].objects, generation.loading(known.get(generation.NAME))) if rows else None


def finished_below(tables: LakeTables) -> int:
    """The highest batch such that it and all before it are finished; 0 at the start."""
    known = progress.read(tables, FINISHED)
    return known.position or 0 if known else 0


def finish_batch(tables: LakeTables, batch: Batch, counts: Counts, *, first: datetime | None = None) -> None:
    """Closes a batch that is in silver. Repeated, it changes nothing.

    A batch that is loaded again was `first` finished then: its row is replaced, and the time stays.
    """
    row = (
        batch.number, len(batch.objects), batch.size_bytes, counts.read, counts.bronze, counts.manifests,
        counts.quarantined, counts.conserved, first or datetime.now(UTC),
    )  # fmt: skip
    frame = tables.spark.createDataFrame([row], schemas.struct(schemas.BATCHES)).coalesce(1)
    with interpreted(tables.spark):
        write = tables.append if first is None else tables.replace_batch
        write("ops", "batches", frame, batch=batch.number, generation=batch.generation)


def advance(tables: LakeTables) -> int:
    """Moves the progress over the batches that are closed without a gap; where it stands then.

    Which are closed is asked of their table: a run may have died between closing one and this.
    """
    with interpreted(tables.spark):
        position = behind = finished_below(tables)
        with spark_errors("listing the closed batches"):
            rows = tables.read("ops", "batches").where(sf.col("_batch") > behind).select("_batch").collect()
        closed = {row._batch for row in rows}
        while position + 1 in closed:
            position += 1
        if position != behind:
            progress.write(tables, FINISHED, position=position)
        return position
