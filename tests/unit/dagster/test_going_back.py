"""What the UI's ways back ask for and show: a backfill of hours, the job `replay`, the job `rollback`. What the steps do to tables is proven on
real ones in tests/integration/lake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from lake_assets.assets import replay
from lake_assets.catalog import Catalog
from lake_assets.jobs import GOES_ON, INGEST
from lake_assets.replay.again import Replayed
from lake_assets.replay.choose import Choice
from lake_assets.replay.plan import RESTORE, Plan, Step
from lake_assets.replay.quarantine import Refused
from lake_assets.replay.rollback import RolledBack
from resources.lake import LakeResource
from resources.landing import LandingResource
from resources.spark import SparkConnectResource

HOURS = {"2026-11-24-04:00": [1, 2], "2026-11-24-05:00": [2, 3], "2026-11-24-06:00": []}


class Lake(LakeResource):
    """A lake without Spark."""

    @contextmanager
    def tables(self, name: str) -> Iterator[Any]:
        yield SimpleNamespace(lake_uri="s3://lake", exists=lambda *_: True)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the steps were asked for."""
    seen: list[Any] = []

    def choose(_: Any, choice: Choice) -> list[int]:
        seen.append(choice)
        return [batch for hour in choice.hours for batch in HOURS[hour]] if choice.hours else [7]

    def load(*given: Any) -> list[Replayed]:
        batches: Sequence[int] = given[4]
        tell: Callable[[Replayed, int], None] = given[5]
        seen.append(list(batches))
        kept: Any = SimpleNamespace(holds=True)
        results = [Replayed(b, 1, 4, Counter({"wrong type": 2}), Counter(), {"debts": 2}, kept, {}) for b in batches]
        for each in results:
            tell(each, len(results))
        return results

    monkeypatch.setattr(replay.closed, "look", lambda *_: {})
    monkeypatch.setattr(LandingResource, "open", lambda _: None)
    for name, stand_in in {
        "choose": choose, "replay": load, "expire": lambda *_: 3, "DeltaLogs": lambda _: None,
        "record": lambda *_, **__: 1, "finished_below": lambda _: 9,
    }.items():  # fmt: skip
        monkeypatch.setattr(replay, name, stand_in)
    return seen


@pytest.fixture
def resources() -> dict[str, Any]:
    lake = Lake(spark=SparkConnectResource(remote="sc://nowhere"), uri="s3://lake")
    return {"lake": lake, "landing": LandingResource(landing_uri="s3://landing")}


def test_a_backfill_of_hours_is_one_run_that_loads_each_batch_once_and_shows_each_hour(
    asked: list[Any], resources: dict[str, Any]
) -> None:
    first, *_, last = HOURS
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [replay.hours_asset(Catalog.load())], resources=resources, instance=instance,
            tags={"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last},
        )  # fmt: skip
        there = instance.get_materialized_partitions(dg.AssetKey(["raw", "hours"]))
        silver = instance.get_latest_materialization_event(dg.AssetKey(["silver", "debts"]))
    assert result.success
    assert there == set(HOURS)
    assert [each for each in asked if isinstance(each, list)] == [[1, 2], [3], []]
    assert silver is not None, "history and gold follow what a replay changed"


def test_one_hour_is_one_materialisation(asked: list[Any], resources: dict[str, Any]) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize(
            [replay.hours_asset(Catalog.load())], resources=resources, instance=instance, partition_key="2026-11-24-05:00"
        )
        there = instance.get_materialized_partitions(dg.AssetKey(["raw", "hours"]))
    assert there == {"2026-11-24-05:00"}


def test_the_job_replay_shows_what_was_in_quarantine_and_is_now(asked: list[Any], resources: dict[str, Any]) -> None:
    config = dg.RunConfig(ops={"load_again": replay.ReplayConfig(reasons=["wrong type"])})
    with dg.DagsterInstance.ephemeral() as instance:
        result = replay.replay_job(Catalog.load()).execute_in_process(run_config=config, resources=resources, instance=instance)
    assert asked == [Choice(reasons=["wrong type"], batches=[], objects=[], hours=[]), [7]]
    (output,) = [event for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_OUTPUT]
    metadata = output.step_output_data.metadata
    assert "| wrong type | 2 | 0 |" in metadata["quarantine"].value
    assert metadata["expired"].value == 3


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_rollback_shows_its_plan_and_only_acts_when_it_is_told_to(
    dry_run: bool, asked: list[Any], resources: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Step(("silver", "debts"), "ingest", RESTORE, 9, 4)
    planned = Plan(17, datetime(2026, 11, 24, tzinfo=UTC), 3, None, [step], [4, 5], 3)
    done: list[int] = []

    @contextmanager
    def alone(*_: Any, **given: Any) -> Iterator[bool]:
        assert given["finish"], "half rolled back, the lake stays closed"
        yield False

    def back(*given: Any) -> RolledBack:
        done.append(given[4])
        return RolledBack(planned, 2, 18, {})

    monkeypatch.setattr(replay, "alone", alone)
    monkeypatch.setattr(replay, "begun", lambda _: None)
    monkeypatch.setattr(replay, "plan", lambda *_: planned)
    monkeypatch.setattr(replay, "roll_back", back)
    config = dg.RunConfig(ops={"roll_tables_back": replay.RollbackConfig(to=17, dry_run=dry_run)})
    with dg.DagsterInstance.ephemeral() as instance:
        ingest = dg.DagsterRun(job_name=INGEST, status=dg.DagsterRunStatus.SUCCESS)
        instance.add_run(ingest)
        job = replay.rollback_job(Catalog.load())
        result = job.execute_in_process(run_config=config, resources={"lake": resources["lake"]}, instance=instance)
        last = instance.get_run_by_id(ingest.run_id)
        shown = instance.get_latest_materialization_event(dg.AssetKey(["silver", "debts"]))
    (output,) = [event for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_OUTPUT]
    assert "| `silver/debts` | restore | 9 | 4 |" in output.step_output_data.metadata["plan"].value
    assert done == ([] if dry_run else [17])
    assert (last is not None and GOES_ON.items() <= last.tags.items()) == (not dry_run), (
        "the batches that wait are taken though nothing lands"
    )
    assert (shown is None) == dry_run


def test_quarantine_is_shown_by_reason_and_age(
    asked: list[Any], resources: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    found = [Refused("wrong type", "debts", 1200, 3, 2, now, now)]
    monkeypatch.setattr(replay, "refused", lambda _: found)

    @dg.asset(key=["bronze", "quarantine"])
    def quarantine() -> None: ...

    with dg.DagsterInstance.ephemeral() as instance:
        checked = dg.Definitions(assets=[quarantine], asset_checks=[replay.quarantine_check("* * * * *")], resources=resources)
        result = checked.resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)
    (verdict,) = result.get_asset_check_evaluations()
    assert not verdict.passed
    assert "| wrong type | debts | 1,200 | 3 | 2 | 0 min | 0 min |" in verdict.metadata["by reason"].value
