"""What the publisher's integration tests share: a captured platform, writers, a relay into memory.

Belongs here: fixtures over real PostgreSQL. Not here: servers (tests/fixtures), assertions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from demo.cloud.ministack import Emulator
from demo.cloud.postgres import Postgres
from demo.cloud.provision import provision
from publisher.capture import install
from publisher.contracts import Contract, load_contracts
from publisher.database import connect
from publisher.keys import LocalKeyring
from publisher.outbox import try_lock
from publisher.relay import Relay, ReleaseSet, Summary, Until, load_release_set
from publisher.risk.assess import Assessment, assess
from publisher.sinks import MemorySink, Sink
from tests.integration.publisher.clusters import Clusters
from tests.integration.publisher.platform import DATA_KEY, PSEUDONYM_KEY, Platform

CONTRACTS = Path(__file__).parents[3] / "contracts"


@pytest.fixture
def clusters() -> Iterator[Clusters]:
    """Whole PostgreSQL clusters, and copies of them."""
    made = Clusters()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def contracts() -> dict[str, Contract]:
    return load_contracts(CONTRACTS)


@pytest.fixture(scope="session")
def keyring() -> LocalKeyring:
    return LocalKeyring(DATA_KEY, PSEUDONYM_KEY)


@pytest.fixture(scope="session")
def releases(keyring: LocalKeyring) -> ReleaseSet:
    return load_release_set(CONTRACTS, keyring)


@pytest.fixture(scope="session")
def captured_template(postgres: Postgres, platform_template: str, contracts: dict[str, Contract]) -> str:
    """The name of a platform database with capture installed, to copy from."""
    with connect(postgres.create_database("captured_template", platform_template), "test") as connection:
        install(connection, contracts)
    return "captured_template"


@pytest.fixture
def captured(new_database: Callable[..., str], captured_template: str) -> str:
    """The URL of a fresh platform database with capture installed."""
    return new_database(captured_template)


@pytest.fixture
def platform(captured: str) -> Iterator[Platform]:
    """A session of the platform's application on a captured database."""
    with psycopg.connect(captured, autocommit=True) as connection:
        yield Platform(connection)


@pytest.fixture
def run_relay(captured: str, releases: ReleaseSet, keyring: LocalKeyring) -> Callable[..., Summary]:
    """Runs a relay on a session of its own until all that waits is sent, or accounted for."""

    def run(sink: Sink, until: Until = Until.SENT, **options: float) -> Summary:
        with connect(captured, "relay test") as connection:
            assert try_lock(connection)
            return Relay(connection, releases, sink, manifest_seconds=options.get("manifest_seconds", 3600.0)).run(until)

    return run


@pytest.fixture
def look(captured: str, contracts: dict[str, Contract], releases: ReleaseSet) -> Callable[..., Assessment]:
    """Runs `publisher risk customers`."""

    def run(**options: Any) -> Assessment:
        with connect(captured, "risk") as connection:
            (found,) = assess(connection, contracts, releases.release, "customers", **options)
        return found

    return run


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def creditors(platform: Platform) -> list[int]:
    """Three creditors; the outbox holds nothing of them."""
    ids = [platform.creditor() for _ in range(3)]
    platform.clear()
    return ids


@pytest.fixture
def environment(cloud: Emulator, prefix: str, captured: str) -> dict[str, str]:
    """What an operator sets."""
    provisioned = provision(cloud.environment(), prefix=prefix, shards=2)
    base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**base, **provisioned, "PLATFORM_DATABASE_URL": captured, "CONTRACTS_DIR": str(CONTRACTS)}


@pytest.fixture
def application(captured: str, environment: dict[str, str]) -> Iterator[Platform]:
    """An application that encrypts with the platform's data key."""
    with psycopg.connect(captured, autocommit=True) as connection:
        yield Platform(connection)
