"""The lake closed for one run: who comes then ends, who died keeps it closed only while something is half done, and nobody else opens it."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from lake_assets.raw.alone import LakeTaken, closing, left_to_finish, look
from lake_assets.runs import alone, kept_out
from tests.integration.lake.conftest import Lake


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


def begin(instance: dg.DagsterInstance) -> str:
    made = dg.DagsterRun(job_name="any", status=dg.DagsterRunStatus.STARTED)
    instance.add_run(made)
    return made.run_id


def die(instance: dg.DagsterInstance, run_id: str) -> None:
    instance.handle_run_event(run_id, dg.DagsterEvent(event_type_value=dg.DagsterEventType.RUN_FAILURE.value, job_name="any"))


def step(instance: dg.DagsterInstance, run_id: str) -> Any:
    return SimpleNamespace(instance=instance, run=SimpleNamespace(run_id=run_id), log=logging.getLogger("test"))


def test_the_lake_is_closed_while_a_run_has_it_and_stays_so_only_where_something_must_be_finished(
    lake: Lake, instance: dg.DagsterInstance
) -> None:
    def away(run_id: str) -> bool:
        return kept_out(step(instance, run_id), look(lake.tables))

    reader, first = "a reader's run", begin(instance)
    assert not away(reader), "nobody ever closed it"
    with alone(lake.open, instance, first, "vacuum", finish=False) as again:
        assert (away(reader), away(first), again) == (True, False, False)
        assert kept_out(step(instance, reader), look(lake.tables), "vacuum"), "it is at work: there is nothing to finish"
        with (
            pytest.raises(LakeTaken, match="closed for vacuum by run"),
            alone(lake.open, instance, "other", "erasure", finish=True),
        ):
            pass
    assert not away(reader)
    with pytest.raises(ValueError, match="it failed"), alone(lake.open, instance, first, "vacuum", finish=False):
        raise ValueError("it failed")
    assert not away(reader), "nothing of a vacuum is half done"
    die(instance, first)

    second = begin(instance)
    with pytest.raises(ValueError, match="it failed"), alone(lake.open, instance, second, "erasure", finish=True):
        raise ValueError("it failed")
    die(instance, second)
    assert away(reader), "an erasure that died is half done"
    assert not kept_out(step(instance, reader), look(lake.tables), "erasure"), "a run that finishes it may begin"
    assert left_to_finish(look(lake.tables), "erasure")
    assert not left_to_finish(look(lake.tables), "vacuum")
    third = begin(instance)
    with pytest.raises(LakeTaken, match="start the job erasure again"), alone(lake.open, instance, third, "vacuum", finish=False):
        pass
    busy = begin(instance)
    with (
        pytest.raises(dg.Failure, match="no other run is at work"),
        alone(lake.open, instance, third, "erasure", finish=True, patience_seconds=0.0),
    ):
        pass
    assert away(reader), "what died is still half done"
    die(instance, busy)
    with alone(lake.open, instance, third, "erasure", finish=True) as again:
        assert again
    assert not away(reader)
    assert closing(look(lake.tables)) is None


def test_a_run_that_waits_in_vain_leaves_the_lake_open(lake: Lake, instance: dg.DagsterInstance) -> None:
    begin(instance)
    with pytest.raises(dg.Failure), alone(lake.open, instance, begin(instance), "vacuum", finish=False, patience_seconds=0.0):
        pass
    assert closing(look(lake.tables)) is None
