"""Rollback: all tables together to a checkpoint, and the batches after it once more.

Belongs here: doing what a plan says, and what must be known if it dies. Not here: deciding (`plan.py`), keeping others away (raw/alone.py).

It runs alone. First it notes what it is about to do and under which generation, then come the tables, then the progress, and last the note is
taken away. Each step names what shall be in the end, so repeated after a crash it ends the same. No object is lost: the ledger is not rolled back, and the batches
after the checkpoint wait again, under a new generation, since RESTORE leaves Delta the transaction ids of what it took back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lake_assets.bronze.erased import DROPPED
from lake_assets.completeness.verify import NAME as COMPLETENESS
from lake_assets.erasure.run import LOOKED
from lake_assets.gold.model import GoldTable
from lake_assets.gold.refreshes import definition, noted, remember
from lake_assets.raw import generation, progress
from lake_assets.raw.batches import FINISHED
from lake_assets.raw.lake import FINGERPRINT
from lake_assets.raw.session import interpreted
from lake_assets.replay.checkpoints import GOLD, HISTORY, INGEST, record
from lake_assets.replay.lanes import gold_tables, history_tables, ingest_tables
from lake_assets.replay.plan import CUT, REBUILD, RESTORE, REWRITE, THREADS, Plan, Step, is_by_batch, plan
from lake_assets.silver.anew import bury_anew, write_anew
from lake_assets.silver.current import OpenTables
from lake_assets.silver.history import history_progress
from lake_assets.silver.rekey import first_position, key_of, present_key
from publisher.contracts import Contract
from resources.delta_log import DeltaLogs
from resources.errors import ResourceError, SparkFailed
from resources.spark import spark_errors
from resources.tables import LakeTables

UNDER_WAY = "rollback"
"""In the progress: the rollback that was begun and has not ended: `{"to", "generation", "why"}`."""


class RollbackUnfinished(ResourceError):
    """A rollback to another checkpoint died half way."""

    def __init__(self, to: int) -> None:
        super().__init__(
            f"A rollback to checkpoint {to} was begun and has not ended: repeat that one first, since some tables are there and some not."
        )


@dataclass(frozen=True)
class RolledBack:
    """What was done: the plan, the new generation, the number of the checkpoint that it left, and how many rows silver has where it was written anew."""

    plan: Plan
    generation: int
    checkpoint: int
    rows: Mapping[str, int]


@dataclass(frozen=True)
class _Begun:
    to: int
    generation: int
    why: str | None


def begun(tables: LakeTables) -> int | None:
    """The checkpoint of a rollback that has not ended, or None."""
    known = _read(tables)
    return known.to if known else None


def roll_back(
    open_tables: OpenTables,
    logs: DeltaLogs,
    contracts: Sequence[Contract],
    gold: Mapping[str, GoldTable],
    to: int,
    tell: Callable[[str], None] = lambda sentence: None,
) -> RolledBack:
    """Brings all tables to checkpoint `to`. Nobody else may write or read for more meanwhile. `tell` hears of each table.

    Raises NoCheckpoint, OtherKey, OtherName and RollbackUnfinished before it changes anything, SparkFailed in between: repeat it then.
    """
    with open_tables(f"rollback/{to}") as tables:
        known = _read(tables)
        if known and known.to != to:
            raise RollbackUnfinished(known.to)
        planned = plan(tables, logs, contracts, list(gold), to, rebuild=known.why if known else None)
        if known is None or known.why != planned.why:
            known = _Begun(to, known.generation if known else generation.take(tables), planned.why)
            _note(tables, known)
        generation.begin(tables, known.generation)
        try:
            rows = _tables(open_tables, tables, contracts, gold, planned, tell)
        except SparkFailed as error:
            if planned.why:
                raise
            tell(f"{error} So everything is written anew from bronze.")
            known = _Begun(to, known.generation, "a table could not be restored")
            _note(tables, known)
            planned = plan(tables, logs, contracts, list(gold), to, rebuild=known.why)
            rows = _tables(open_tables, tables, contracts, gold, planned, tell)
        _take_back_drops(tables, planned)
        _set_progress(tables, contracts, planned)
        number = _checkpoints(tables, logs, contracts, gold, planned, known.generation)
        progress.write(tables, UNDER_WAY)
    return RolledBack(planned, known.generation, number, rows)


def _tables(
    open_tables: OpenTables,
    tables: LakeTables,
    contracts: Sequence[Contract],
    gold: Mapping[str, GoldTable],
    planned: Plan,
    tell: Callable[[str], None],
) -> dict[str, int]:
    """Every table, those that others are written from first."""

    def one(step: Step) -> None:
        with open_tables(f"rollback/{planned.to}/{step.name}") as mine:
            _step(mine, step, planned, gold)
        tell(
            f"{step.name}: {step.how}, from version {step.before}{f' to {step.after}' if step.how in (RESTORE, REWRITE) else ''}"
        )

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, [*planned.of(RESTORE), *planned.of(CUT)]))
    rows = _anew(open_tables, tables, contracts, planned, tell)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, planned.of(REWRITE)))
    return rows


def _step(tables: LakeTables, step: Step, planned: Plan, gold: Mapping[str, GoldTable]) -> None:
    layer, name = step.table
    if step.how == REWRITE and step.after is not None:
        _show_again(tables, gold[name], step.after)
    elif step.how == RESTORE and step.after is not None:
        with interpreted(tables.spark):  # it moves names of files, and no rows
            tables.restore(layer, name, step.after)
    elif step.how == CUT:
        cut = (
            f"_batch > {planned.upto_batch}"
            if is_by_batch(step.table)
            else f"checked_at > timestamp_micros({_micros(planned.at)})"
        )
        with spark_errors(f"cutting {step.name} after batch {planned.upto_batch}"):
            tables.spark.sql(f"DELETE FROM {tables.sql_name(layer, name)} WHERE {cut}").collect()  # noqa: S608 (a number)


def _anew(
    open_tables: OpenTables, tables: LakeTables, contracts: Sequence[Contract], planned: Plan, tell: Callable[[str], None]
) -> dict[str, int]:
    """Silver, history and tombstones from bronze, of every entity of which one of them cannot be restored."""
    wanted = {step.table for step in planned.of(REBUILD)}
    first = 0 if key_of(contracts) == 1 else first_position(tables, key_of(contracts))

    def events(of: LakeTables, contract: Contract) -> DataFrame:
        table = of.read("bronze", contract.entity)
        return table.where((sf.col("_seq") >= first) & (sf.col("_batch") <= planned.upto_batch))

    def write(contract: Contract) -> tuple[str, int]:
        with open_tables(f"rollback/{planned.to}/{contract.entity}") as mine:
            rows = write_anew(mine, contract, events(mine, contract), planned.upto_batch)
        tell(f"silver/{contract.entity} and its history: written anew from bronze up to batch {planned.upto_batch}")
        return contract.entity, rows

    if ("ops", "tombstones") in wanted:
        bury_anew(tables, {contract.entity: events(tables, contract) for contract in contracts})
    due = [c for c in contracts if {("silver", c.entity), ("silver", f"{c.entity}_history")} & wanted]
    with ThreadPoolExecutor(THREADS) as pool:
        return dict(pool.map(write, due))


def _show_again(tables: LakeTables, table: GoldTable, version: int) -> None:
    """Gold as it was, with the note by which the next refresh knows what was shown. One of another definition stays: it is built anew."""
    with spark_errors(f"bringing back {table.key}"):
        history = tables.spark.sql(f"DESCRIBE HISTORY {tables.sql_name('gold', table.name)}")
        then = [row.userMetadata for row in history.where(sf.col("version") == version).collect()]
        if then != [definition(table)]:
            return
        if table.header.smallest_cell and noted(tables, table, 1)[0][1] == definition(table):
            remember(table, tables)  # what is shown now has been seen
        (
            tables.read("gold", table.name, version)
            .write.format("delta")
            .mode("overwrite")
            .option("overwriteSchema", "true")
            .option("userMetadata", definition(table))
            .save(tables.path("gold", table.name))
        )


def _take_back_drops(tables: LakeTables, planned: Plan) -> None:
    """The events of erased persons that the later batches did not load are met again. What an erasure has written stays."""
    later = f"how = '{DROPPED}' AND _batch > {planned.upto_batch}"
    with spark_errors(f"cutting ops/adjustments after batch {planned.upto_batch}"):
        tables.spark.sql(f"DELETE FROM {tables.sql_name('ops', 'adjustments')} WHERE {later}").collect()  # noqa: S608 (a number)


def _set_progress(tables: LakeTables, contracts: Sequence[Contract], planned: Plan) -> None:
    """Where everything is now: the batches after the checkpoint wait, and what depends on them is looked at again."""
    with interpreted(tables.spark):
        progress.write(tables, FINISHED, position=planned.upto_batch)
        anew = {step.table for step in planned.of(REBUILD)}
        for contract in contracts:
            # Without a note, history looks again at all batches that were ever replayed: what it had of them may be gone.
            written = ("silver", f"{contract.entity}_history") in anew or ("silver", contract.entity) in anew
            upto = planned.upto_batch if written else planned.history_upto
            progress.write(tables, history_progress(contract.entity), position=upto)
        looked = progress.read(tables, LOOKED)
        if looked is not None and (looked.position or 0) > planned.upto_batch:
            progress.write(tables, LOOKED, position=planned.upto_batch, note=looked.note)  # what was refused then may load now
        progress.write(tables, COMPLETENESS, note="{}")  # its chains begin anew; what agreed is not compared again
        progress.write(tables, FINGERPRINT, note="")  # RESTORE takes back columns, too: the next run adds them


def _checkpoints(
    tables: LakeTables, logs: DeltaLogs, contracts: Sequence[Contract], gold: Mapping[str, GoldTable], planned: Plan, number: int
) -> int:
    entities, key = [contract.entity for contract in contracts], present_key(tables, contracts)
    lanes = {
        INGEST: (ingest_tables(entities), planned.upto_batch),
        HISTORY: (history_tables(entities), planned.history_upto),
        GOLD: (gold_tables(gold), None),
    }
    return max(
        record(tables, logs, lane, names, upto_batch=upto, generation=number, key_version=key)
        for lane, (names, upto) in lanes.items()
    )


def _read(tables: LakeTables) -> _Begun | None:
    known = progress.read(tables, UNDER_WAY)
    return _Begun(**json.loads(known.note)) if known and known.note else None


def _note(tables: LakeTables, begun: _Begun) -> None:
    with interpreted(tables.spark):
        progress.write(tables, UNDER_WAY, note=json.dumps({"to": begun.to, "generation": begun.generation, "why": begun.why}))


def _micros(at: datetime) -> int:
    return (at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
