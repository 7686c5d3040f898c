"""The lake's settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from resources.errors import SettingMissing
from resources.settings import LakeSettings

ENVIRONMENT = {
    "LANDING_URI": "s3://landing/",
    "LANDED_QUEUE_URL": "http://127.0.0.1/queue",
    "LAKE_URI": "s3://lake/",
    "SPARK_REMOTE": "sc://127.0.0.1:15002",
}


def test_settings_come_from_the_environment() -> None:
    settings = LakeSettings.from_env(ENVIRONMENT)
    assert (settings.landing_uri, settings.lake_uri) == ("s3://landing", "s3://lake")
    assert settings.contracts_dir == Path("contracts")


def test_each_missing_setting_is_named_in_one_sentence() -> None:
    with pytest.raises(SettingMissing) as missing:
        LakeSettings.from_env({**ENVIRONMENT, "LAKE_URI": " ", "SPARK_REMOTE": ""})
    assert str(missing.value) == (
        "LAKE_URI (where the tables are, e.g. s3://lake), SPARK_REMOTE (the Spark Connect server, e.g. "
        "sc://127.0.0.1:15002) are not set: `make dev` sets and prints them all."
    )


def test_importing_the_resources_imports_neither_spark_nor_boto3() -> None:
    program = (
        "import dagster, sys\n"
        "import resources.spark, resources.tables, resources.landing, resources.notifications, resources.settings\n"
        "print([name for name in ('pyspark', 'boto3', 'pandas', 'grpc') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
