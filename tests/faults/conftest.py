"""What the fault tests share: a platform with capture, two releases, a scripted Kinesis.

Belongs here: fixtures. Not here: faults.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from demo.cloud.postgres import Postgres
from publisher.capture import install
from publisher.database import connect
from publisher.keys import LocalKeyring
from publisher.relay import ReleaseSet, load_release_set
from publisher.sinks.kinesis import KinesisSink
from tests.faults.kinesis import Kinesis, serve
from tests.integration.publisher.conftest import CONTRACTS
from tests.integration.publisher.platform import DATA_KEY, PSEUDONYM_KEY

_numbers = itertools.count(1)


def contracts_with(folder: Path, version: str) -> Path:
    """The shipped contracts, with groups of two, and creditors under another version."""
    folder.mkdir(exist_ok=True)
    for file in CONTRACTS.glob("*.yaml"):
        text = file.read_text()
        if file.name == "customers.yaml":
            text = text.replace("value: 10\n", "value: 2\n")
        if file.name == "creditors.yaml":
            text = text.replace("\nversion: 1.0.0\n", f"\nversion: {version}\n")
            assert f"version: {version}" in text
        if file.name != "approvals.yaml":
            (folder / file.name).write_text(text)
    return folder


@pytest.fixture(scope="session")
def keyring() -> LocalKeyring:
    return LocalKeyring(DATA_KEY, PSEUDONYM_KEY)


@pytest.fixture(scope="session")
def two_releases(keyring: LocalKeyring, tmp_path_factory: pytest.TempPathFactory) -> tuple[ReleaseSet, ReleaseSet]:
    folder = tmp_path_factory.mktemp("releases")
    one, other = (load_release_set(contracts_with(folder / version, version), keyring) for version in ("1.0.0", "1.0.1"))
    return one, other


@pytest.fixture
def database_of_its_own(
    postgres: Postgres, platform_template: str, two_releases: tuple[ReleaseSet, ReleaseSet]
) -> Iterator[Callable[[], str]]:
    """Makes platform databases with capture installed; the last one is dropped when the next is asked for."""
    template = f"faults_template_{next(_numbers)}"
    with connect(postgres.create_database(template, platform_template), "test") as connection:
        install(connection, two_releases[0].contracts)
    names: list[str] = []

    def create() -> str:
        if names:
            postgres.drop_database(names.pop())
        names.append(f"faults_{next(_numbers)}")
        return postgres.create_database(names[-1], template)

    yield create
    for name in (*names, template):
        postgres.drop_database(name)


@pytest.fixture
def kinesis() -> Iterator[Kinesis]:
    with serve(Kinesis()) as kinesis:
        yield kinesis


@pytest.fixture
def kinesis_sink(kinesis: Kinesis) -> KinesisSink:
    """The real sink on it; a client that waits less long than the product's."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=0.3, parameter_validation=False)
    client = boto3.client(
        "kinesis", endpoint_url=kinesis.endpoint_url, region_name="eu-west-2", aws_access_key_id="x", aws_secret_access_key="x", config=config
    )  # fmt: skip
    return KinesisSink(client, "lake")
