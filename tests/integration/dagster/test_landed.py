"""The sensor: when it starts a run, when it waits, and how it comes back after failures."""

from __future__ import annotations

import json
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster import DagsterRunStatus

from demo.cloud.ministack import Emulator
from lake_assets.jobs import GOES_ON
from lake_assets.sensors.landed import landed_sensor
from resources.notifications import NotificationsResource


@dg.asset
def something() -> None: ...


INGEST = dg.define_asset_job("ingest", selection=[something])
SENSOR = landed_sensor(INGEST)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def queue(cloud: Emulator, prefix: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    return str(cloud.client("sqs").create_queue(QueueName=prefix)["QueueUrl"])


def _tick(instance: dg.DagsterInstance, queue: str) -> list[dg.RunRequest | dg.SkipReason]:
    context = dg.build_sensor_context(instance=instance, resources={"notifications": NotificationsResource(queue_url=queue)})
    data = SENSOR.evaluate_tick(context)
    return list(data.run_requests or []) or [dg.SkipReason(data.skip_message)]


def _land(cloud: Emulator, queue: str) -> None:
    cloud.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps({"Records": []}))


def _run(instance: dg.DagsterInstance, status: DagsterRunStatus) -> dg.DagsterRun:
    return instance.create_run_for_job(INGEST.resolve(asset_graph=_graph()), status=status)


def _graph() -> object:
    return dg.Definitions(assets=[something], jobs=[INGEST]).resolve_asset_graph()


def test_no_run_starts_when_nothing_has_landed(instance: dg.DagsterInstance, queue: str) -> None:
    [skip] = _tick(instance, queue)
    assert isinstance(skip, dg.SkipReason)
    assert skip.skip_message == "nothing has landed"


def test_a_run_starts_when_something_has_landed_and_the_message_stays(
    instance: dg.DagsterInstance, queue: str, cloud: Emulator
) -> None:
    _land(cloud, queue)
    [request] = _tick(instance, queue)
    assert isinstance(request, dg.RunRequest)
    assert request.tags["pushlake/lane"] == "ingest"
    [again] = _tick(instance, queue)
    assert isinstance(again, dg.RunRequest), "the sensor only looks: the message is for the run"


@pytest.mark.parametrize("status", [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
def test_one_run_at_a_time(instance: dg.DagsterInstance, queue: str, cloud: Emulator, status: DagsterRunStatus) -> None:
    _land(cloud, queue)
    _run(instance, status)
    [skip] = _tick(instance, queue)
    assert isinstance(skip, dg.SkipReason)
    assert "under way" in str(skip.skip_message)


def test_a_run_that_left_batches_is_followed_by_another_though_nothing_has_landed(
    instance: dg.DagsterInstance, queue: str
) -> None:
    took_its_fill = _run(instance, DagsterRunStatus.SUCCESS)
    [skip] = _tick(instance, queue)
    assert isinstance(skip, dg.SkipReason)
    instance.add_run_tags(took_its_fill.run_id, GOES_ON)
    [request] = _tick(instance, queue)
    assert isinstance(request, dg.RunRequest)
    _run(instance, DagsterRunStatus.SUCCESS)
    [skip] = _tick(instance, queue)
    assert isinstance(skip, dg.SkipReason), "that run found the rest"
    _run(instance, DagsterRunStatus.CANCELED)
    [request] = _tick(instance, queue)
    assert isinstance(request, dg.RunRequest)


def test_after_a_failure_it_waits_and_then_tries_again_though_nothing_new_has_landed(
    instance: dg.DagsterInstance, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(instance, DagsterRunStatus.FAILURE)
    [skip] = _tick(instance, queue)
    assert isinstance(skip, dg.SkipReason)
    assert "the last 1 runs failed" in str(skip.skip_message)
    monkeypatch.setattr("lake_assets.sensors.landed.pause", lambda failures: 0.0)
    [request] = _tick(instance, queue)
    assert isinstance(request, dg.RunRequest)
