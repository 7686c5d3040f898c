"""History (SCD2): every state that a row was in, and when.

Belongs here: bringing `silver/<entity>_history` up to a batch. Not here: spans (`transforms/scd2.py`), the current state (`current.py`).

Rows never vanish: a late event adds one and moves its neighbours' ends. The rows that are there hold all that is needed of earlier
events, so a batch costs what its keys cost, not what bronze has grown to.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from pyspark.sql import functions as sf

from lake_assets.raw import generation as generations
from lake_assets.raw import progress
from lake_assets.raw.session import SMALL_EVENTS, interpreted, is_small
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
    """What an update did. `upto_batch` is where the history is now, `behind` where it was: the same when nothing came that is newer.

    `again` counts the batches that were loaded again and looked at once more.
    """

    entity: str
    behind: int
    upto_batch: int
    inserted: int
    updated: int
    again: int = 0


REPLAYED = "replayed"
"""In the progress: the batches that were ever loaded again, each with the generation of its last replay: `{"17": 3}` in the note."""


def history_progress(entity: str) -> str:
    """The name of an entity's progress: `position` is the batch, `note` the generation of the last replay that it has looked at.

    Not the last that was given out: a replay takes its number before it has written anything, and history runs beside it.
    """
    return f"history/{entity}"


@dataclass(frozen=True)
class _Behind:
    """Where a history is, which batches were loaded again since it looked at them, and under which generation it writes.

    `seen` is the generation of the last replay, once it has looked at that.
    """

    batch: int
    again: frozenset[int]
    generation: int
    seen: int

    @classmethod
    def read(cls, tables: LakeTables, entity: str) -> _Behind:
        name = history_progress(entity)
        known = progress.find_some(tables, (name, REPLAYED, generations.NAME))
        batch, before = (known[name].position or 0, int(known[name].note or 0)) if name in known else (0, 0)
        replayed = read_replayed(known.get(REPLAYED))
        again = frozenset(each for each, number in replayed.items() if number > before)
        seen = max([before, *replayed.values()])
        return cls(batch, again, max(seen, generations.loading(known.get(generations.NAME))), seen)


def read_replayed(known: progress.Progress | None) -> dict[int, int]:
    """From batch to the generation of its last replay."""
    return {int(batch): number for batch, number in json.loads((known and known.note) or "{}").items()}


def update_history(
    tables: LakeTables, contract: Contract, upto_batch: int, *, behind: int | None = None, generation: int | None = None
) -> HistoryResult:
    """Brings an entity's history up to `upto_batch`, and looks once more at batches that were loaded again since. Repeated, or with
    nothing new, it changes nothing.

    `behind` is where it is, and `generation` under which it writes (each from the progress, unless given). Raises SparkFailed.
    """
    entity = contract.entity
    at = _Behind.read(tables, entity) if behind is None else _Behind(behind, frozenset(), 0, 0)
    behind, seen = at.batch, str(at.seen)
    generation = at.generation if generation is None else generation
    again = sorted(batch for batch in at.again if batch <= behind)
    if upto_batch <= behind and not again:
        return HistoryResult(entity, behind, behind, 0, 0)
    upto_batch = max(upto_batch, behind)
    columns = [name for name, *_ in schemas.history(contract)]
    fresh = tables.read("bronze", entity).where(sf.col("_batch").between(behind + 1, upto_batch) | sf.col("_batch").isin(*again))
    with interpreted(tables.spark), spark_errors(f"counting the new events of {entity}"):
        events = fresh.count()
    if not events:
        if again:
            progress.write(tables, history_progress(entity), position=behind, note=seen)
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
    small = events < SMALL_EVENTS and is_small(tables, "silver", f"{entity}_history")
    with interpreted(tables.spark, small=small):
        merged = tables.merge("silver", f"{entity}_history", source, clauses, batch=upto_batch, generation=generation)
        progress.write(tables, history_progress(entity), position=upto_batch, note=seen)
    return HistoryResult(entity, behind, upto_batch, merged.inserted, merged.updated, len(again))
