"""The cadence: when a table is built or looked at, and what holds it back, through Dagster's own evaluation on a real instance."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRunStatus

from lake_assets.automation import at_each_tick, on_cadence
from lake_assets.definitions import defs
from publisher.contracts import load_contracts

EVERYTHING = dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks()
NOON = datetime(2026, 11, 24, 12, 0, 30, tzinfo=UTC)
ABOVE = dg.AssetKey("above")
BELOW, LOOKED_AT = dg.AssetKey("below"), dg.AssetCheckKey(ABOVE, "looked_at")


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


@dg.asset_check(asset=above, automation_condition=at_each_tick("* * * * *"))
def looked_at() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


ITS_OWN = dg.AssetSelection.assets(ABOVE).without_checks() | dg.AssetSelection.checks(dg.AssetCheckKey(ABOVE, "holds"))
JOBS = [
    dg.define_asset_job("above_alone", selection=ITS_OWN),
    dg.define_asset_job("check_alone", selection=dg.AssetSelection.checks(LOOKED_AT)),
]
DEFS = dg.Definitions(assets=[above, below], asset_checks=[looked_at], jobs=JOBS)


class Clock:
    """Ticks of the daemon, a minute apart: whether each asks for the asset below, and for the check that is no part of the run above."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance, self._cursor, self._now = instance, None, NOON
        self.tick()  # the first only looks

    def tick(self) -> tuple[bool, bool]:
        self._now += timedelta(minutes=1)
        result = dg.evaluate_automation_conditions(
            defs=DEFS, asset_selection=EVERYTHING, instance=self._instance, cursor=self._cursor, evaluation_time=self._now
        )
        self._cursor = result.cursor
        requested = _requested(result)
        return BELOW in requested, LOOKED_AT in requested


def _requested(result: dg.EvaluateAutomationConditionsResult) -> set[dg.AssetKey | dg.AssetCheckKey]:
    return {each.key for each in result.results if each.true_subset.size}


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


def _begin_another_run(instance: dg.DagsterInstance, job: str = "above_alone", planned: str = "holds") -> None:
    """A run as it is under way: its checks are planned, and have said nothing."""
    run = instance.create_run_for_job(DEFS.resolve_job_def(job), status=DagsterRunStatus.STARTED)
    records = instance.event_log_storage.get_asset_check_execution_history(dg.AssetCheckKey(ABOVE, planned), limit=1)
    assert records[0].run_id == run.run_id, "the run did not announce its check: the case would not be tried"


def test_nothing_is_built_before_what_it_needs(clock: Clock) -> None:
    built, _ = clock.tick()
    assert not built


def test_it_is_built_at_the_next_tick_once(instance: dg.DagsterInstance, clock: Clock) -> None:
    _run_above(instance, passes=True)
    assert clock.tick() == (True, True)
    built, _ = clock.tick()
    assert not built, "nothing has changed since"


def test_a_check_looks_at_each_tick_though_nothing_was_ever_updated(instance: dg.DagsterInstance, clock: Clock) -> None:
    assert [looked for _, looked in (clock.tick(), clock.tick(), clock.tick())] == [True] * 3
    _run_above(instance, passes=True)
    assert clock.tick() == (True, True)
    assert clock.tick() == (False, True), "nothing has changed since, and that is what it is to notice"


def test_a_check_does_not_look_while_it_is_looking(instance: dg.DagsterInstance, clock: Clock) -> None:
    _begin_another_run(instance, "check_alone", "looked_at")
    assert clock.tick() == (False, False)


def test_a_failed_check_holds_it_back_until_one_passes_and_no_other_check(instance: dg.DagsterInstance, clock: Clock) -> None:
    _run_above(instance, passes=False)
    assert clock.tick() == (False, True)
    _run_above(instance, passes=True)
    assert clock.tick() == (True, True)


def test_a_run_that_is_under_way_does_not_hold_it_back(instance: dg.DagsterInstance, clock: Clock) -> None:
    _run_above(instance, passes=True)
    _begin_another_run(instance)
    assert clock.tick() == (True, True)


def test_a_run_that_is_under_way_does_not_lift_a_failed_check(instance: dg.DagsterInstance, clock: Clock) -> None:
    _run_above(instance, passes=False)
    _begin_another_run(instance)
    assert clock.tick() == (False, True)


def test_of_an_empty_lake_each_tick_asks_for_the_checks_of_completeness_of_each_entity_and_of_quarantine_and_for_no_table(
    instance: dg.DagsterInstance,
) -> None:
    first = dg.evaluate_automation_conditions(
        defs=defs.load_fn(), asset_selection=EVERYTHING, instance=instance, evaluation_time=NOON
    )
    assert first.total_requested == 0, "the first only looks"
    later = dg.evaluate_automation_conditions(
        defs=defs.load_fn(),
        asset_selection=EVERYTHING,
        instance=instance,
        cursor=first.cursor,
        evaluation_time=NOON + timedelta(minutes=5),
    )
    expected = {
        dg.AssetCheckKey(dg.AssetKey([layer, entity]), name)
        for entity in load_contracts(Path("contracts"))
        for layer, name in (("bronze", "arrived"), ("silver", "fresh"), ("silver", "same_state"))
    } | {dg.AssetCheckKey(dg.AssetKey(["bronze", "quarantine"]), "empty")}
    assert _requested(later) == expected
