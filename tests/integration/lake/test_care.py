"""A lake that is compacted again and again, by its own assets, is the lake that it would be: row for row, as of each checkpoint, rolled back and loaded on; and a batch that
waited until its transaction ids are over is there once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta

import dagster as dg
import pytest

from lake_assets.assets.care import compaction_assets, vacuum_asset
from lake_assets.assets.one_batch import Done, take_through
from lake_assets.bronze.load import load_batch
from lake_assets.care.look import Bounds, look
from lake_assets.catalog import Catalog
from lake_assets.raw import batches
from lake_assets.raw.batches import oldest_waiting
from lake_assets.raw.ledger import register
from lake_assets.replay.checkpoints import HISTORY, INGEST, as_of, record
from lake_assets.replay.lanes import history_tables, ingest_tables
from lake_assets.replay.plan import RESTORE
from lake_assets.replay.rollback import roll_back
from lake_assets.transforms.fields import Rules
from lake_assets.transforms.rules import rules_of
from publisher.contracts import Contract
from resources.delta_log import DeltaLogs
from resources.delta_snapshot import snapshots
from resources.table_upkeep import set_properties
from tests.integration.lake.conftest import Lake
from tests.integration.lake.taking import Rows, bring_history, contents, names_of, resource, take_all
from tests.unit.lake.make_events import event, line

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "0")) // 4
BOUNDS = Bounds(files=8 if ROUNDS else 2)
INCREMENTS = max(6, ROUNDS)
"""Six of them with the other tests, fifty with `make faults`."""


@dataclass
class Story:
    lake: Lake
    few: dict[str, Contract]
    rules: Rules
    logs: DeltaLogs

    @property
    def names(self) -> list[tuple[str, str]]:
        return names_of(self.few)

    def rows(self) -> dict[str, Rows]:
        return contents(self.lake.tables, *self.names)

    def increment(self, number: int) -> None:
        """A new row, an old one changed, one deleted now and then, something refused."""
        debts, seq = self.rules["debts"], 10 * number
        lines = [line(event(debts, number, seq)), line(event(debts, max(1, number - 1), seq + 1, op="update")), b"no JSON"]
        if number % 3 == 0:
            lines.append(line(event(debts, number - 2, seq + 2, op="delete")))
        self.lake.land(f"{number}.gz", lines)
        take_all(self.lake, self.rules, self.few)
        bring_history(self.lake, self.few)

    def crowd(self) -> int:
        """The worst table's."""
        return max(look(found).crowd for found in snapshots(self.logs, self.names).values())

    def materialize(self, *assets: dg.AssetsDefinition) -> dict[str, dg.MetadataValue]:
        with dg.DagsterInstance.ephemeral() as instance:
            result = dg.materialize([*assets], resources={"lake": resource(self.lake)}, instance=instance)
            assert result.success
            found = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
        return {"/".join(each.asset_key.path): each.metadata for each in found}


@pytest.fixture(scope="module")
def story(lake: Lake, contracts: dict[str, Contract]) -> Story:
    few = {"debts": contracts["debts"]}
    return Story(lake, few, rules_of(few), DeltaLogs(lake.uri))


def test_compacted_between_increments_the_lake_is_what_it_would_be_and_goes_back_and_on(story: Story) -> None:
    tables, assets = story.lake.tables, compaction_assets(Catalog.load(), BOUNDS)
    then: dict[str, Rows] = {}
    number, shown, worst = 0, {}, 0
    for at in range(1, INCREMENTS + 1):
        story.increment(at)
        worst = max(worst, story.crowd())
        if at == 2:
            record(tables, story.logs, HISTORY, history_tables(story.few), upto_batch=at)
            number = record(tables, story.logs, INGEST, ingest_tables(story.few), upto_batch=at)
            then = story.rows()
        if story.crowd() > BOUNDS.files:
            before = story.rows()
            shown = story.materialize(*assets)
            assert story.rows() == before
            assert story.crowd() <= BOUNDS.files
    assert worst <= BOUNDS.files + 2, "a merge or two may come between two looks"
    assert {"care/compaction_of_ingest"} <= set(shown) <= {f"care/compaction_of_{lane}" for lane in ("ingest", "history")}
    told = shown["care/compaction_of_ingest"]
    assert "| bronze/debts |" in str(told["tables"].value)
    assert int(str(told["files fewer"].value)) > 0

    undisturbed, was = story.rows(), as_of(tables, number)
    for name in ("bronze/debts", "silver/debts", "silver/debts_history"):
        assert was.read(*name.split("/")).count() == then[name].total()
    back = roll_back(resource(story.lake).tables, story.logs, list(story.few.values()), {}, number)
    assert back.plan.why is None
    assert "silver/debts" in {step.name for step in back.plan.of(RESTORE)}
    assert story.rows() == then
    assert take_all(story.lake, story.rules, story.few) == list(range(3, INCREMENTS + 1))
    bring_history(story.lake, story.few)
    assert story.rows() == undisturbed


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
    shown = story.materialize(vacuum_asset(Catalog.load(), kept=timedelta(0)))
    told = shown["care/vacuum"]
    assert "| silver/debts | " in str(told["tables"].value)
    assert int(str(told["files deleted"].value)) > 0
    assert story.rows() == before
