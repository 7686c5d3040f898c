"""Quarantine as a workbench: what is in it and for how long, and what has lost its use.

Belongs here: counting, and expiry. Not here: loading it again (`again.py`), what brings a line there (bronze/, transforms/validate.py).

A row is of use as long as its raw object is there: then the value can load once a contract or the validator is mended. So a row goes when it is old and its object is
gone, and not before.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lake_assets.raw import progress
from lake_assets.raw.session import interpreted
from resources.landing import Landing
from resources.spark import as_micros, from_micros, spark_errors
from resources.tables import LakeTables

EXPIRY_DAYS = 90
"""How long a row stays at least."""

OBJECTS_A_RUN = 5000
LOOKED = "quarantine"
"""The progress of expiry: its note is the last object that was looked at, none where the next run begins with the first."""

THREADS = 16
_BY_HAND = -1
"""The generation of what no batch writes."""


@dataclass(frozen=True)
class Refused:
    """The rows of one reason, of one entity where it was readable."""

    reason: str
    entity: str | None
    rows: int
    objects: int
    batches: int
    oldest: datetime
    newest: datetime


def refused(tables: LakeTables) -> list[Refused]:
    """What is in quarantine, the most first. Raises SparkFailed."""
    counted = (
        tables.read("ops", "quarantine")
        .groupBy("reason", "entity")
        .agg(
            sf.count("*").alias("rows"),
            sf.countDistinct("object").alias("objects"),
            sf.countDistinct("_batch").alias("batches"),
            as_micros(sf.min("quarantined_at")).alias("oldest"),
            as_micros(sf.max("quarantined_at")).alias("newest"),
        )
    )
    with interpreted(tables.spark), spark_errors("counting what is in quarantine"):
        rows = counted.collect()
    found = [
        Refused(row.reason, row.entity, row.rows, row.objects, row.batches, from_micros(row.oldest), from_micros(row.newest))
        for row in rows
    ]
    return sorted(found, key=lambda each: (-each.rows, each.reason, each.entity or ""))


def as_markdown(found: Sequence[Refused], now: datetime) -> str:
    """For the UI: reasons by count and age. Names and numbers only."""
    rows = "\n".join(
        f"| {each.reason} | {each.entity or ''} | {each.rows:,} | {each.objects:,} | {each.batches:,} | {_age(now - each.oldest)} | {_age(now - each.newest)} |"
        for each in found
    )
    return f"| reason | entity | rows | objects | batches | oldest | newest |\n|---|---|---|---|---|---|---|\n{rows}"


def expire(tables: LakeTables, landing: Landing, *, days: int = EXPIRY_DAYS, at_most: int = OBJECTS_A_RUN) -> int:
    """Removes the rows that are older than `days` and whose raw object is gone; how many.

    Looks at so many objects at most, and the next run at those behind them: whatever stays, all have their turn. Repeated after it died, it looks at the same once more.
    """
    before = datetime.now(UTC) - timedelta(days=days)
    old = tables.read("ops", "quarantine").where(as_micros("quarantined_at") < int(before.timestamp() * 1_000_000))
    known = progress.read(tables, LOOKED)
    last = known.note if known else None
    behind = old if last is None else old.where(sf.col("object") > last)
    with interpreted(tables.spark), spark_errors("looking for old rows of quarantine"):
        objects = [row.object for row in behind.select("object").distinct().orderBy("object").limit(at_most).collect()]
    with ThreadPoolExecutor(THREADS) as pool:
        gone = [(key,) for key, etag in zip(objects, pool.map(landing.etag, objects), strict=True) if etag is None]
    removed = _remove(tables, old, gone) if gone else 0
    now = objects[-1] if len(objects) == at_most else None
    if now != last:
        with interpreted(tables.spark):
            progress.write(tables, LOOKED, note=now)
    return removed


def _remove(tables: LakeTables, old: DataFrame, gone: list[tuple[str]]) -> int:
    keys = tables.spark.createDataFrame(gone, "object STRING").join(old.select("object", "quarantined_at").distinct(), "object")
    clauses = "ON t.object = s.object AND t.quarantined_at = s.quarantined_at WHEN MATCHED THEN DELETE"
    at = int(datetime.now(UTC).timestamp() * 1000)
    with interpreted(tables.spark):
        return tables.merge("ops", "quarantine", keys, clauses, batch=at, generation=_BY_HAND).deleted


def _age(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours * 60:.0f} min" if hours < 2 else f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
