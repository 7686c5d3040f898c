"""What a refresh of gold leaves in Dagster's event log, which outlives the tables and any erasure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from lake_assets.assets import gold
from lake_assets.catalog import Catalog
from lake_assets.gold.engine import GoldResult
from lake_assets.raw import alone
from resources.lake import LakeResource
from resources.spark import SparkConnectResource

BALANCE = 123_456_789


class Rows:
    """A table of one row."""

    columns = ("balance_pence",)

    def limit(self, _: int) -> Rows:
        return self

    def collect(self) -> list[tuple[int]]:
        return [(BALANCE,)]


class Lake(LakeResource):
    """A lake without Spark, in which every table is the same."""

    @contextmanager
    def tables(self, name: str) -> Iterator[Any]:
        yield SimpleNamespace(spark=None, lake_uri="s3://lake", read=lambda *_: Rows())


def test_only_tables_with_a_smallest_cell_show_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gold, "build", lambda *_: GoldResult(rows=1, suppressed=0, as_of=date(2026, 11, 24), seconds=1.0))
    monkeypatch.setattr(gold, "check_refreshes", lambda *_: 0)
    monkeypatch.setattr(gold, "interpreted", lambda *_, **__: nullcontext())
    monkeypatch.setattr(gold, "are_small", lambda *_: True)
    monkeypatch.setattr(alone, "look", lambda *_: {})
    monkeypatch.setattr(gold, "DeltaLogs", lambda _: None)
    monkeypatch.setattr(gold, "record", lambda *_, **__: 1)
    catalog = Catalog.load()
    table = catalog.gold["portfolio"]
    catalog.gold["portfolio"] = replace(table, header=replace(table.header, smallest_cell=None))
    lake = Lake(spark=SparkConnectResource(remote="sc://nowhere"), uri="s3://lake")
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([gold.gold_assets(catalog, "0 * * * *")], resources={"lake": lake}, instance=instance)
        log = {event.asset_key.path[-1]: str(event) for event in result.get_asset_materialization_events() if event.asset_key}
    shown = {name for name, text in log.items() if str(BALANCE) in text}
    assert set(log) == set(catalog.gold)
    assert shown == set(catalog.gold) - {"portfolio"}, "a cell of it could hold one debtor's balance"
