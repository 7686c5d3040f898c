"""A backfill sends what is there, beside live writes, and never leaves a key stale."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest

from demo.platform.migrations import migrate
from publisher.backfill import BACKFILL_LOCK, Progress, backfill, due
from publisher.capture import check_installation, install
from publisher.contracts import Contract
from publisher.database import Connection, connect
from publisher.epoch import raise_epoch
from publisher.errors import InstallError
from publisher.relay import Summary
from publisher.sinks import MemorySink
from publisher.wire import EPOCH_BITS
from tests.integration.publisher.clusters import Clusters
from tests.integration.publisher.platform import Platform
from tests.integration.publisher.relays import wait_for


@pytest.fixture
def session(captured: str) -> Iterator[Connection]:
    with connect(captured, "backfill") as connection:
        yield connection


def fill(platform: Platform, count: int) -> None:
    platform.sql(
        "INSERT INTO creditors (id, code, name, sector, contact_email, created_at)"
        " SELECT n, 'C' || to_char(n, 'FM999000'), 'n', 'bank', '\\x01', now() FROM generate_series(1, %s) n", count,
    )  # fmt: skip


def test_every_row_is_sent_as_a_snapshot_with_its_subject(
    session: Connection, platform: Platform, contracts: dict[str, Contract], run_relay: Callable[..., Summary], sink: MemorySink
) -> None:
    customers = [platform.customer() for _ in range(7)]
    creditor = platform.creditor()
    for customer in customers:
        platform.plan(platform.debt(customer, creditor))
    live = {(row.entity, row.key): row for row in platform.outbox()}
    platform.clear()
    for entity in ("customers", "plans"):
        assert backfill(session, contracts, entity, chunk_rows=3) == Progress(entity, 7, done=True)
    for row in platform.outbox():
        assert row.op == "snapshot"
        assert (row.row, row.subject) == (live[row.entity, row.key].row, live[row.entity, row.key].subject)
    run_relay(sink)
    assert [json.loads(line)["op"] for line in sink.lines] == ["snapshot"] * 14


def test_a_backfill_that_is_demanded_anew_while_it_runs_begins_anew(
    session: Connection, platform: Platform, contracts: dict[str, Contract], captured: str
) -> None:
    fill(platform, 300)
    platform.clear()
    raised = []

    def raise_once(progress: Progress) -> None:
        if not raised and progress.rows >= 100:
            with connect(captured, "epoch") as other:
                raised.append(raise_epoch(other, "a test"))

    assert backfill(session, contracts, "creditors", chunk_rows=100, report=raise_once) == Progress("creditors", 300, done=True)
    sent = [row.seq >> EPOCH_BITS for row in platform.outbox()]
    assert sent.count(raised[0]) >= 300, "all of it in the new epoch"
    assert "creditors" not in due(session)


def test_a_stopped_backfill_goes_on_where_it_was(session: Connection, platform: Platform, contracts: dict[str, Contract]) -> None:
    fill(platform, 500)
    platform.clear()
    stop = threading.Event()

    def after_two_hundred(progress: Progress) -> None:
        if progress.rows >= 200:
            stop.set()

    first = backfill(session, contracts, "creditors", chunk_rows=100, stop=stop, report=after_two_hundred)
    assert first == Progress("creditors", 200, done=False)
    second = backfill(session, contracts, "creditors", chunk_rows=100)
    assert second == Progress("creditors", 300, done=True)
    assert sorted(int(row.key) for row in platform.outbox()) == list(range(1, 501))


def test_a_killed_backfill_goes_on_where_it_was(session: Connection, platform: Platform, environment: dict[str, str]) -> None:
    fill(platform, 20_000)
    platform.clear()
    command = [sys.executable, "-m", "publisher.cli", "backfill", "creditors", "--chunk", "50"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: len(platform.outbox()) >= 500)
        process.kill()
    before = {row.key for row in platform.outbox()}
    assert 500 <= len(before) < 20_000
    done = subprocess.run([*command[:-1], "5000"], env=environment, capture_output=True, text=True, check=True)
    rows = platform.outbox()
    assert len(rows) == 20_000, "no row is left out, and none is sent again that was committed"
    assert {row.key for row in rows} == {str(n) for n in range(1, 20_001)}
    assert f"{20_000 - len(before):,}" in done.stdout


def test_it_pauses_while_a_standby_is_far_behind(contracts: dict[str, Contract], clusters: Clusters) -> None:
    """A real one, whose replay is paused for a while."""
    server = clusters.first()
    url = server.create_database("replicated")
    migrate(url)
    with connect(url, "install") as connection:
        install(connection, contracts)
    standby = clusters.base_backup(server, standby=True)
    with psycopg.connect(url, autocommit=True) as writing, psycopg.connect(standby.url("replicated"), autocommit=True) as replica:
        platform = Platform(writing)
        wait_for(lambda: writing.execute("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'").fetchone() == (1,))
        replica.execute("SELECT pg_wal_replay_pause()")
        fill(platform, 5_000)
        platform.clear()
        done: list[Progress] = []

        def work() -> None:
            with connect(url, "backfill") as connection:
                done.append(backfill(connection, contracts, "creditors", chunk_rows=100, most_lag_bytes=100_000))

        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(0.5)
        assert not platform.outbox(), "the standby has more than that to replay"
        replica.execute("SELECT pg_wal_replay_resume()")
        thread.join(60)
        assert done == [Progress("creditors", 5_000, done=True)]


def test_an_empty_table_is_done_at_once(session: Connection, contracts: dict[str, Contract]) -> None:
    assert backfill(session, contracts, "messages") == Progress("messages", 0, done=True)


def test_it_pauses_while_the_outbox_is_deep(
    session: Connection, platform: Platform, contracts: dict[str, Contract], captured: str
) -> None:
    fill(platform, 300)
    done: list[Progress] = []

    def work() -> None:
        with connect(captured, "backfill") as connection:
            done.append(backfill(connection, contracts, "creditors", chunk_rows=100, most_waiting=250))

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.5)
    assert not any(row.op == "snapshot" for row in platform.outbox())
    for _ in range(40):
        platform.clear()
        time.sleep(0.05)
    thread.join(20)
    assert done == [Progress("creditors", 300, done=True)]


def test_two_backfills_of_an_entity_exclude_each_other(
    session: Connection, platform: Platform, contracts: dict[str, Contract], captured: str
) -> None:
    with connect(captured, "other") as other:
        other.execute("SELECT pg_advisory_lock(%s, hashtext('creditors'))", [BACKFILL_LOCK])
        with pytest.raises(InstallError, match="another backfill"):
            backfill(session, contracts, "creditors")


def test_what_is_due_is_done_by_it_and_a_rewrite_is_forgotten(
    session: Connection, platform: Platform, contracts: dict[str, Contract]
) -> None:
    platform.creditor()
    platform.sql("ALTER TABLE creditors ALTER sector TYPE text USING sector || ''")
    assert "rewritten" in str(check_installation(session, contracts))
    install(session, contracts)
    assert due(session) == ["creditors"]
    backfill(session, contracts, "creditors")
    assert due(session) == []
    assert check_installation(session, contracts) == []


def test_no_key_ends_stale_beside_racing_writers(
    session: Connection, captured: str, platform: Platform, contracts: dict[str, Contract]
) -> None:
    fill(platform, 400)
    platform.clear()
    stop = threading.Event()

    def write(seed: int) -> None:
        with psycopg.connect(captured, autocommit=True) as connection:
            step = seed
            while not stop.is_set():
                step += 7
                keys = [step * 13 % 400 + 1, step * 29 % 400 + 1]
                with suppress(psycopg.errors.DeadlockDetected), connection.transaction():
                    for key in keys:
                        connection.execute("UPDATE creditors SET sector = %s WHERE id = %s", [("card", "retail")[step % 2], key])
                    connection.execute("DELETE FROM creditors WHERE id = %s AND %s = 0", [keys[1], step % 5])

    with ThreadPoolExecutor(3) as pool:
        writers = [pool.submit(write, seed) for seed in range(3)]
        try:
            for _ in range(3):
                backfill(session, contracts, "creditors", chunk_rows=40, most_waiting=10**9)
        finally:
            stop.set()
    for writer in writers:
        writer.result()
    last = {row.key: row for row in platform.outbox("creditors")}
    present = {str(key): sector for key, sector in platform.sql("SELECT id, sector FROM creditors")}
    assert {key: row.row["sector"] for key, row in last.items() if row.row is not None} == present
    assert {key for key, row in last.items() if row.op == "delete"} == set(last) - set(present)


def test_the_backfill_loses_to_the_platform(
    session: Connection, captured: str, platform: Platform, contracts: dict[str, Contract]
) -> None:
    """A writer that keeps a row locked makes it wait and try again, not fail."""
    fill(platform, 50)
    done: list[Progress] = []
    with psycopg.connect(captured) as busy:
        busy.execute("UPDATE creditors SET sector = 'card' WHERE id = 25")

        def work() -> None:
            with connect(captured, "backfill") as connection:
                done.append(backfill(connection, contracts, "creditors"))

        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(1.5)
        assert done == []
        busy.commit()
    thread.join(20)
    assert done == [Progress("creditors", 50, done=True)]
    assert [row.row and row.row["sector"] for row in platform.outbox() if row.key == "25"][-1] == "card"
