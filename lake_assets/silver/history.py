"""History (SCD2): every state that a row was in, and when.

Belongs here: bringing `silver/<entity>_history` up to a batch. Not here: spans (`transforms/scd2.py`), the current state (`current.py`).

Rows never vanish: a late event adds one and moves its neighbours' ends. The rows that are there hold all that is needed of earlier
events, so a batch costs what its keys cost, not what bronze has grown to.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import functions as sf

from lake_assets.raw import progress
from lake_assets.raw.session import SMALL_EVENTS, interpreted
from lake_assets.transforms import schemas
from lake_assets.transforms.scd2 import spans
from publisher.contracts import Contract
from resources.spark import spark_errors
from resources.table_schema import quoted
from resources.tables import LakeTables

NEEDED = ("_key", "_subject", "_op", "_committed_at", "_contract", "_digest", "_seq")
"""What spans are made of, beside the record."""


@dataclass(frozen=True)
class HistoryResult:
    """What an update did. `upto_batch` is where the history is now, `behind` where it was: the same when there was nothing new."""

    entity: str
    behind: int
    upto_batch: int
    inserted: int
    updated: int


def history_progress(entity: str) -> str:
    """The name of an entity's progress."""
    return f"history/{entity}"


def update_history(
    tables: LakeTables, contract: Contract, upto_batch: int, *, behind: int | None = None, generation: int = 0
) -> HistoryResult:
    """Brings an entity's history up to `upto_batch`. Repeated, or with nothing new, it changes nothing.

    `behind` is where it is (from the progress, unless given). Raises SparkFailed.
    """
    entity = contract.entity
    if behind is None:
        known = progress.read(tables, history_progress(entity))
        behind = known.position or 0 if known else 0
    if upto_batch <= behind:
        return HistoryResult(entity, behind, behind, 0, 0)
    columns = [name for name, *_ in schemas.history(contract)]
    fresh = tables.read("bronze", entity).where(sf.col("_batch").between(behind + 1, upto_batch))
    with interpreted(tables.spark), spark_errors(f"counting the new events of {entity}"):
        events = fresh.count()
    if not events:
        return HistoryResult(entity, behind, behind, 0, 0)
    needed = [*(name for name, *_ in schemas.record(contract)), *NEEDED]
    known_rows = tables.read("silver", f"{entity}_history").withColumnRenamed("_seq_from", "_seq")
    affected = known_rows.join(sf.broadcast(fresh.select("_key").distinct()), "_key", "left_semi")
    source = spans(fresh.select(*needed).unionByName(affected.select(*needed)), columns)
    changed = " OR ".join(
        f"NOT t.{name} <=> s.{name}" for name in ("_digest", "_seq_to", "_valid_from", "_valid_to", "_is_current")
    )
    # By name: the table may have more columns, of fields that were withdrawn.
    assignments = ", ".join(f"t.{quoted(name)} = s.{quoted(name)}" for name in columns)
    values = ", ".join(f"s.{quoted(name)}" for name in columns)
    clauses = (
        "ON t._key = s._key AND t._seq_from = s._seq_from "  # noqa: S608 (names from the contract)
        f"WHEN MATCHED AND ({changed}) THEN UPDATE SET {assignments} "
        f"WHEN NOT MATCHED THEN INSERT ({', '.join(map(quoted, columns))}) VALUES ({values})"
    )
    with interpreted(tables.spark, small=events < SMALL_EVENTS):
        merged = tables.merge("silver", f"{entity}_history", source, clauses, batch=upto_batch, generation=generation)
        progress.write(tables, history_progress(entity), position=upto_batch)
    return HistoryResult(entity, behind, upto_batch, merged.inserted, merged.updated)
