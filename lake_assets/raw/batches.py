"""Batches: what the ledger hands to bronze, and which have come through silver.

Belongs here: which objects a batch has, which batches wait, closing one with its counts. Not here: making them (`ledger.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.sql import functions as sf

from lake_assets.raw import generation, progress
from lake_assets.raw.progress import Progress
from lake_assets.raw.session import SMALL_BYTES, interpreted
from lake_assets.transforms import schemas
from resources.delta_snapshot import LiveFile, NotPlain, small_rows
from resources.spark import as_micros, from_micros, spark_errors
from resources.table_schema import IDS_KEPT_DAYS
from resources.tables import LakeTables

FINISHED = "batches"
"""The progress below which every batch is finished: what lies behind it is never read again."""

ERASURES = "erasures"
"""The progress that counts erasures: its position is the number of the last that has begun."""

FETCHED_BYTES = 8 << 20
"""Of compressed objects: as many are read by the run's own process, in one request each, and more by Spark."""

FILE_BYTES = 8 << 20
"""Of a batch's compressed objects: so many make a task that writes, and so a file of each table. A task an object made 40 files of one batch."""

LAST = (1 << 63) - 1
"""Higher than any batch."""

ERASURE = "erasure"
"""How an object was found that an erasure wrote."""

REMEMBERED = timedelta(days=IDS_KEPT_DAYS / 2)
"""So long after it was registered, the tables surely know what they have of a batch. Half of what they do: clocks differ, and a run takes its time."""


@dataclass(frozen=True)
class RawObject:
    """A raw object by its identity. `key` is its name in the landing bucket."""

    key: str
    etag: str
    size_bytes: int
    rewritten: bool = False
    """An erasure wrote it anew; it may be empty then."""


@dataclass(frozen=True)
class Batch:
    """What is loaded together. It never changes, so that loading it again gives the same rows."""

    number: int
    objects: tuple[RawObject, ...]
    generation: int = 0
    erasures: int = 0
    """How many erasures the lake has begun: with 0 nobody looks whether an event's person is gone."""
    registered: datetime | None = None
    """When the ledger came to know its first object; None where nobody asked."""

    @property
    def may_be_forgotten(self) -> bool:
        """Whether it waited for so long that a table which had it may not know that any more: then its rows are replaced, and not appended."""
        return self.registered is not None and datetime.now(UTC) - self.registered > REMEMBERED

    @property
    def size_bytes(self) -> int:
        return sum(landed.size_bytes for landed in self.objects)

    @property
    def files(self) -> int:
        """Into how many files of a table it is written at most."""
        return max(1, -(-self.size_bytes // FILE_BYTES))


@dataclass(frozen=True)
class Counts:
    """Where the values of a batch are. `conserved` says that the tables were counted and the sum holds."""

    read: int
    bronze: int
    manifests: int
    quarantined: int
    conserved: bool
    erased: int = 0


def read_batch(tables: LakeTables, number: int, under: int = 0) -> Batch:
    """The batch with its objects, in the order of their names, to be written `under` a generation.

    Raises LookupError for one that the ledger does not have.
    """
    rows = rows_of_batches(tables, "objects", number, number)
    _, erasures, _ = _positions(tables)
    if not rows:
        raise LookupError(f"the ledger has no batch {number}")
    return _batch(number, rows, under, erasures)


def small_rows_of(tables: LakeTables, name: str, wanted: Callable[[LiveFile], bool]) -> list[dict[str, Any]] | None:
    """The rows of files of a table in `ops` by its log, since a run looks several times and each look took Spark half a second; None where they are too many, or only Spark reads them."""
    with suppress(NotPlain):
        return small_rows(tables.logs, ("ops", name), wanted, at_most=SMALL_BYTES)
    return None


def rows_of_batches(tables: LakeTables, name: str, low: int, high: int = LAST) -> list[dict[str, Any]]:
    """The rows of some batches of a table in `ops`."""
    rows = small_rows_of(tables, name, lambda file: file.may_hold("_batch", low, high))
    if rows is not None:
        return [row for row in rows if low <= row["_batch"] <= high]
    with spark_errors(f"reading ops/{name}"):
        frame = tables.read("ops", name).where(sf.col("_batch").between(low, high))
        times = [field.name for field in frame.schema.fields if field.dataType.typeName() == "timestamp"]
        found = frame.withColumns({each: as_micros(each) for each in times}).collect()
    return [{**row.asDict(), **{each: from_micros(row[each]) for each in times}} for row in found]


def registered(tables: LakeTables, behind: int) -> Mapping[int, list[dict[str, Any]] | None]:
    """The batches after `behind` that the ledger has, with its rows of each. After a long stop, or a rollback, these may be a million objects: then Spark says the numbers, and the
    rows are None.
    """
    rows = small_rows_of(tables, "objects", lambda file: file.may_hold("_batch", behind + 1, LAST))
    if rows is None:
        with spark_errors("listing the batches"):
            found = tables.read("ops", "objects").where(sf.col("_batch") > behind).select("_batch").distinct().collect()
        return dict.fromkeys(row._batch for row in found)
    by_batch: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        if row["_batch"] > behind:
            by_batch.setdefault(row["_batch"], []).append(row)
    return by_batch


def _closed(tables: LakeTables, behind: int) -> set[int]:
    """The batches after `behind` that are closed."""
    return {row["_batch"] for row in rows_of_batches(tables, "batches", behind + 1)}


def _batch(number: int, rows: Iterable[Mapping[str, Any]], under: int, erasures: int) -> Batch:
    """A batch from the ledger's rows."""
    rows = sorted(rows, key=lambda row: row["found_at"])
    landed = [RawObject(row["object"], row["etag"], row["size_bytes"], row["found_by"] == ERASURE) for row in rows]
    # What an erasure wrote anew stands for all that the batch had under that key; of several, the last.
    anew = {each.key: each for each in landed if each.rewritten}
    taken = [each for each in landed if each.key not in anew] + list(anew.values())
    # A file's times are in UTC and do not say so.
    first = rows[0]["found_at"].replace(tzinfo=UTC)
    return Batch(number, tuple(sorted(taken, key=lambda each: (each.key, each.etag))), under, erasures, first)


def pending_batches(tables: LakeTables) -> list[int]:
    """The batches that have not come through silver, oldest first. Its cost does not grow with history."""
    behind = finished_below(tables)
    return sorted(registered(tables, behind).keys() - _closed(tables, behind))


def oldest_waiting(tables: LakeTables) -> Batch | None:
    """The oldest batch that has not come through silver, with its objects; None when none waits."""
    behind, erasures, known = _positions(tables, generation.NAME)
    ledger = registered(tables, behind)
    oldest = min(ledger.keys() - _closed(tables, behind), default=None)
    if oldest is None:
        return None
    rows = ledger[oldest] or rows_of_batches(tables, "objects", oldest, oldest)
    return _batch(oldest, rows, generation.loading(known), erasures)


def finished_below(tables: LakeTables) -> int:
    """The highest batch such that it and all before it are finished; 0 at the start."""
    known = progress.read(tables, FINISHED)
    return known.position or 0 if known else 0


def _positions(tables: LakeTables, besides: str = FINISHED) -> tuple[int, int, Progress | None]:
    """What `finished_below` says, how many erasures have begun, and one row `besides`, in one look."""
    known = progress.find_some(tables, (FINISHED, ERASURES, besides))
    behind, erasures = ((known[name].position or 0) if name in known else 0 for name in (FINISHED, ERASURES))
    return behind, erasures, known.get(besides)


def finish_batch(tables: LakeTables, batch: Batch, counts: Counts, *, first: datetime | None = None) -> None:
    """Closes a batch that is in silver. Repeated, it changes nothing.

    A batch that is loaded again was `first` finished then: its row is replaced, and the time stays.
    """
    row = (
        batch.number, len(batch.objects), batch.size_bytes, counts.read, counts.bronze, counts.manifests,
        counts.quarantined, counts.erased, counts.conserved, first or datetime.now(UTC),
    )  # fmt: skip
    frame = tables.spark.createDataFrame([row], schemas.struct(schemas.BATCHES)).coalesce(1)
    with interpreted(tables.spark):
        write = tables.append if first is None else tables.replace_batch
        write("ops", "batches", frame, batch=batch.number, generation=batch.generation)


def advance(tables: LakeTables) -> int:
    """Moves the progress over the batches that are closed without a gap; where it stands then.

    Which are closed is asked of their table: a run may have died between closing one and this.
    """
    position = behind = finished_below(tables)
    closed = _closed(tables, behind)
    while position + 1 in closed:
        position += 1
    if position != behind:
        with interpreted(tables.spark):
            progress.write(tables, FINISHED, position=position)
    return position
