"""Proves that the lake's times are the platform's, whatever the zone of the machine that reads them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lake_assets.completeness import complete_until, verify_manifests
from lake_assets.gold.load import load_gold
from lake_assets.metadata import preview
from lake_assets.transforms.fields import Rules
from publisher.contracts import load_contracts
from resources.spark import as_micros, from_micros
from tests.integration.lake.conftest import Lake
from tests.integration.lake.test_ledger_and_completeness import Platform, closed
from tests.unit.lake.make_events import START


@pytest.fixture(autouse=True)
def new_york() -> Iterator[None]:
    """The zone of this process, not of the Spark server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


def test_a_collected_time_is_the_one_that_was_stored_also_in_the_hour_that_clocks_go_through_twice(lake: Lake) -> None:
    stored = [datetime(2026, 11, 1, hour, 30, tzinfo=UTC) for hour in (4, 5, 6, 7)] + [START]
    frame = lake.tables.spark.createDataFrame([(at,) for at in stored], "at TIMESTAMP")
    assert [from_micros(row.at) for row in frame.select(as_micros("at").alias("at")).collect()] == stored
    shown = preview(load_gold(load_contracts(Path("contracts")))["age_groups"], frame.where("day(at) = 24"))
    assert "| 2026-11-24 04:00:00 |" in str(shown["preview"].value)


def test_the_lake_is_complete_up_to_the_moment_that_a_manifest_names(lake: Lake, rules: Rules) -> None:
    platform = Platform(lake, rules)
    first, second = platform.lines(0, 10), platform.lines(10, 20)
    platform.send(second, [platform.manifest(10, 20, second)])
    assert verify_manifests(lake.tables, ["debts"])["debts"].until is None
    platform.send([], [platform.manifest(0, 10, first)])
    (missing,) = verify_manifests(lake.tables, ["debts"])["debts"].open
    assert missing.closed_at == closed(10)
    # The second range is told by its stored verdict now, the first by its manifest.
    platform.send(first, [])
    assert verify_manifests(lake.tables, ["debts"])["debts"].until == closed(20)
    assert complete_until(lake.tables, "debts") == closed(20)
