"""What a tick, a gold table or a notification fails on stays out of what Dagster keeps, as what any other step fails on does.

Belongs here: what test_errors_without_values.py does not reach, since it fails before. Not here: the guard's own cases.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from botocore.exceptions import ClientError
from dagster._utils.error import serializable_error_info_from_exc_info

from lake_assets.sensors.landed import landed_sensor
from resources.lake import LakeResource
from resources.landing import LandingResource
from resources.notifications import NotificationsResource
from tests.integration.dagster.test_errors_without_values import CANARY, FAILURES, kept, repository  # noqa: F401 (a fixture)
from tests.integration.dagster.test_landed import INGEST

REFUSAL = ClientError({"Error": {"Code": "AccessDenied", "Message": f"not {CANARY}"}, "ResponseMetadata": {}}, "ReceiveMessage")  # type: ignore[typeddict-item]


def refuse(*_: Any, **__: Any) -> Any:
    """As a cloud's client does, whose error quotes what it was asked for."""
    raise REFUSAL


def kept_of_a_tick(sensor: dg.SensorDefinition) -> str:
    """What Dagster stores of a tick that fails: message, stack and causes, as its daemon would write them to the ticks' table."""
    with dg.DagsterInstance.ephemeral() as instance:
        resources = {"notifications": NotificationsResource(queue_url="any")}
        try:
            with dg.build_sensor_context(instance=instance, resources=resources) as context:
                sensor.evaluate_tick(context)
        except Exception:  # noqa: BLE001 (whatever the daemon would get)
            return str(serializable_error_info_from_exc_info(sys.exc_info()))
    raise AssertionError("the tick did not fail")


@pytest.mark.parametrize("failure", [*FAILURES, "cloud"])
def test_a_tick_that_fails_keeps_no_value(
    failure: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fail, told = (refuse, "botocore.exceptions.ClientError at ") if failure == "cloud" else FAILURES[failure]
    monkeypatch.setattr(NotificationsResource, "open", lambda _: fail())

    stored = kept_of_a_tick(landed_sensor(INGEST))

    assert told in stored
    assert CANARY not in stored + "".join(capfd.readouterr())


def test_a_tick_without_the_guard_would_keep_it() -> None:
    @dg.sensor(job=INGEST)
    def careless(notifications: dg.ResourceParam[NotificationsResource]) -> None:
        refuse()

    assert CANARY in kept_of_a_tick(careless)


@pytest.mark.parametrize(("job", "step"), [("refresh", "gold"), ("ingest", "batch")])
def test_no_value_that_a_later_step_fails_on_is_kept_or_printed(
    repository: dg.RepositoryDefinition,  # noqa: F811
    job: str,
    step: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Alone, as whoever clicks on one table in the UI: gold fails in a thread of its own, a batch where it asks the cloud."""
    monkeypatch.setattr(LakeResource, "tables", refuse)
    monkeypatch.setattr(LandingResource, "open", refuse)
    monkeypatch.setattr(NotificationsResource, "open", refuse)
    assets = repository.assets_defs_by_key.items()
    selection = sorted(key for key, asset in assets if asset.is_executable and asset.op.name == step)

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        run = repository.get_job(job).execute_in_process(instance=instance, raise_on_error=False, asset_selection=selection)

    assert {event.step_key for event in run.get_step_failure_events()} == {step}
    stored = kept(tmp_path)
    assert "botocore.exceptions.ClientError at " in stored
    for text in (stored, *capfd.readouterr()):
        assert CANARY not in text
