"""The lake's settings: a missing one is one sentence, where the code location loads and where it is used."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable

import dagster as dg
import pytest

from resources.errors import ResourceError, SettingInvalid, SettingMissing
from resources.lake import LakeResource
from resources.landing import LandingResource
from resources.notifications import NotificationsResource
from resources.settings import ABOUT, cadence, setting, tell_missing
from resources.spark import SparkConnectResource

QUEUE = (
    "LANDED_QUEUE_URL (the SQS queue that S3 tells of landed objects) is not set: set it for the code location and reload it; "
    "`make dev` sets and prints all of them."
)


@pytest.fixture(autouse=True)
def all_but_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ABOUT:
        monkeypatch.setenv(name, "set-by-the-test")
    monkeypatch.delenv("LANDED_QUEUE_URL")
    tell_missing.cache_clear()


def test_a_missing_setting_is_named_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert setting("LAKE_URI") == "set-by-the-test"
    for value in (None, "", "  "):
        if value is not None:
            monkeypatch.setenv("LANDED_QUEUE_URL", value)
        with pytest.raises(SettingMissing) as missing:
            setting("LANDED_QUEUE_URL")
        assert str(missing.value) == QUEUE


def test_the_code_location_says_once_what_it_lacks(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        tell_missing()
        tell_missing()
    assert caplog.messages == [QUEUE]


@pytest.mark.parametrize("value", ["x", ""])
def test_it_says_nothing_where_all_or_none_is_set(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, value: str
) -> None:
    for name in ABOUT:
        monkeypatch.setenv(name, value)
    tell_missing()
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("LANDED_QUEUE_URL", lambda: NotificationsResource().open()),
        ("LANDING_URI", lambda: LandingResource().open()),
        ("SPARK_REMOTE", lambda: SparkConnectResource().session("x").__enter__()),
        ("LAKE_URI", lambda: LakeResource(spark=SparkConnectResource(remote="sc://x")).tables("x").__enter__()),
    ],
)
def test_each_resource_names_the_setting_that_it_lacks(
    monkeypatch: pytest.MonkeyPatch, name: str, use: Callable[[], object]
) -> None:
    monkeypatch.setenv(name, "")
    with pytest.raises(SettingMissing, match=f"^{name} "):
        use()


def test_a_run_that_lacks_a_setting_ends_with_that_sentence() -> None:
    from lake_assets.definitions import defs

    @dg.op
    def looks(notifications: NotificationsResource) -> None:
        notifications.open()

    @dg.job
    def look() -> None:
        looks()

    resources = defs.load_fn().resources
    assert resources is not None
    with dg.DagsterInstance.ephemeral() as instance:
        run = look.execute_in_process(
            resources={"notifications": resources["notifications"]}, instance=instance, raise_on_error=False
        )
    cause = run.failure_data_for_node("looks").error.cause
    assert cause is not None
    assert cause.message.strip() == f"resources.errors.SettingMissing: {QUEUE}"


def test_a_cadence_that_is_no_cron_expression_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cadence("* * * * *") == "* * * * *"
    monkeypatch.setenv("LAKE_CADENCE", "hourly, please")
    with pytest.raises(SettingInvalid, match=r"^LAKE_CADENCE is no cron expression of five fields: set it") as refused:
        cadence("* * * * *")
    assert isinstance(refused.value, ResourceError)
    assert "hourly" not in str(refused.value)


def test_importing_the_resources_imports_neither_spark_nor_boto3() -> None:
    program = (
        "import dagster, sys\n"
        "import resources.spark, resources.tables, resources.landing, resources.notifications, resources.settings\n"
        "print([name for name in ('pyspark', 'boto3', 'pandas', 'grpc') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
