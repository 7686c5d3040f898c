"""History (SCD2): every state that a row was in, and when.

Belongs here: bringing `silver/<entity>_history` up to a batch. Not here: spans (`transforms/scd2.py`), the current state (`current.py`).

Rows never vanish: a late event adds one and moves its neighbours' ends. The rows that are there hold all that is needed of earlier
events, so a batch costs what its keys cost, not what bronze has grown to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from pyspark.sql import functions as sf

from lake_assets.bronze.batch_rows import NotThere, whole_rows
from lake_assets.raw import generation as generations
from lake_assets.raw import progress
from lake_assets.raw.session import SMALL_EVENTS, interpreted, suited
from lake_assets.silver.current import THREADS, OpenTables
from lake_assets.transforms import schemas
from lake_assets.transforms.scd2 import spans
from publisher.contracts import Contract
from resources.delta_snapshot import LiveFile, snapshot
from resources.errors import ResourceError
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

    @property
    def moved(self) -> bool:
        """Whether it looked at anything."""
        return self.upto_batch > self.behind or self.again > 0


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
    def of(cls, known: Mapping[str, progress.Progress], entity: str) -> _Behind:
        name = history_progress(entity)
        batch, before = (known[name].position or 0, int(known[name].note or 0)) if name in known else (0, 0)
        replayed = read_replayed(known.get(REPLAYED))
        again = frozenset(each for each, number in replayed.items() if before < number and each <= batch)
        seen = max([before, *replayed.values()])
        return cls(batch, again, max(seen, generations.loading(known.get(generations.NAME))), seen)

    def looks_at(self, file: LiveFile, upto_batch: int) -> bool:
        """Whether a file of bronze may hold such rows."""
        return any(
            file.may_hold("_batch", low, high) for low, high in [(self.batch + 1, upto_batch), *((b, b) for b in self.again)]
        )

    def fresh(self, upto_batch: int) -> str:
        """SQL: which rows of bronze are to be looked at."""
        new = f"_batch BETWEEN {self.batch + 1} AND {upto_batch}"
        return f"({new} OR _batch IN ({', '.join(map(str, sorted(self.again)))}))" if self.again else new


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
    at = _look(tables, [entity])[entity] if behind is None else _Behind(behind, frozenset(), 0, 0)
    if generation is not None:
        at = replace(at, generation=generation)
    events = _count_fresh(tables, {entity: at}, upto_batch).get(entity, 0)
    result = _merge(tables, contract, at, upto_batch, events)
    _remember(tables, {entity: at}, [result])
    return result


def update_histories(open_tables: OpenTables, contracts: Iterable[Contract], upto_batch: int) -> Iterator[HistoryResult]:
    """The same for several entities, in a few threads: one look at where they are, one count of what is new, one commit of the progress.

    When one fails, the progress of those that came through is kept.
    """
    contracts = {contract.entity: contract for contract in contracts}
    done: list[HistoryResult] = []
    with open_tables(f"histories/{upto_batch}") as tables:
        behind = _look(tables, contracts)
        events = _count_fresh(tables, behind, upto_batch)

    def merge(contract: Contract) -> HistoryResult:
        entity = contract.entity
        if not events.get(entity):
            result = HistoryResult(entity, behind[entity].batch, behind[entity].batch, 0, 0)
        else:
            with open_tables(f"history/{entity}/{upto_batch}") as own:
                result = _merge(own, contract, behind[entity], upto_batch, events[entity])
        done.append(result)
        return result

    def remember() -> None:
        if any(_is_new(result, behind) for result in done):
            with open_tables(f"histories/progress/{upto_batch}") as tables:  # the first one may have ended meanwhile
                _remember(tables, behind, done)

    try:
        with ThreadPoolExecutor(THREADS) as pool:
            yield from pool.map(merge, sorted(contracts.values(), key=lambda contract: -events.get(contract.entity, 0)))
    except BaseException:
        with suppress(ResourceError):  # what failed first is what is told
            remember()
        raise
    remember()


def _is_new(result: HistoryResult, behind: Mapping[str, _Behind]) -> bool:
    """Whether something came through, or what was loaded again held nothing any more."""
    return result.upto_batch > result.behind or bool(behind[result.entity].again)


def _look(tables: LakeTables, entities: Iterable[str]) -> dict[str, _Behind]:
    entities = list(entities)
    known = progress.find_some(tables, [*map(history_progress, entities), REPLAYED, generations.NAME])
    return {entity: _Behind.of(known, entity) for entity in entities}


def _count_fresh(tables: LakeTables, behind: Mapping[str, _Behind], upto_batch: int) -> dict[str, int]:
    """How many events each entity has to look at, at most: by bronze's logs, in which each file says of which batches it is."""
    waiting = {("bronze", entity): at for entity, at in behind.items() if upto_batch > at.batch or at.again}
    return {
        table[1]: sum(
            SMALL_EVENTS if file.rows is None else file.rows
            for file in snapshot(tables.logs, table).files
            if at.looks_at(file, upto_batch)
        )
        for table, at in waiting.items()
    }


def _remember(tables: LakeTables, behind: Mapping[str, _Behind], done: Iterable[HistoryResult]) -> None:
    rows = [
        progress.Progress(history_progress(result.entity), result.upto_batch, str(behind[result.entity].seen))
        for result in done
        if _is_new(result, behind)
    ]
    if rows:
        with interpreted(tables.spark):
            progress.write_all(tables, rows)


def _merge(tables: LakeTables, contract: Contract, at: _Behind, upto_batch: int, events: int) -> HistoryResult:
    """Merges an entity's `events` that its history has not seen; nothing without any. The progress is the caller's."""
    entity = contract.entity
    if not events:
        return HistoryResult(entity, at.batch, at.batch, 0, 0)
    columns = [name for name, *_ in schemas.history(contract)]
    bronze = schemas.struct(schemas.bronze(contract))
    fresh = whole_rows(tables, ("bronze", entity), bronze, wanted=lambda file: at.looks_at(file, upto_batch))
    if fresh is None:
        raise NotThere(("bronze", entity), f"batches up to {upto_batch}")
    fresh = fresh.where(at.fresh(upto_batch))
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
    upto_batch = max(upto_batch, at.batch)
    with suited(tables, events, "silver", f"{entity}_history"):
        merged = tables.merge("silver", f"{entity}_history", source, clauses, batch=upto_batch, generation=at.generation)
    return HistoryResult(entity, at.batch, upto_batch, merged.inserted, merged.updated, len(at.again))
