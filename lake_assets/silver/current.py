"""Silver: what is true now, merged batch by batch.

Belongs here: the merges and their order. Not here: who wins (`transforms/winners.py`), history (`history.py`).

A pure function of the set of events: a merge compares what arrives with what is there, and keeps the higher. Tombstones stand in for
deleted keys, so that silver itself has only living rows and a late event raises no dead one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lake_assets.bronze.batch_rows import NotThere, batch_rows, whole_rows
from lake_assets.bronze.conservation import BatchContents
from lake_assets.raw.session import SMALL_EVENTS, interpreted, suited
from lake_assets.transforms import schemas
from lake_assets.transforms.winners import IS_DELETE, order_sql, tombstones, winners
from publisher.contracts import Contract
from resources.tables import LakeTables

THREADS = 4
OpenTables = Callable[[str], AbstractContextManager[LakeTables]]
"""Opens the lake with a session of its own, by a name: a MERGE keeps settings in its session, so a thread needs one."""

_T_ORDER = order_sql("t._seq", "t._contract", "t._digest")
_S_ORDER = order_sql("s._seq", "s._contract", "s._digest")


@dataclass(frozen=True)
class SilverResult:
    """What a batch did to one entity. `conflicts` counts positions of the batch that have two contents in bronze."""

    entity: str
    events: int
    inserted: int
    updated: int
    deleted: int
    conflicts: int


def merge_tombstones(
    tables: LakeTables, contents: dict[str, BatchContents], batch: int, *, generation: int = 0, again: bool = False
) -> int:
    """Remembers the batch's deletes, before any entity is merged; how many deletes there were.

    Appended, not merged: a key that is deleted again gets another row, and of its rows the last holds. Of a batch that is loaded `again` only
    those that are not there.
    """
    deleting = {entity: found.deletes for entity, found in contents.items() if found.deletes}
    if not deleting:
        return 0
    rows = batch_rows(tables, batch, [("bronze", entity) for entity in deleting])
    if rows is None:
        raise NotThere(("bronze", next(iter(deleting))), f"batch {batch}")
    buried = tombstones(rows.withColumn("entity", sf.element_at(sf.split("table", "/"), 2)))
    if again:
        buried = buried.join(tables.read("ops", "tombstones"), ["entity", "key", "seq", "contract", "digest"], "left_anti")
    with interpreted(tables.spark, small=sum(deleting.values()) < SMALL_EVENTS):
        tables.append("ops", "tombstones", buried.coalesce(1), batch=batch, generation=generation)
    return sum(deleting.values())


def merge_batch(
    tables: LakeTables, contract: Contract, batch: int, contents: BatchContents, *, generation: int = 0
) -> SilverResult:
    """Merges one entity's events of a batch into its silver table. The batch's tombstones must be there."""
    entity = contract.entity
    columns = [name for name, *_ in schemas.silver(contract)]
    bronze = schemas.struct(schemas.bronze(contract))
    events = whole_rows(tables, ("bronze", entity), bronze, wanted=lambda file: file.may_hold("_batch", batch, batch))
    if events is None:
        raise NotThere(("bronze", entity), f"batch {batch}")
    source = _with_tombstones(tables, winners(events.where(sf.col("_batch") == batch), "_key"), entity)
    source = source.select(*columns, sf.expr(IS_DELETE).alias("deleted"), "dead")
    assignments = ", ".join(f"t.`{name}` = s.`{name}`" for name in columns)
    inserted = ", ".join(f"`{name}`" for name in columns)
    values = ", ".join(f"s.`{name}`" for name in columns)
    newer = f"{_S_ORDER} > {_T_ORDER}"
    clauses = (
        "ON t._key = s._key "  # noqa: S608 (names from the contract)
        f"WHEN MATCHED AND s.deleted AND {newer} THEN DELETE "
        f"WHEN MATCHED AND {newer} THEN UPDATE SET {assignments} "
        f"WHEN NOT MATCHED AND NOT s.deleted AND NOT s.dead THEN INSERT ({inserted}) VALUES ({values})"
    )
    # A small batch reads a large table as well: of every row the key.
    with suited(tables, contents.events, "silver", entity):
        merged = tables.merge("silver", entity, source, clauses, batch=batch, generation=generation)
    return SilverResult(entity, contents.events, merged.inserted, merged.updated, merged.deleted, contents.conflicts)


def merge_entities(
    open_tables: OpenTables,
    contracts: Iterable[Contract],
    contents: dict[str, BatchContents],
    batch: int,
    *,
    generation: int = 0,
    threads: int = THREADS,
) -> dict[str, SilverResult]:
    """Merges every entity that the batch holds, the largest first, in a few threads."""

    def merge(contract: Contract) -> SilverResult:
        with open_tables(f"silver/{contract.entity}/{batch}") as tables:
            return merge_batch(tables, contract, batch, contents[contract.entity], generation=generation)

    present = sorted((c for c in contracts if c.entity in contents), key=lambda c: -contents[c.entity].events)
    with ThreadPoolExecutor(threads) as pool:
        return {result.entity: result for result in pool.map(merge, present)}


def _with_tombstones(tables: LakeTables, won: DataFrame, entity: str) -> DataFrame:
    """Adds `dead`: whether a delete that comes after the winner is known, from this batch or an earlier one."""
    columns = schemas.struct([column for column in schemas.TOMBSTONES if column[0] != "entity"])
    theirs = whole_rows(tables, ("ops", "tombstones"), columns, within={"entity": entity})
    if theirs is None:
        return won.withColumn("dead", sf.lit(False))
    last = sf.max(sf.expr(order_sql("seq", "contract", "digest"))).alias("burial")
    buried = theirs.groupBy(sf.col("key").alias("buried")).agg(last)
    joined = won.join(buried, won["_key"] == buried["buried"], "left")
    order = order_sql("_seq", "_contract", "_digest")
    return joined.withColumn("dead", sf.expr(f"coalesce(burial >= {order}, false)")).drop("buried", "burial")
