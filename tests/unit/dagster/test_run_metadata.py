"""What the materialisations of silver and of history show of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from lake_assets.assets import history
from lake_assets.assets.ingest_events import silver_events
from lake_assets.bronze.conservation import BatchContents, Conservation
from lake_assets.catalog import Catalog
from lake_assets.raw import alone
from lake_assets.silver.current import SilverResult
from lake_assets.silver.history import HistoryResult
from resources.lake import LakeResource
from resources.spark import SparkConnectResource


def test_silver_shows_how_late_its_newest_event_was_over_all_batches_of_the_run() -> None:
    now = datetime.now(UTC)

    def bronze(**seconds_ago: int) -> Any:
        contents = {name: BatchContents(1, 0, 0, now - timedelta(seconds=ago)) for name, ago in seconds_ago.items()}
        return SimpleNamespace(conservation=Conservation(len(contents), contents, 0, 0))

    def silver(*entities: str) -> dict[str, SilverResult]:
        return {entity: SilverResult(entity, 1, 1, 0, 0, 0) for entity in entities}

    loaded = [bronze(debts=60, plans=500), bronze(debts=90), bronze(debts=5)]  # the third did not come to silver
    shown: dict[str, Any] = {
        dg.AssetKey.from_coercible(event.asset_key).path[-1]: event.metadata
        for event in silver_events([silver("debts", "plans"), silver("debts")], loaded)
        if event.asset_key
    }
    assert shown["debts"]["inserted"] == 2
    assert shown["debts"]["lag in seconds"] == pytest.approx(60, abs=5)
    assert shown["plans"]["lag in seconds"] == pytest.approx(500, abs=5)


class Lake(LakeResource):
    """A lake without Spark."""

    @contextmanager
    def tables(self, name: str) -> Iterator[Any]:
        yield SimpleNamespace(lake_uri="s3://lake")


def test_history_shows_how_many_rows_it_has_and_got_under_names_that_dagster_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def update(_: Any, contracts: Iterable[Any], upto: int) -> Iterator[HistoryResult]:
        for contract in contracts:
            yield HistoryResult(contract.entity, upto - 2 if contract.entity == "debts" else upto, upto, 7, 3)

    monkeypatch.setattr(history, "finished_below", lambda _: 12)
    monkeypatch.setattr(history, "update_histories", update)
    monkeypatch.setattr(history, "snapshot", lambda *_: SimpleNamespace(rows=40))
    monkeypatch.setattr(alone, "look", lambda *_: {})
    monkeypatch.setattr(history, "DeltaLogs", lambda _: None)
    left: list[Any] = []
    monkeypatch.setattr(
        history, "record", lambda *given, **more: left.append((given[2], len(list(given[3])), more["upto_batch"]))
    )
    lake = Lake(spark=SparkConnectResource(remote="sc://nowhere"), uri="s3://lake")
    with dg.DagsterInstance.ephemeral() as instance:
        assets = [history.history_assets(Catalog.load(), "0 * * * *")]
        result = dg.materialize(assets, resources={"lake": lake}, instance=instance)
    (event,) = result.get_asset_materialization_events()
    shown = {name: value.value for name, value in event.materialization.metadata.items()}
    assert event.asset_key == dg.AssetKey(["silver", "debts_history"])
    assert shown == {
        "dagster/row_count": 40,
        "rows added": 7,
        "rows changed": 3,
        "from batch": 11,
        "up to batch": 12,
        "batches loaded again": 0,
    }
    assert left == [("history", 7, 12)], "a checkpoint of all histories"
