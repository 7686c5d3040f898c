"""One batch of raw objects into bronze: each object read once, for all entities.

Belongs here: the order of the steps. Not here: which lines are events (`transforms/canonical.py`, `transforms/validate.py`), which
objects can be read (`objects.py`), counting afterwards (`conservation.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lake_assets.bronze.conservation import Conservation, count_batch
from lake_assets.bronze.objects import EMPTY, BadObject, bad_objects, changed_objects, unreadable_names
from lake_assets.raw.batches import Batch, Counts, RawObject
from lake_assets.raw.session import SMALL_BYTES, interpreted
from lake_assets.transforms import schemas
from lake_assets.transforms.canonical import entity_of, is_canonical, parsed_schema
from lake_assets.transforms.events import typed_events, typed_manifests
from lake_assets.transforms.fields import Rules
from lake_assets.transforms.strict import judged, judged_here
from publisher.wire import MANIFEST
from resources.landing import Landing
from resources.spark import spark_errors
from resources.tables import LakeTables

THREADS = 4
FEW_BYTES = 8 << 20
MAX_KEY = 1024
"""S3's limit."""


@dataclass(frozen=True)
class BronzeResult:
    """What a batch was. `events` counts the bronze rows of each entity that it brought; `refused` the quarantined by reason."""

    batch: int
    objects: int
    bad_objects: int
    read: int
    events: dict[str, int]
    manifests: int
    refused: dict[str, int]
    conservation: Conservation

    @property
    def counts(self) -> Counts:
        kept = self.conservation
        return Counts(self.read, sum(kept.bronze.values()), kept.manifests, kept.quarantined, kept.holds)


@dataclass(frozen=True)
class _Lines:
    """The lines of the objects that are whole: `frame(object, line, entity, canonical)`, cached."""

    frame: DataFrame
    bad: list[BadObject]
    accepted: Counter[str]
    unclear_bytes: int


def load_batch(
    tables: LakeTables, landing: Landing, rules: Rules, batch: Batch, *, threads: int = THREADS, few_bytes: int = FEW_BYTES
) -> BronzeResult:
    """Loads a batch: accepted events into bronze, manifests into `ops/manifests`, all else into quarantine, one row each.

    Up to `few_bytes` of lines that are not canonical are judged in this process, more in Spark's workers. Repeated, it changes
    nothing. Nothing in an object stops it; it raises SparkFailed when Spark itself fails.
    """
    with interpreted(tables.spark, small=batch.size_bytes < SMALL_BYTES):
        return _load(tables, landing, rules, batch, threads, few_bytes)


def _load(tables: LakeTables, landing: Landing, rules: Rules, batch: Batch, threads: int, few_bytes: int) -> BronzeResult:
    with _lines(tables, landing, rules, batch) as lines, _judged(lines, rules, few_bytes) as (strict, outcomes):
        accepted = lines.accepted + Counter({entity: n for (entity, reason), n in outcomes.items() if entity and not reason})
        refused = Counter({reason: n for (_, reason), n in outcomes.items() if reason})
        refused.update(bad.reason for bad in lines.bad)

        def of(entity: str) -> DataFrame:
            fast = lines.frame.where("canonical").where(sf.col("entity") == entity).select("object", "line")
            if strict is None:
                return fast
            return fast.union(strict.where("reason IS NULL").where(sf.col("entity") == entity).select("object", "line"))

        jobs: list[Callable[[], None]] = []
        for entity in accepted:
            if entity == MANIFEST:
                jobs.append(_append(tables, batch, "ops", "manifests", typed_manifests(of(entity), rules[entity], batch.number)))
            else:
                jobs.append(_append(tables, batch, "bronze", entity, typed_events(of(entity), rules[entity], batch.number)))
        if refused:
            jobs.append(_append(tables, batch, "ops", "quarantine", _quarantine(tables, strict, lines.bad, batch)))
        _run(jobs, threads)
    manifests = accepted.pop(MANIFEST, 0)
    read = sum(accepted.values()) + manifests + sum(refused.values())
    conservation = count_batch(tables, batch.number, read, [entity for entity in rules if entity != MANIFEST])
    return BronzeResult(
        batch=batch.number,
        objects=len(batch.objects),
        bad_objects=len(lines.bad),
        read=read,
        events=dict(sorted(accepted.items())),
        manifests=manifests,
        refused=dict(sorted(refused.items())),
        conservation=conservation,
    )


@contextmanager
def _lines(tables: LakeTables, landing: Landing, rules: Rules, batch: Batch) -> Iterator[_Lines]:
    """Reads the batch's objects, once if all are whole; finds the bad ones when Spark could not."""
    bad = unreadable_names(batch.objects)
    frame = None
    try:
        try:
            frame, counted = _read(tables, landing, rules, _without(batch.objects, bad))
        except PySparkException as error:
            found = bad_objects(landing, _without(batch.objects, bad))
            if not found:
                with spark_errors(f"reading the objects of batch {batch.number}"):
                    raise error from None
            bad += found
            frame, counted = _read(tables, landing, rules, _without(batch.objects, bad))
        # An object may have been replaced while it was read, and then holds what the ledger does not know.
        bad += changed_objects(landing, _without(batch.objects, bad))
        names = {name for name, *_ in counted}
        if silent := [landed for landed in _without(batch.objects, bad) if landed.key not in names]:
            seen = {found.object: found for found in bad_objects(landing, silent)}
            bad += [seen.get(landed, BadObject(landed, EMPTY)) for landed in silent]
        kept = {landed.key for landed in _without(batch.objects, bad)}
        whole = frame.where(~sf.col("object").isin(*lost)) if (lost := names - kept) else frame
        accepted: Counter[str] = Counter()
        unclear_bytes = 0
        for (name, entity, canonical), (lines, size) in counted.items():
            if name in kept and canonical:
                accepted[entity] += lines
            elif name in kept:
                unclear_bytes += size
        yield _Lines(whole, bad, accepted, unclear_bytes)
    finally:
        if frame is not None:
            frame.unpersist()


def _read(
    tables: LakeTables, landing: Landing, rules: Rules, objects: Iterable[RawObject]
) -> tuple[DataFrame, dict[tuple[str, str, bool], tuple[int, int]]]:
    """The lines, and how many of which kind each object has, with their bytes."""
    keys = sorted({landed.key for landed in objects})
    if not keys:
        empty = tables.spark.createDataFrame([], "object STRING, line STRING, entity STRING, canonical BOOLEAN")
        return empty, {}
    # Only "\n" ends a line: a carriage return is white space inside JSON.
    text = tables.spark.read.option("lineSep", "\n").text([landing.path(key) for key in keys])
    name = sf.url_decode(sf.replace(sf.col("_metadata.file_path"), sf.lit("+"), sf.lit("%2B")))
    line = sf.col("line")
    frame = (
        text.select(name.substr(len(landing.path("")) + 1, MAX_KEY).alias("object"), sf.col("value").alias("line"))
        .where(sf.btrim(line, sf.lit(" \t\r")) != "")
        .select("object", "line", entity_of(line).alias("entity"), sf.from_json(line, parsed_schema(rules)).alias("parsed"))
        .select("object", "line", "entity", is_canonical(line, sf.col("entity"), sf.col("parsed"), rules).alias("canonical"))
        .persist()
    )
    try:
        size = sf.sum(sf.octet_length("line")).alias("size")
        rows = frame.groupBy("object", "entity", "canonical").agg(sf.count("*").alias("lines"), size).collect()
    except PySparkException:
        frame.unpersist()
        raise
    return frame, {(row.object, row.entity, row.canonical): (row.lines, row.size) for row in rows}


@contextmanager
def _judged(
    lines: _Lines, rules: Rules, few_bytes: int
) -> Iterator[tuple[DataFrame | None, Counter[tuple[str | None, str | None]]]]:
    """The outcome of the strict validator over the lines that are not canonical; None and nothing where there are none."""
    if not lines.unclear_bytes:
        yield None, Counter()
        return
    unclear = lines.frame.where("NOT canonical").select("object", "line")
    with spark_errors("fetching lines to validate"):
        strict = (judged_here if lines.unclear_bytes <= few_bytes else judged)(unclear, rules).persist()
    try:
        with spark_errors("validating lines"):
            rows = strict.groupBy("entity", "reason").count().collect()
        yield strict, Counter({(row.entity, row.reason): row["count"] for row in rows})
    finally:
        strict.unpersist()


def _quarantine(tables: LakeTables, strict: DataFrame | None, bad: list[BadObject], batch: Batch) -> DataFrame:
    now, columns = datetime.now(UTC), schemas.struct(schemas.QUARANTINE)
    rows: list[tuple[object, ...]] = [
        (b.object.key, b.digest, b.object.size_bytes, None, None, b.reason, [], now, batch.number) for b in bad
    ]
    objects = tables.spark.createDataFrame(rows, columns).coalesce(1)
    if strict is None:
        return objects
    values = strict.where("reason IS NOT NULL").select(
        "object", "digest", "length", "entity", "seq", "reason", "fields",
        sf.lit(now).alias("quarantined_at"), sf.lit(batch.number).cast("bigint").alias("_batch"),
    )  # fmt: skip
    return values.union(objects) if bad else values


def _append(tables: LakeTables, batch: Batch, layer: str, name: str, frame: DataFrame) -> Callable[[], None]:
    # A file a table: what is small has no use for more tasks, and readers none for more files.
    whole = frame.coalesce(1) if batch.size_bytes < SMALL_BYTES else frame
    return lambda: tables.append(layer, name, whole, batch=batch.number, generation=batch.generation)


def _run(jobs: list[Callable[[], None]], threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(job) for job in jobs]:
            done.result()


def _without(objects: Iterable[RawObject], bad: list[BadObject]) -> list[RawObject]:
    lost = {b.object for b in bad}
    return [landed for landed in objects if landed not in lost]
