"""One batch from its raw objects to silver.

Belongs here: the order of the steps. Not here: the steps (bronze/, silver/), how Dagster shows them (`ingest.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import dagster as dg

from lake_assets.bronze.conflicts import remember_conflicts
from lake_assets.bronze.load import BronzeResult, load_batch
from lake_assets.catalog import Catalog
from lake_assets.metadata import Stopwatch
from lake_assets.raw.batches import Batch, advance, finish_batch
from lake_assets.replay.again import left_behind
from lake_assets.replay.checkpoints import INGEST, record
from lake_assets.replay.lanes import ingest_tables
from lake_assets.silver.current import SilverResult, merge_entities, merge_tombstones
from lake_assets.silver.rekey import present_key
from lake_assets.transforms.fields import Rules
from publisher.contracts import Contract
from resources.delta_log import DeltaLogs
from resources.lake import LakeResource
from resources.landing import Landing
from resources.tables import LakeTables


@dataclass
class Done:
    """What the batches of a run have come to, in their order."""

    bronze: list[BronzeResult] = field(default_factory=list)
    silver: list[dict[str, SilverResult]] = field(default_factory=list)
    generation: int = 0

    @property
    def conserved(self) -> bool:
        return all(each.conservation.holds for each in self.bronze)

    @property
    def whole(self) -> bool:
        """Whether the tables hold whole batches only: something was done, and nothing was left half way."""
        return bool(self.bronze) and self.conserved and len(self.silver) == len(self.bronze)


def take_through(
    lake: LakeResource,
    landing: Landing,
    rules: Rules,
    contracts: Iterable[Contract],
    batch: Batch,
    done: Done,
    *,
    hold_silver: bool = False,
) -> Stopwatch:
    """Loads a batch and merges it, noting in `done` what it did; the seconds of each stretch.

    It ends before silver when a value is missing: `done.conserved` tells. Repeated after a crash, each step finds what it did
    before and changes nothing, by the transaction ids of its writes; one that waited until those may be forgotten replaces its rows. With
    `hold_silver` it ends with bronze: see silver/rekey.py. Raises SparkFailed, and ReplayWouldLose of a batch that waited so long.
    """
    clock = Stopwatch()
    with lake.tables(f"batch/{batch.number}") as tables:
        again = batch.may_be_forgotten
        bronze = load_batch(tables, landing, rules, batch, again=again)
        clock.lap("bronze")
        done.bronze.append(bronze)
        if not bronze.conservation.holds:
            return clock
        contents = bronze.conservation.contents
        remember_conflicts(tables, batch, contents)
        if hold_silver:
            done.silver.append({})
        else:
            merge_tombstones(tables, contents, batch.number, generation=batch.generation, again=again)
            clock.lap("tombstones")
            done.silver.append(merge_entities(lake.tables, contracts, contents, batch.number, generation=batch.generation))
            clock.lap("silver")
        finish_batch(tables, batch, bronze.counts)
        advance(tables)
        done.generation = batch.generation
        clock.lap("closing")
    return clock


def leave_checkpoint(context: dg.AssetExecutionContext, tables: LakeTables, catalog: Catalog, done: Done) -> None:
    """Writes down which versions the tables have now, all batches of the run being in silver."""
    clock = Stopwatch()
    if left_behind(tables):
        context.log.info("no checkpoint: a replay died half way, and the next one mends it")
        return
    number = record(
        tables, DeltaLogs(tables.lake_uri), INGEST, ingest_tables(catalog.contracts), upto_batch=done.bronze[-1].batch,
        generation=done.generation, key_version=present_key(tables, catalog.contracts.values()),
    )  # fmt: skip
    clock.lap("checkpoint")
    context.log.info("checkpoint %s; seconds: %s", number, clock)
