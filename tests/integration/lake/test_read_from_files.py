"""Proves that what is read from logs and files is what Spark says the tables hold: also once files hold several batches, vectors hide rows, or files name columns otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lake_assets.bronze.conservation import BatchContents, count_batch
from lake_assets.bronze.load import load_batch
from lake_assets.raw import batches, progress
from lake_assets.raw.batches import Batch, Counts, finish_batch, oldest_waiting, pending_batches, read_batch, registered
from lake_assets.raw.ledger import register
from lake_assets.silver.current import merge_batch, merge_tombstones
from lake_assets.transforms.fields import Rules
from publisher.contracts import Contract
from resources.delta_snapshot import snapshot
from resources.tables import LakeTables
from tests.integration.lake.conftest import Lake
from tests.unit.lake.make_events import event, line

DEBTS = "debts"


def loaded(lake: Lake, rules: Rules, low: int) -> Batch:
    """A batch of three debts and a delete of the first, in bronze."""
    rule = rules[DEBTS]
    events = [*(event(rule, low + n, low + n) for n in range(3)), event(rule, low, low + 3, op="delete")]
    lake.land(f"{low}.gz", [line(each) for each in events])
    [number] = register(lake.tables, lake.landing, lake.notifications).batches
    batch = read_batch(lake.tables, number)
    assert load_batch(lake.tables, lake.landing, rules, batch).conservation.holds
    return batch


def contents(tables: LakeTables, batch: Batch) -> BatchContents:
    return replace(count_batch(tables, batch.number, 4, [DEBTS]).contents[DEBTS], newest=None)


def hidden(tables: LakeTables, layer: str, name: str) -> int:
    return sum(file.hidden for file in snapshot(tables.logs, (layer, name)).files)


def compact(tables: LakeTables, layer: str, name: str) -> None:
    tables.spark.sql(f"OPTIMIZE {tables.sql_name(layer, name)}").collect()


def delete(tables: LakeTables, layer: str, name: str, where: str) -> None:
    """By a deletion vector, since the file holds other rows as well."""
    tables.spark.sql(f"DELETE FROM {tables.sql_name(layer, name)} WHERE {where}").collect()
    assert hidden(tables, layer, name) > 0


def test_files_say_what_the_tables_hold(
    lake: Lake, rules: Rules, contracts: dict[str, Contract], monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = lake.tables
    first, second = loaded(lake, rules, 100), loaded(lake, rules, 200)
    for batch in (first, second):
        assert contents(tables, batch) == BatchContents(4, 1, 0)

    compact(tables, "bronze", DEBTS)
    compact(tables, "ops", "objects")
    assert len(snapshot(tables.logs, ("bronze", DEBTS)).files) == 1, "both batches are in one file"
    for batch in (first, second):
        assert contents(tables, batch) == BatchContents(4, 1, 0)
        assert read_batch(tables, batch.number) == batch

    delete(tables, "bronze", DEBTS, f"_batch = {first.number} AND _seq = 101")
    assert contents(tables, first) == BatchContents(3, 1, 0)
    assert contents(tables, second) == BatchContents(4, 1, 0)
    for batch, living in ((first, {102}), (second, {102, 201, 202})):
        found = {DEBTS: contents(tables, batch)}
        assert merge_tombstones(tables, found, batch.number) == 1
        merge_batch(tables, contracts[DEBTS], batch.number, found[DEBTS])
        assert {row._seq for row in tables.read("silver", DEBTS).collect()} == living

    for batch in (first, second):
        finish_batch(tables, batch, Counts(4, 4, 0, 0, True))
    assert pending_batches(tables) == []
    compact(tables, "ops", "batches")
    delete(tables, "ops", "batches", f"_batch = {second.number}")
    assert pending_batches(tables) == [second.number]
    assert oldest_waiting(tables) == second

    monkeypatch.setattr(batches, "SMALL_BYTES", 0)  # as after a long stop: too much to be read here
    assert dict(registered(tables, 0)) == {first.number: None, second.number: None}
    assert oldest_waiting(tables) == second


def test_progress_is_read_where_files_name_columns_otherwise(lake: Lake) -> None:
    tables = lake.tables
    progress.write_all(tables, [progress.Progress("one", 1, None), progress.Progress("history/two", None, "a note")])
    before = progress.read_all(tables)
    assert before["history/two"] == progress.Progress("history/two", None, "a note")
    table = tables.sql_name("ops", "progress")
    tables.spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')").collect()
    found = snapshot(tables.logs, ("ops", "progress"))
    assert not found.plain(found.files)
    assert progress.read_all(tables) == before
    assert progress.find_some(tables, ["one", "nobody"]) == {"one": progress.Progress("one", 1, None)}
