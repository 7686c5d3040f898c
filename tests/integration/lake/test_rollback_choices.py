"""What a rollback refuses, and what it does with gold: it comes back while its files are there, with all that it has ever shown remembered, and stays where
they are not."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from lake_assets.deploy.rename import DONE, Rename
from lake_assets.gold.engine import build
from lake_assets.gold.load import load_gold
from lake_assets.gold.model import GoldTable
from lake_assets.gold.refreshes import definition, memory, noted
from lake_assets.raw import progress
from lake_assets.replay.checkpoints import GOLD, HISTORY, INGEST, BehindErasure, as_of, record
from lake_assets.replay.lanes import gold_tables, history_tables, ingest_tables
from lake_assets.replay.plan import LEAVE, RESTORE, REWRITE, OtherKey, OtherName, Plan, plan
from lake_assets.replay.rollback import RolledBack, roll_back
from lake_assets.silver import rekey
from lake_assets.transforms import schemas
from lake_assets.transforms.rules import rules_of
from publisher.contracts import Contract
from resources.delta_log import DeltaLogs
from resources.table_upkeep import keep_present_version
from resources.tables import LakeTables
from tests.integration.lake.conftest import Lake
from tests.integration.lake.taking import bring_history, resource, take_all
from tests.unit.gold.conftest import header
from tests.unit.lake.make_events import event, line

SQL = "SELECT d.product, count(DISTINCT d.customer_id) AS people FROM silver.debts AS d GROUP BY d.product"


@dataclass
class Story:
    lake: Lake
    logs: DeltaLogs
    contracts: dict[str, Contract]
    gold: dict[str, GoldTable]
    number: int
    shown: list[set[str]]
    """The products that gold showed at the checkpoint, after it, and when it was back."""
    kept: set[str]
    remembered: set[str]
    noted: str | None
    with_files: Plan
    without: RolledBack
    rows_without: tuple[int, int]
    """Of silver and the products of gold, behind a vacuum of gold."""

    def planned(self, contracts: dict[str, Contract]) -> Plan:
        return plan(self.lake.tables, self.logs, list(contracts.values()), list(self.gold), self.number)


def products(tables: LakeTables, layer: str, name: str) -> set[str]:
    return {row["product"] for row in tables.read(layer, name).collect()}


@pytest.fixture(scope="module")
def story(lake: Lake, contracts: dict[str, Contract], tmp_path_factory: pytest.TempPathFactory) -> Story:
    few = {"debts": contracts["debts"]}
    rules, tables, logs, every = rules_of(few), lake.tables, DeltaLogs(lake.uri), list(few.values())
    folder = tmp_path_factory.mktemp("sql")
    (folder / "products.sql").write_text(
        header("product people", "product", "people < 10 suppresses people") + SQL, encoding="utf-8"
    )
    gold = load_gold(contracts, folder)
    table, shown = gold["products"], list[set[str]]()

    def refresh() -> None:
        build(table, tables.spark, tables.lake_uri)
        shown.append(products(tables, "gold", "products"))

    lake.land("a.gz", [line(event(rules["debts"], 1, 1))])
    take_all(lake, rules, few)
    bring_history(lake, few)
    refresh()
    record(tables, logs, GOLD, gold_tables(gold), upto_batch=None)
    record(tables, logs, HISTORY, history_tables(few), upto_batch=1)
    number = record(tables, logs, INGEST, ingest_tables(few), upto_batch=1)
    lake.land("b.gz", [line(event(rules["debts"], key, key)) for key in range(2, 12)])
    take_all(lake, rules, few)
    refresh()
    with_files = plan(tables, logs, every, list(gold), number)
    roll_back(resource(lake).tables, logs, every, gold, number)
    shown.append(products(tables, "gold", "products"))
    remembered, note = products(tables, *memory(table)), noted(tables, table, 1)[0][1]
    take_all(lake, rules, few)
    build(table, tables.spark, tables.lake_uri)
    kept = products(tables, "gold", "products")
    keep_present_version(tables, "gold", "products")
    without = roll_back(resource(lake).tables, logs, every, gold, number)
    rows = tables.read("silver", "debts").count(), len(products(tables, "gold", "products"))
    return Story(lake, logs, few, gold, number, shown, kept, remembered, note, with_files, without, rows)


def how(planned: Plan) -> dict[str, str]:
    return {step.name: step.how for step in planned.steps}


def test_gold_comes_back_and_what_it_showed_since_stays_remembered(story: Story) -> None:
    then, since, back = story.shown
    assert how(story.with_files)["gold/products"] == REWRITE
    assert then < since
    assert back == then
    assert story.remembered >= since, "what people have seen can be subtracted from what they will see"
    assert story.noted == definition(story.gold["products"]), "the next refresh knows what it was made by"


def test_gold_stays_where_its_files_are_gone_and_the_rest_is_restored_all_the_same(story: Story) -> None:
    done = how(story.without.plan)
    assert done["gold/products"] == LEAVE
    assert (story.without.plan.why, done["silver/debts"]) == (None, RESTORE)
    assert story.rows_without == (1, len(story.kept))


def test_a_checkpoint_of_before_an_entity_was_renamed_is_refused(story: Story) -> None:
    debts = story.contracts["debts"]
    told = r"Checkpoint \d+ holds debts, which is accounts now.*Choose a checkpoint after the renaming"
    with pytest.raises(OtherName, match=told):  # deployed, and not taken over yet
        story.planned({"accounts": replace(debts, entity="accounts", renamed_from="debts")})
    progress.write(story.lake.tables, Rename("accounts", "debts").progress, note=DONE)
    with pytest.raises(OtherName, match="holds debts, which is an entity of another name now"):  # a later version says it no more
        story.planned({"accounts": replace(debts, entity="accounts")})
    after = record(story.lake.tables, story.logs, INGEST, ingest_tables(["accounts"]), upto_batch=1)
    renamed = [replace(debts, entity="accounts")]
    assert plan(story.lake.tables, story.logs, renamed, [], after).to == after, "one of after it is as ever"


def test_a_checkpoint_of_another_pseudonym_key_is_refused(story: Story) -> None:
    progress.write(story.lake.tables, rekey.NAME, position=2)
    with pytest.raises(OtherKey, match=r"is of pseudonym key 1, and silver is under key 2.*Choose a checkpoint after"):
        story.planned({"debts": replace(story.contracts["debts"], key_version=2)})
    progress.write(story.lake.tables, rekey.NAME, position=1)


def test_a_checkpoint_of_before_an_erasure_is_not_read(story: Story) -> None:
    tables, at = story.lake.tables, datetime.now(UTC) + timedelta(seconds=1)
    assert as_of(tables, story.number).number == story.number
    row = {name: {"integer": 0, "string": json.dumps({}), "timestamp": at}[kind] for name, kind, *_ in schemas.ERASURES}
    tables.append("ops", "erasures", tables.spark.createDataFrame([row], schemas.struct(schemas.ERASURES)), batch=1)
    with pytest.raises(BehindErasure, match=f"Checkpoint {story.number} is older than the erasure of "):
        as_of(tables, story.number)
