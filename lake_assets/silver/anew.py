"""Silver, history and tombstones written from bronze alone, whatever they said before.

Belongs here: writing them. Not here: which events of bronze (rekey.py: those of a new key; replay/rollback.py: those up to a batch), batch by batch
(current.py, history.py).

All of it reads an entity's whole bronze: for what happens seldom.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lake_assets.raw import progress
from lake_assets.silver.history import NEEDED, history_progress
from lake_assets.transforms import schemas
from lake_assets.transforms.scd2 import spans
from lake_assets.transforms.winners import is_delete, tombstones, winners
from publisher.contracts import Contract
from resources.tables import LakeTables


def write_anew(tables: LakeTables, contract: Contract, events: DataFrame, upto_batch: int) -> int:
    """Writes an entity's silver and history from `events`, which are of batches up to `upto_batch`; the rows of silver. Raises SparkFailed."""
    entity = contract.entity
    current = winners(events, "_key").where(~is_delete()).select(*(name for name, *_ in schemas.silver(contract)))
    tables.overwrite("silver", entity, current)
    needed = [name for name, *_ in schemas.record(contract)] + list(NEEDED)
    history = spans(events.select(*needed), [name for name, *_ in schemas.history(contract)])
    tables.overwrite("silver", f"{entity}_history", history)
    progress.write(tables, history_progress(entity), position=upto_batch)
    return int(tables.read("silver", entity).count())


def bury_anew(tables: LakeTables, events: Mapping[str, DataFrame]) -> None:
    """Writes the tombstones of all entities from their events: one for each key that was ever deleted."""
    buried = [tombstones(each.withColumn("entity", sf.lit(entity))) for entity, each in events.items()]
    tables.overwrite("ops", "tombstones", reduce(DataFrame.union, buried).coalesce(1), partition_by=["entity"])
