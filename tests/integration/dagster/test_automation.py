"""The cadence: when a table is built, and what holds it back, through Dagster's own evaluation on a real instance."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster import DagsterRunStatus

from lake_assets.automation import on_cadence
from lake_assets.definitions import defs

EVERYTHING = dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks()
NOON = datetime(2026, 11, 24, 12, 0, 30, tzinfo=UTC)
ABOVE = dg.AssetKey("above")
BOTH = 2
"""The asset below, and the check that is no part of the run above."""


class Verdict(dg.Config):
    """What the check shall say."""

    passes: bool = True


@dg.multi_asset(
    name="above",
    specs=[dg.AssetSpec("above")],
    check_specs=[dg.AssetCheckSpec("holds", asset="above", blocking=True)],
)
def above(config: Verdict) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    yield dg.MaterializeResult(asset_key="above")
    yield dg.AssetCheckResult(asset_key="above", check_name="holds", passed=config.passes)


@dg.asset(deps=[above], automation_condition=on_cadence("* * * * *"))
def below() -> None: ...


@dg.asset_check(asset=above, automation_condition=on_cadence("* * * * *"))
def looked_at() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


ITS_OWN = dg.AssetSelection.assets(ABOVE).without_checks() | dg.AssetSelection.checks(dg.AssetCheckKey(ABOVE, "holds"))
JOB = dg.define_asset_job("above_alone", selection=ITS_OWN)
DEFS = dg.Definitions(assets=[above, below], asset_checks=[looked_at], jobs=[JOB])


class Clock:
    """Ticks of the daemon, a minute apart: what each asks for."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance, self._cursor, self._now = instance, None, NOON
        self.tick()  # the first only looks

    def tick(self) -> int:
        self._now += timedelta(minutes=1)
        result = dg.evaluate_automation_conditions(
            defs=DEFS, asset_selection=EVERYTHING, instance=self._instance, cursor=self._cursor, evaluation_time=self._now
        )
        self._cursor = result.cursor
        return int(result.total_requested)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def clock(instance: dg.DagsterInstance) -> Clock:
    return Clock(instance)


def _run_above(instance: dg.DagsterInstance, *, passes: bool) -> None:
    config = dg.RunConfig(ops={"above": Verdict(passes=passes)})
    done = DEFS.resolve_job_def("above_alone").execute_in_process(run_config=config, instance=instance, raise_on_error=False)
    assert done.success == passes


def _begin_another_run(instance: dg.DagsterInstance) -> None:
    """A run as it is under way: its checks are planned, and have said nothing."""
    job = DEFS.resolve_job_def("above_alone")
    run = instance.create_run_for_job(job, status=DagsterRunStatus.STARTED)
    planned = dg.AssetCheckKey(ABOVE, "holds")
    records = instance.event_log_storage.get_asset_check_execution_history(planned, limit=1)
    assert records[0].run_id == run.run_id, "the run did not announce its check: the case would not be tried"


def test_nothing_is_built_before_what_it_needs(clock: Clock) -> None:
    assert clock.tick() == 0


def test_it_is_built_at_the_next_tick_once(instance: dg.DagsterInstance, clock: Clock) -> None:
    _run_above(instance, passes=True)
    assert clock.tick() == BOTH
    assert clock.tick() == 0, "nothing has changed since"


def test_a_failed_check_holds_it_back_until_one_passes(instance: dg.DagsterInstance, clock: Clock) -> None:
    _run_above(instance, passes=False)
    assert clock.tick() == 0
    _run_above(instance, passes=True)
    assert clock.tick() == BOTH


def test_a_run_that_is_under_way_does_not_hold_it_back(instance: dg.DagsterInstance, clock: Clock) -> None:
    _run_above(instance, passes=True)
    _begin_another_run(instance)
    assert clock.tick() == BOTH


def test_a_run_that_is_under_way_does_not_lift_a_failed_check(instance: dg.DagsterInstance, clock: Clock) -> None:
    _run_above(instance, passes=False)
    _begin_another_run(instance)
    assert clock.tick() == 0


def test_each_condition_of_the_lake_can_be_evaluated(instance: dg.DagsterInstance) -> None:
    result = dg.evaluate_automation_conditions(
        defs=defs.load_fn(), asset_selection=EVERYTHING, instance=instance, evaluation_time=NOON
    )
    assert result.total_requested == 0, "nothing is there yet"
