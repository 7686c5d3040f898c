"""Compacted again and again between small increments, by its own assets, the lake keeps its files few and is the lake that it would be: row for row, as of a checkpoint, rolled back
behind compactions and loaded on. With `make faults` only."""

from __future__ import annotations

import os

import pytest

from lake_assets.assets.care import compaction_assets
from lake_assets.care.look import Bounds
from lake_assets.catalog import Catalog
from lake_assets.replay.checkpoints import HISTORY, INGEST, as_of, record
from lake_assets.replay.lanes import history_tables, ingest_tables
from lake_assets.replay.plan import RESTORE
from lake_assets.replay.rollback import roll_back
from publisher.contracts import Contract
from tests.integration.lake.caring import Story
from tests.integration.lake.conftest import Lake
from tests.integration.lake.taking import Rows, bring_history, resource, take_all

INCREMENTS = max(20, int(os.environ.get("FAULT_ROUNDS", "0")) // 4)
"""Each costs a run, some ten seconds of a busy machine."""

BOUNDS = Bounds(files=8)


@pytest.mark.long
def test_compacted_between_increments_the_lake_is_what_it_would_be_and_goes_back_and_on(
    lake: Lake, contracts: dict[str, Contract]
) -> None:
    story = Story.of(lake, contracts)
    tables, assets = lake.tables, compaction_assets(Catalog.load(), BOUNDS)
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
