"""The sensor that starts compactions: it looks only at tables that moved, starts a lane once, and keeps away while the lake is closed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterRunStatus

from lake_assets.care.look import Look
from lake_assets.jobs import VACUUM, compaction_of
from lake_assets.sensors import crowded as module
from lake_assets.sensors.crowded import crowded_sensor

LANES = {"ingest": [("bronze", "debts"), ("silver", "debts")], "history": [("silver", "debts_history")]}


@dg.asset
def something() -> None: ...


JOBS = [dg.define_asset_job(compaction_of(lane), selection=[something]) for lane in LANES]


class Tables:
    """What the logs would tell: versions, and which tables have too many files. `looked` is what the sensor asked for."""

    def __init__(self) -> None:
        self.at = {table: 10 for tables in LANES.values() for table in tables}
        self.crowded: set[tuple[str, str]] = set()
        self.looked: list[tuple[str, str]] = []

    def versions(self, tables: Any) -> dict[tuple[str, str], int]:
        return {table: self.at[table] for table in tables}

    def look(self, _: Any, tables: Any) -> list[Look]:
        self.looked += tables
        return [Look(table, 10, 99, 99, 0, 0, 0, 0, 0) for table in tables if table in self.crowded]


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Tables:
    made = Tables()
    monkeypatch.setenv("LAKE_URI", "s3://lake")
    monkeypatch.setattr(module, "DeltaLogs", lambda _: made)
    monkeypatch.setattr(module, "crowded", made.look)
    return made


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def tick(instance: dg.DagsterInstance, cursor: str | None = None) -> tuple[list[str], str | None, str | None]:
    """Which jobs it starts, why none, and its cursor."""
    data = crowded_sensor(JOBS, LANES).evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))
    return [str(request.job_name) for request in data.run_requests or []], data.skip_message, data.cursor


def run(instance: dg.DagsterInstance, job: str, status: DagsterRunStatus) -> None:
    instance.add_run(dg.DagsterRun(job_name=job, status=status))


def test_it_starts_the_lane_in_which_a_table_is_crowded(instance: dg.DagsterInstance, tables: Tables) -> None:
    assert tick(instance)[:2] == ([], "no table has too many small files")
    tables.crowded = {("silver", "debts_history")}
    assert tick(instance)[0] == [compaction_of("history")]


def test_it_looks_again_only_at_what_moved_or_was_crowded(instance: dg.DagsterInstance, tables: Tables) -> None:
    tables.crowded = {("silver", "debts")}
    started, _, cursor = tick(instance)
    assert started == [compaction_of("ingest")]
    tables.at["bronze", "debts"] += module.COMMITS - 1
    tables.crowded, tables.looked = set(), []
    started, _, cursor = tick(instance, cursor)
    assert (started, tables.looked) == ([], [("silver", "debts")])
    tables.at["bronze", "debts"] += 1
    tables.looked = []
    tick(instance, cursor)
    assert tables.looked == [("bronze", "debts")]


def test_a_lane_whose_compaction_waits_or_has_just_been_is_left_alone(instance: dg.DagsterInstance, tables: Tables) -> None:
    tables.crowded = {("silver", "debts"), ("silver", "debts_history")}
    run(instance, compaction_of("ingest"), DagsterRunStatus.STARTING)
    assert tick(instance)[0] == [compaction_of("history")]
    run(instance, compaction_of("history"), DagsterRunStatus.SUCCESS)
    assert tick(instance)[:2] == ([], "compaction is under way, or was just now")


def test_nothing_starts_while_a_run_has_the_lake_for_itself(instance: dg.DagsterInstance, tables: Tables) -> None:
    tables.crowded = {("silver", "debts")}
    run(instance, VACUUM, DagsterRunStatus.STARTED)
    assert tick(instance)[:2] == ([], "a run has the lake for itself")
