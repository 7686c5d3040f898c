"""A batch loaded again from its raw objects, under the rules of today, into the same batch.

Belongs here: the order of the steps, and what must be known if it dies. Not here: which batches (`choose.py`), how rows are replaced
(bronze/again.py).

What a replay can change: lines that were refused may load, once a contract or the validator is mended. Those are more events, and silver is a
function of the set of events: merging the batch once more is enough, the rest of its events changes nothing. It takes no event away: that is refused
before anything is written. History looks at the batch again at its own cadence, since it has a lane of its own.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import functions as sf

from lake_assets.bronze.again import ReplayWouldLose
from lake_assets.bronze.conflicts import remember_conflicts
from lake_assets.bronze.conservation import Conservation
from lake_assets.bronze.load import load_batch
from lake_assets.raw import generation, progress
from lake_assets.raw.batches import finish_batch, read_batch
from lake_assets.raw.session import interpreted
from lake_assets.silver.current import OpenTables, SilverResult, merge_entities, merge_tombstones
from lake_assets.silver.history import REPLAYED, read_replayed
from lake_assets.silver.rekey import waits
from lake_assets.transforms.fields import Rules
from publisher.contracts import Contract
from resources.errors import ResourceError
from resources.landing import Landing
from resources.spark import as_micros, from_micros, spark_errors
from resources.tables import LakeTables

UNDER_WAY = "replay"
"""In the progress: the batches that a replay has begun and not finished, so that the next one does them first."""


@dataclass(frozen=True)
class Replayed:
    """What a batch was before, and is now. `before` and `after` count its quarantined rows by reason.

    `added` are its events that bronze did not have, by entity; `silver` what they did there, empty while silver waits for a new key.
    """

    batch: int
    generation: int
    objects: int
    before: Counter[str]
    after: Counter[str]
    added: dict[str, int]
    conservation: Conservation
    silver: dict[str, SilverResult]


@dataclass(frozen=True)
class _Before:
    finished_at: datetime
    refused: Counter[str]
    events: dict[str, int]


class NotConserved(ResourceError):
    """A batch that was loaded again is not whole in the tables; silver was not touched."""

    def __init__(self, batch: int, read: int, held: int) -> None:
        super().__init__(
            f"Batch {batch} was loaded again: {read} values were read, and {held} are in the tables; silver was not touched. "
            "Load it again once nothing else writes to these tables or to its objects."
        )


def left_behind(tables: LakeTables) -> list[int]:
    """The batches of a replay that died: they must be loaded again, since some of their tables may say what they said before."""
    known = progress.read(tables, UNDER_WAY)
    return [int(batch) for batch in json.loads((known and known.note) or "[]")]


def replay(
    open_tables: OpenTables,
    landing: Landing,
    rules: Rules,
    contracts: Sequence[Contract],
    batches: Iterable[int],
    tell: Callable[[Replayed, int], None] = lambda result, of: None,
) -> list[Replayed]:
    """Loads finished batches again, oldest first, and those that an earlier replay left; `tell` hears of each, and of how many.

    Repeated, it changes nothing. Raises LookupError for a batch that is not finished, NotConserved, SparkFailed: the batches before are then
    done. A batch that would lose rows is left as it was, the others go on, and ReplayWouldLose tells of the first at the end.
    """
    done: list[Replayed] = []
    refused: list[ReplayWouldLose] = []
    with open_tables("replay") as tables:
        with interpreted(tables.spark):
            wanted = sorted({*batches, *left_behind(tables)})
            if not wanted:
                return []
            _are_finished(tables, wanted)
            number = generation.take(tables)
            progress.write(tables, UNDER_WAY, note=json.dumps(wanted))
        hold = waits(tables, contracts)
        for at, batch in enumerate(wanted, 1):
            try:
                done.append(_one(tables, open_tables, landing, rules, contracts, batch, number, hold=hold))
            except ReplayWouldLose as error:
                refused.append(error)
            _remember(tables, batch, number, wanted[at:])
            if done and done[-1].batch == batch:
                tell(done[-1], len(wanted))
    if refused:
        raise refused[0]
    return done


def _are_finished(tables: LakeTables, batches: list[int]) -> None:
    with spark_errors("looking at the batches"):
        rows = tables.read("ops", "batches").where(sf.col("_batch").isin(*batches)).select("_batch").collect()
    if waiting := sorted(set(batches) - {row._batch for row in rows}):
        raise LookupError(f"batches that have not come through silver load by themselves, if the ledger has them: {waiting}")


def _one(
    tables: LakeTables,
    open_tables: OpenTables,
    landing: Landing,
    rules: Rules,
    contracts: Sequence[Contract],
    number: int,
    under: int,
    *,
    hold: bool,
) -> Replayed:
    batch = read_batch(tables, number, under)
    before = _before(tables, [contract.entity for contract in contracts], number)
    loaded = load_batch(tables, landing, rules, batch, again=True)
    if not loaded.conservation.holds:
        raise NotConserved(number, loaded.conservation.read, loaded.conservation.held)
    contents = loaded.conservation.contents
    added = {entity: more for entity, count in loaded.events.items() if (more := count - before.events.get(entity, 0)) > 0}
    # A conflict that somebody has dealt with stays dealt with, unless events came.
    remember_conflicts(tables, batch, {entity: found for entity, found in contents.items() if entity in added})
    silver: dict[str, SilverResult] = {}
    if not hold:
        merge_tombstones(tables, contents, number, generation=under, again=True)
        silver = merge_entities(open_tables, contracts, contents, number, generation=under)
    finish_batch(tables, batch, loaded.counts, first=before.finished_at)
    return Replayed(
        number, under, len(batch.objects), before.refused, reasons_of(tables, number), added, loaded.conservation, silver
    )  # fmt: skip


def reasons_of(tables: LakeTables, batch: int) -> Counter[str]:
    """What a batch has in quarantine, counted in the table."""
    with interpreted(tables.spark), spark_errors(f"counting what batch {batch} has in quarantine"):
        rows = tables.read("ops", "quarantine").where(sf.col("_batch") == batch).groupBy("reason").count().collect()
    return Counter({row.reason: row["count"] for row in rows})


def _before(tables: LakeTables, entities: Iterable[str], batch: int) -> _Before:
    """What the tables hold of a batch that is finished, in one look."""
    quarantine = tables.read("ops", "quarantine").where(sf.col("_batch") == batch).groupBy(sf.col("reason").alias("name"))
    frame = quarantine.agg(sf.count("*").alias("n")).select(sf.lit("reason").alias("what"), "name", "n")
    for entity in entities:
        events = tables.read("bronze", entity).where(sf.col("_batch") == batch).agg(sf.count("*").alias("n"))
        frame = frame.union(events.select(sf.lit("events"), sf.lit(entity), "n"))
    closed = tables.read("ops", "batches").where(sf.col("_batch") == batch)
    frame = frame.union(closed.select(sf.lit("closed"), sf.lit(""), as_micros("finished_at")))
    with interpreted(tables.spark), spark_errors(f"looking at batch {batch}"):
        rows = frame.collect()
    finished = [row.n for row in rows if row.what == "closed"]
    refused = Counter({row.name: row.n for row in rows if row.what == "reason"})
    return _Before(from_micros(max(finished)), refused, {row.name: row.n for row in rows if row.what == "events"})


def _remember(tables: LakeTables, batch: int, number: int, left: list[int]) -> None:
    """Tells history, and then forgets that the batch was under way: in this order nothing is missed."""
    with interpreted(tables.spark):
        replayed = read_replayed(progress.read(tables, REPLAYED)) | {batch: number}
        progress.write(tables, REPLAYED, note=json.dumps({str(each): seen for each, seen in sorted(replayed.items())}))
        progress.write(tables, UNDER_WAY, note=json.dumps(left))
