"""An exchange of silver waits for the runs that were at work when it was announced, and for no others."""

from __future__ import annotations

import threading
import time

import dagster as dg
import pytest

from lake_assets.runs import others_have_ended


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


def run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> str:
    made = dg.DagsterRun(job_name="refresh", status=status)
    instance.add_run(made)
    return made.run_id


def test_itself_and_what_is_over_or_not_begun_are_not_waited_for(instance: dg.DagsterInstance) -> None:
    mine = run(instance, dg.DagsterRunStatus.STARTED)
    for status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.NOT_STARTED):
        run(instance, status)
    assert others_have_ended(instance, mine, patience_seconds=0.0)


def test_another_run_at_work_is_waited_for_until_patience_ends(instance: dg.DagsterInstance) -> None:
    mine = run(instance, dg.DagsterRunStatus.STARTED)
    run(instance, dg.DagsterRunStatus.STARTED)
    assert not others_have_ended(instance, mine, patience_seconds=0.0)


def test_it_goes_on_when_the_other_has_ended_whatever_has_begun_since(instance: dg.DagsterInstance) -> None:
    mine, other = run(instance, dg.DagsterRunStatus.STARTED), run(instance, dg.DagsterRunStatus.STARTED)

    def ends() -> None:
        time.sleep(0.2)
        run(instance, dg.DagsterRunStatus.STARTED)
        instance.handle_run_event(
            other,
            dg.DagsterEvent(event_type_value=dg.DagsterEventType.RUN_SUCCESS.value, job_name="refresh"),
        )

    thread = threading.Thread(target=ends)
    thread.start()
    assert others_have_ended(instance, mine, patience_seconds=30.0)
    thread.join()
