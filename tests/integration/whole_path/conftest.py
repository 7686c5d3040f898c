"""The whole path, once for the tests of this package.

Belongs here: the fixture. Not here: its steps (path.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from demo.cloud.ministack import Emulator
from demo.cloud.provision import provision, unwrap_data_key
from demo.platform.traffic import Traffic
from publisher.contracts import load_contracts
from resources.spark import close_session, open_session
from resources.tables import LakeTables
from tests.fixtures.spark import SparkTestServer
from tests.integration.oracle import Oracle
from tests.integration.whole_path.path import ROOT, WholePath

ROWS = 2_500
INCREMENTS = 2


@pytest.fixture(scope="package")
def whole_path(
    cloud: Emulator,
    spark_server: SparkTestServer,
    postgres: Any,
    platform_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WholePath]:
    """A platform with traffic, and all of it in a lake of its own. Only the last module of this package changes it."""
    folder = tmp_path_factory.mktemp("whole-path")
    database = postgres.create_database("whole_path", platform_template)
    env = {
        **os.environ,
        **provision(cloud.environment(), prefix="whole-path-"),
        "PLATFORM_DATABASE_URL": database,
        "SPARK_REMOTE": spark_server.remote,
        "CONTRACTS_DIR": str(ROOT / "contracts"),
    }
    oracle = Oracle.of(cloud, env)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        tables = LakeTables(open_session(env["SPARK_REMOTE"]), env["LAKE_URI"])
        path = WholePath(env, tables, oracle, folder / "dagster", folder / "firehose")
        path.command("publisher.cli", "install")
        with Traffic(database, unwrap_data_key(env), seed=7) as traffic:
            traffic.seed_creditors()
            traffic.plant_canaries(load_contracts(ROOT / "contracts"))
            # Two increments, so that silver merges into rows that are there, and history has something to move.
            for _ in range(INCREMENTS):
                traffic.run(ROWS // INCREMENTS)
                path.command("publisher.cli", "risk")
                path.push()
                path.command("publisher.cli", "digest")  # leaves with the next push
                path.run_jobs("ingest", "refresh")
            path.written = traffic.stats.rows_written
            yield path
        close_session(tables.spark)
    postgres.drop_database("whole_path")
