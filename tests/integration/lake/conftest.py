"""A small lake on the real Spark, a landing bucket with its queue on the real emulator.

Belongs here: what the lake's tests share. Not here: events (tests/unit/lake/make_events.py).

A lake of three entities, in a local folder: making a table costs a second, and nothing here depends on how many there are. On a cluster
(PUSHLAKE_TEST_CLUSTER=1) it is in S3.
"""

from __future__ import annotations

import gzip
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from demo.cloud.ministack import Emulator
from demo.cloud.provision import provision
from lake_assets.raw.lake import ensure_lake
from lake_assets.transforms.fields import Rules
from lake_assets.transforms.rules import rules_of
from publisher.contracts import Contract, load_contracts
from publisher.contracts.history import signed_versions
from resources.aws import bucket_and_prefix
from resources.landing import Landing
from resources.notifications import Notifications
from resources.spark import close_session, open_session
from resources.tables import LakeTables
from tests.fixtures.cluster import WANTED
from tests.fixtures.spark import SparkTestServer

ENTITIES = ("customers", "creditors", "debts")


@pytest.fixture(scope="package")
def contracts() -> dict[str, Contract]:
    every = load_contracts(Path("contracts"))
    return {entity: every[entity] for entity in ENTITIES}


@pytest.fixture(scope="package")
def rules(contracts: dict[str, Contract]) -> Rules:
    return rules_of(contracts, [each.contract for each in signed_versions(Path("contracts"))])


@dataclass
class Lake:
    """An empty lake, its landing bucket and queue. `tables` is this test module's session."""

    remote: str
    uri: str
    tables: LakeTables
    landing: Landing
    notifications: Notifications
    s3: Any
    prefix: str = field(default="raw/2026/11/24/04/")

    def put(self, name: str, body: bytes) -> str:
        """Puts an object as it is; its key."""
        key = f"{self.prefix}{name}"
        self.s3.put_object(Bucket=self.landing.bucket, Key=key, Body=body)
        return key

    def land(self, name: str, lines: list[bytes]) -> str:
        """Puts lines as Firehose does; the object's key."""
        return self.put(name, gzip.compress(b"".join(line + b"\n" for line in lines)))

    @contextmanager
    def open(self, name: str) -> Iterator[LakeTables]:
        session = open_session(self.remote)
        try:
            yield LakeTables(session, self.uri)
        finally:
            close_session(session)


@pytest.fixture(scope="package", autouse=WANTED)
def credentials(cloud: Emulator) -> Iterator[None]:
    """Of a lake in S3, whose logs this process reads."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cloud.environment().items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="package")
def empty_lake(spark_server: SparkTestServer, contracts: dict[str, Contract], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an empty lake with all its tables, to copy: making them takes Spark a second each."""
    folder = tmp_path_factory.mktemp("empty") / "lake"
    session = open_session(spark_server.remote)
    ensure_lake(LakeTables(session, folder.as_uri()), contracts)
    close_session(session)
    return folder


@pytest.fixture(scope="module")
def lake(
    spark_server: SparkTestServer, cloud: Emulator, empty_lake: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lake]:
    """An empty lake with all its tables."""
    names = provision(cloud.environment(), prefix=f"t{secrets.token_hex(5)}-", shards=1)
    session = open_session(spark_server.remote)
    s3 = cloud.client("s3")
    if WANTED:  # a cluster's workers share no folder with its server
        uri = names["LAKE_URI"]
        for file in filter(Path.is_file, empty_lake.rglob("*")):  # Delta's paths are relative
            s3.upload_file(str(file), bucket_and_prefix(uri)[0], str(file.relative_to(empty_lake)))
    else:
        folder = tmp_path_factory.mktemp("lake") / "lake"
        shutil.copytree(empty_lake, folder)
        uri = folder.as_uri()
    tables = LakeTables(session, uri)
    queue = Notifications(names["LANDED_QUEUE_URL"], cloud.client("sqs"))
    yield Lake(spark_server.remote, uri, tables, Landing(names["LANDING_URI"], s3), queue, s3)
    close_session(session)
