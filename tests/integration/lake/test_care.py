"""A lake that is compacted by its own assets is row for row the lake that it was, now and as of a checkpoint; and a batch that waited until its transaction ids are over is there once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lake_assets.assets.care import compaction_assets, vacuum_asset
from lake_assets.assets.one_batch import Done, take_through
from lake_assets.bronze.load import load_batch
from lake_assets.care.look import Bounds
from lake_assets.catalog import Catalog
from lake_assets.raw import batches
from lake_assets.raw.batches import oldest_waiting
from lake_assets.raw.ledger import register
from lake_assets.replay.checkpoints import INGEST, as_of, record
from lake_assets.replay.lanes import ingest_tables
from publisher.contracts import Contract
from resources.table_upkeep import set_properties
from tests.integration.lake.caring import Story
from tests.integration.lake.conftest import Lake
from tests.integration.lake.taking import resource
from tests.unit.lake.make_events import event, line

FEW = Bounds(files=2)


@pytest.fixture(scope="module")
def story(lake: Lake, contracts: dict[str, Contract]) -> Story:
    return Story.of(lake, contracts)


def test_a_compacted_lake_is_row_for_row_what_it_was_now_and_as_of_before(story: Story) -> None:
    tables = story.lake.tables
    for at in range(1, 5):
        story.increment(at, history=False)
    number = record(tables, story.logs, INGEST, ingest_tables(story.few), upto_batch=4)
    before, crowd = story.rows(), story.crowd()
    assert crowd > FEW.files
    shown = story.materialize(*compaction_assets(Catalog.load(), FEW))
    told = shown["care/compaction_of_ingest"]
    assert set(shown) == {"care/compaction_of_ingest"}, "no other lane is crowded"
    assert "| bronze/debts | 4 → 1 |" in str(told["tables"].value)
    assert int(str(told["files fewer"].value)) >= 3
    assert story.crowd() <= FEW.files
    assert story.rows() == before
    was = as_of(tables, number)
    assert was.version("bronze", "debts") < story.logs.versions([("bronze", "debts")])["bronze", "debts"]
    for name in ("bronze/debts", "silver/debts"):
        assert was.read(*name.split("/")).count() == before[name].total()


def test_a_batch_that_waited_until_its_ids_are_over_is_there_once(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run died between bronze and silver, and nobody took the batch up for weeks."""
    tables = story.lake.tables
    story.lake.land(
        "late.gz", [line(event(story.rules["debts"], 90, 901)), line(event(story.rules["debts"], 90, 902, op="delete")), b"no"]
    )
    register(tables, story.lake.landing, story.lake.notifications)
    batch = oldest_waiting(tables)
    assert batch is not None
    assert not batch.may_be_forgotten
    load_batch(tables, story.lake.landing, story.rules, batch)
    for name in (("bronze", "debts"), ("ops", "quarantine"), ("ops", "tombstones")):
        set_properties(tables, *name, {"delta.setTransactionRetentionDuration": "interval 0 seconds"})
    monkeypatch.setattr(batches, "REMEMBERED", timedelta(0))
    assert batch.may_be_forgotten
    done = Done()
    for _ in range(2):
        take_through(resource(story.lake), story.lake.landing, story.rules, story.few.values(), batch, done)
    assert done.conserved
    for layer, name, held in (("bronze", "debts", 2), ("ops", "quarantine", 1)):
        assert tables.read(layer, name).where(f"_batch = {batch.number}").count() == held
    assert tables.read("ops", "tombstones").where("seq = 902").count() == 1


def test_vacuum_has_the_lake_to_itself_and_shows_what_it_deleted(story: Story) -> None:
    tables, before = story.lake.tables, story.rows()
    assert story.materialize(vacuum_asset(Catalog.load())) == {}, (
        "nothing is seven days old, and the lake is not closed for nothing"
    )
    for name in (("silver", "debts"), ("bronze", "debts")):
        set_properties(tables, *name, {"delta.deletedFileRetentionDuration": "interval 0 seconds"})
    shown = story.materialize(vacuum_asset(Catalog.load()))
    told = shown["care/vacuum"]
    assert "| silver/debts | " in str(told["tables"].value)
    assert int(str(told["files deleted"].value)) > 0
    assert story.rows() == before
