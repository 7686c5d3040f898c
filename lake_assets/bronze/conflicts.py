"""Positions with two contents, remembered until somebody has looked: `ops/conflicts`.

Belongs here: writing down what a batch showed, and what is still open. Not here: finding them (`conservation.py`), the check
(assets/ingest.py).

A check tells of one run, and the next run's would pass again while both contents are still in bronze.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from pyspark.sql import functions as sf

from lake_assets.bronze.conservation import BatchContents
from lake_assets.raw.batches import Batch
from lake_assets.raw.session import interpreted
from lake_assets.transforms import schemas
from resources.spark import spark_errors
from resources.tables import LakeTables


def remember_conflicts(tables: LakeTables, batch: Batch, contents: Mapping[str, BatchContents]) -> None:
    """Writes a row for each entity of which the batch shows conflicts. Repeated, it changes nothing."""
    now = datetime.now(UTC)
    rows = [(entity, found.conflicts, now, batch.number) for entity, found in contents.items() if found.conflicts]
    if rows:
        frame = tables.spark.createDataFrame(rows, schemas.struct(schemas.CONFLICTS)).coalesce(1)
        with interpreted(tables.spark):
            tables.append("ops", "conflicts", frame, batch=batch.number, generation=batch.generation)


def open_conflicts(tables: LakeTables) -> dict[str, int]:
    """How many positions of each entity have two contents, and nobody has taken their rows away."""
    with interpreted(tables.spark), spark_errors("looking for conflicts"):
        rows = tables.read("ops", "conflicts").groupBy("entity").agg(sf.sum("positions").alias("positions")).collect()
    return {row.entity: row.positions for row in rows}
