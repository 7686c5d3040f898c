"""How the objects of the last day were found: whether S3's notifications tell of what lands.

Belongs here: counting in the ledger. Not here: finding objects (`ledger.py`), when it is an alarm (assets/ingest_events.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyspark.sql import functions as sf

from lake_assets.raw.session import interpreted
from resources.spark import spark_errors
from resources.tables import LakeTables

WINDOW = timedelta(days=1)


@dataclass(frozen=True)
class Found:
    """What the lake came to know of in the last day, and how much of it no notification had told of."""

    objects: int
    by_listing: int


def found_lately(tables: LakeTables, list_hours: int) -> Found:
    """Counts them in the days that a listing of `list_hours` reaches back to, so that it costs no more as the ledger grows.

    Over a day, and not of one run: the next run, a moment later, would otherwise call well what is lost. Raises SparkFailed.
    """
    now = datetime.now(UTC)
    earliest = (now - max(WINDOW, timedelta(hours=list_hours))).date()
    lately = (sf.col("day") >= sf.lit(earliest)) & (sf.col("found_at") >= sf.lit(now - WINDOW))
    with interpreted(tables.spark), spark_errors("counting how objects were found"):
        (row,) = (
            tables.read("ops", "objects")
            .where(lately)
            .agg(sf.count("*").alias("objects"), sf.count_if(sf.col("found_by") == "listing").alias("by_listing"))
            .collect()
        )
    return Found(row.objects, row.by_listing)
