"""Installing beside a working platform: a lock that is not to be had is given up soon, and nobody queues behind it for longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from publisher.capture import check_installation, install
from publisher.contracts import Contract
from publisher.database import LOCK_TIMEOUT_MS, Connection, connect
from publisher.errors import TransientError
from tests.integration.publisher.platform import Platform

Contracts = dict[str, Contract]
PATIENCE = LOCK_TIMEOUT_MS / 1000


@pytest.fixture
def bare(platform_database: str) -> Iterator[Connection]:
    with connect(platform_database, "test") as connection:
        yield connection


@pytest.fixture
def outdated(captured: str) -> Iterator[Connection]:
    """An installation of which one trigger is missing."""
    with connect(captured, "test") as connection:
        Platform(connection).customer()
        connection.execute("DROP TRIGGER publisher_update ON customers")
        yield connection


def state(connection: Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        "SELECT 't', oid::int8, xmin::text FROM pg_trigger UNION ALL SELECT 'f', oid::int8, xmin::text FROM pg_proc"
        " WHERE pronamespace = 'publisher'::regnamespace ORDER BY 1, 2"
    ).fetchall()


def test_a_busy_table_keeps_its_capture_and_the_others_get_theirs(
    platform_database: str, bare: Connection, contracts: Contracts
) -> None:
    with psycopg.connect(platform_database) as busy:
        busy.execute("UPDATE customers SET status = 'active'")
        started = time.monotonic()
        with pytest.raises(
            TransientError, match="capture of customers is as it was, that of all others is written: run it again"
        ):
            install(bare, contracts)
        assert time.monotonic() - started < PATIENCE + 2
        missing = {finding.entity for finding in check_installation(bare, contracts)}
        assert missing == {"customers"}
    assert install(bare, contracts).written == ("customers",)
    assert check_installation(bare, contracts) == []


def test_a_lock_that_is_not_to_be_had_changes_nothing(captured: str, outdated: Connection, contracts: Contracts) -> None:
    before = state(outdated)
    with psycopg.connect(captured) as busy:
        busy.execute("UPDATE customers SET status = 'closed'")
        with pytest.raises(TransientError, match=f"locked for longer than {PATIENCE:g} s"):
            install(outdated, contracts)
    assert state(outdated) == before


def slowest_write(url: str, write: Callable[[Platform], object], seconds: float) -> float:
    """The longest that a writer waited for one of its writes."""
    worst, end = 0.0, time.monotonic() + seconds
    with psycopg.connect(url, autocommit=True) as connection:
        platform = Platform(connection)
        while time.monotonic() < end:
            started = time.monotonic()
            write(platform)
            worst = max(worst, time.monotonic() - started)
    return worst


def test_writers_queue_behind_an_installation_for_no_longer_than_its_patience(
    captured: str, outdated: Connection, contracts: Contracts
) -> None:
    with psycopg.connect(captured) as busy, ThreadPoolExecutor(1) as pool:
        busy.execute("UPDATE customers SET status = 'closed'")
        writer = pool.submit(slowest_write, captured, lambda platform: platform.customer(), PATIENCE + 1.5)
        time.sleep(0.3)
        with pytest.raises(TransientError):
            install(outdated, contracts)
        worst = writer.result()
    assert PATIENCE * 0.5 < worst < PATIENCE + 1, "it queued, and was let go"


def test_of_many_partitions_each_does_not_wait_anew(
    new_database: Callable[..., str], platform_template: str, contracts: Contracts
) -> None:
    """Each is let go within a patience of the one before: who writes to the first would still wait for all of them."""
    url = new_database(platform_template)
    with connect(url, "test") as connection:
        connection.execute(
            "CREATE TABLE replaced (LIKE creditors INCLUDING DEFAULTS INCLUDING IDENTITY, PRIMARY KEY (id)) PARTITION BY RANGE (id); DROP TABLE creditors CASCADE;"
            "ALTER TABLE replaced RENAME TO creditors;"
            + "".join(
                f"CREATE TABLE part_{n} PARTITION OF creditors FOR VALUES FROM ({n * 10}) TO ({n * 10 + 10});" for n in range(6)
            )
        )
        with psycopg.connect(url) as first, psycopg.connect(url) as second:
            first.execute("LOCK TABLE part_1 IN ROW EXCLUSIVE MODE")
            second.execute("LOCK TABLE part_2 IN ROW EXCLUSIVE MODE")
            timer = threading.Timer(PATIENCE * 0.75, first.rollback)
            timer.start()
            started = time.monotonic()
            with pytest.raises(TransientError, match="capture of creditors is as it was"):
                install(connection, contracts)
            assert PATIENCE * 0.9 < time.monotonic() - started < PATIENCE + 2
            timer.join()
        assert install(connection, contracts).written == ("creditors",)
