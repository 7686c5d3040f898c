"""The outbox stays small and quick beside an old snapshot, and nothing that could still become visible is ever truncated."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from publisher import ring
from publisher.capture import install
from publisher.capture.tables import TABLES
from publisher.contracts import Contract
from publisher.database import connect, literal
from publisher.keys import LocalKeyring
from publisher.outbox import OutboxReader
from publisher.relay import ReleaseSet, Summary
from publisher.sinks import MemorySink
from publisher.wire import EPOCH_BITS
from tests.integration.publisher.platform import Platform
from tests.integration.publisher.relays import by_key, events, many, many_updates, running, wait_for

TURN = 1 << ring.SHIFT
PLAIN = """
DROP TABLE publisher.outbox;
CREATE TABLE publisher.outbox (
    seq bigint PRIMARY KEY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(), captured_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    entity text NOT NULL, op text NOT NULL, key text NOT NULL, subject text, row json)
"""
"""The outbox as it was before the ring."""


def on_disk(platform: Platform) -> int:
    return int(
        platform.sql("SELECT sum(pg_total_relation_size(t.relid))::bigint FROM pg_partition_tree('publisher.outbox') t")[0][0]
    )


def turn(platform: Platform) -> None:
    """As if as many rows had come as the ring needs to go to its next table."""
    platform.sql("SELECT setval('publisher.seq', last_value + %s) FROM publisher.seq", TURN)


@contextmanager
def old_snapshot(url: str) -> Iterator[None]:
    """A report that reads for hours."""
    with psycopg.connect(url) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT FROM pg_class").fetchall()
        yield
        reader.rollback()


def test_sql_and_python_agree_on_a_positions_table(platform: Platform) -> None:
    random.seed(4711)
    seqs = [epoch << EPOCH_BITS | random.randrange(1 << 40) for epoch in (1, 2, 300) for _ in range(200)]
    for seq, slot in platform.sql(f"SELECT seq, {ring.SLOT} FROM unnest(%s::bigint[]) seq", seqs):
        assert ring.slots_of([seq]) == [slot]


def test_beside_an_old_snapshot_disk_and_polls_are_bounded(
    captured: str, platform: Platform, releases: ReleaseSet, keyring: LocalKeyring
) -> None:
    """48,000 rows go through, 12 turns of the ring. Without truncation all of them would lie dead in it (some 20 MB)."""
    sink, stop, sizes = MemorySink(), threading.Event(), []
    with old_snapshot(captured), running(captured, releases, keyring, sink, stop):
        many(platform, 990, 0)
        for round_number in range(12):
            many_updates(platform, 4)
            wait_for(lambda: platform.sql("SELECT count(*) FROM publisher.outbox") == [(0,)], 60)
            turn(platform)
            wait_for(lambda limit=round_number: limit < 2 or on_disk(platform) < 6_000_000)
            sizes.append(on_disk(platform))
        with connect(captured, "look") as connection:
            reader, took = OutboxReader(connection), []
            for _ in range(10):
                platform.sql("UPDATE creditors SET sector = 'public' WHERE id = 1")
                began = time.perf_counter()
                reader.read(10)
                took.append(time.perf_counter() - began)
        wait_for(lambda: platform.sql("SELECT count(*) FROM publisher.outbox") == [(0,)])
    assert max(sizes) < 8_000_000, sizes
    assert sorted(took)[5] < 0.1
    assert len(events(sink)) == 990 * 49 + 10
    assert all(seqs == sorted(set(seqs)) for seqs in by_key(events(sink)).values())


@pytest.fixture
def large(platform: Platform) -> int:
    """A table of the ring that is worth truncating, empty, and not the current one any more. Its number."""
    many(platform, 990, 8)
    (slot,) = {ring.slots_of([row.seq])[0] for row in platform.outbox()}
    platform.clear()
    turn(platform)
    return slot


def test_an_empty_table_is_truncated_once_the_ring_has_turned(captured: str, platform: Platform, large: int) -> None:
    before = on_disk(platform)
    with old_snapshot(captured), connect(captured, "relay") as connection:
        assert ring.recycle(connection) == 1
        assert ring.recycle(connection) == 0
    assert on_disk(platform) < before / 4
    assert platform.sql(f"SELECT pg_relation_size('publisher.outbox_{large}')") == [(0,)]


def test_a_role_that_may_not_truncate_works_on(captured: str, platform: Platform, large: int) -> None:
    platform.sql("DROP ROLE IF EXISTS may_delete")
    platform.sql("CREATE ROLE may_delete")
    try:
        platform.sql("GRANT USAGE ON SCHEMA publisher TO may_delete")
        platform.sql("GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA publisher TO may_delete")
        platform.sql("GRANT SELECT ON publisher.seq TO may_delete")
        with connect(captured, "relay") as connection:
            connection.execute("SET ROLE may_delete")
            assert ring.recycle(connection) == 0
            connection.execute("RESET ROLE")
            assert ring.recycle(connection) == 1
    finally:
        platform.sql("DROP OWNED BY may_delete")
        platform.sql("DROP ROLE may_delete")


def test_a_table_with_a_row_that_waits_is_left(captured: str, platform: Platform, large: int) -> None:
    platform.sql("INSERT INTO publisher.outbox (seq, entity, op, key) VALUES (%s, 'debts', 'delete', '1')", large * TURN + 5)
    with connect(captured, "relay") as connection:
        assert ring.recycle(connection) == 0
    assert len(platform.outbox()) == 1


def test_a_table_with_a_row_that_is_not_committed_is_left_and_nobody_waits(captured: str, platform: Platform, large: int) -> None:
    with psycopg.connect(captured) as slow, connect(captured, "relay") as connection:
        slow.execute(
            "INSERT INTO publisher.outbox (seq, entity, op, key) VALUES (%s, 'debts', 'delete', '1')", [large * TURN + 5]
        )
        began = time.monotonic()
        assert ring.recycle(connection) == 0
        assert time.monotonic() - began < 2
        slow.commit()
        assert ring.recycle(connection) == 0
    assert [row.seq for row in platform.outbox()] == [large * TURN + 5]


def test_the_current_table_is_never_truncated(captured: str, platform: Platform, creditors: list[int]) -> None:
    many_updates(platform, 1)
    platform.sql("INSERT INTO publisher.outbox (seq, entity, op, key, row) SELECT nextval('publisher.seq'), 'debts', 'x', n::text, to_json(repeat('x', 300))"
                 " FROM generate_series(1, 6000) n")  # fmt: skip
    platform.clear()
    with connect(captured, "relay") as connection:
        assert ring.recycle(connection) == 0


def test_a_ring_that_turns_all_the_time_loses_nothing_under_racing_writers(
    captured: str, platform: Platform, releases: ReleaseSet, keyring: LocalKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every few rows come to the next table, every tick truncates what it can, and transactions stay open meanwhile."""
    many(platform, 40, 0)
    platform.sql("ALTER SEQUENCE publisher.seq INCREMENT BY 3001")
    monkeypatch.setattr("publisher.ring.WORTH_BYTES", 1)
    monkeypatch.setattr("publisher.relay.loop.RECYCLE_SECONDS", 0.0)
    monkeypatch.setattr("publisher.relay.loop.TICK_SECONDS", 0.0)
    truncated: list[int] = []
    recycle = ring.recycle
    monkeypatch.setattr("publisher.ring.recycle", lambda connection: truncated.append(recycle(connection)))

    def write(seed: int) -> None:
        chance = random.Random(seed)
        with psycopg.connect(captured, autocommit=True) as connection:
            for _ in range(150):
                with connection.transaction():
                    for key in sorted(chance.sample(range(1, 41), 3)):
                        connection.execute("UPDATE creditors SET sector = 'card' WHERE id = %s", [key])
                        time.sleep(chance.random() * 0.003)
                time.sleep(chance.random() * 0.01)

    sink, stop = MemorySink(), threading.Event()
    with running(captured, releases, keyring, sink, stop):
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(write, range(3)))
        wait_for(lambda: platform.sql("SELECT count(*) FROM publisher.outbox") == [(0,)], 60)
    assert sum(truncated) >= 3
    assert len(events(sink)) == 40 + 3 * 150 * 3
    assert all(seqs == sorted(set(seqs)) for seqs in by_key(events(sink)).values())


def test_rows_on_both_sides_of_a_turn_are_read_in_order(
    platform: Platform, run_relay: Callable[..., Summary], sink: MemorySink
) -> None:
    platform.sql(
        "SELECT setval('publisher.seq', ((last_value >> %s) + 4 << %s) - 100) FROM publisher.seq", ring.SHIFT, ring.SHIFT
    )
    many(platform, 50, 5)
    assert len(ring.slots_of(row.seq for row in platform.outbox())) == 2
    run_relay(sink)
    assert len(events(sink)) == 300
    assert all(seqs == sorted(seqs) for seqs in by_key(events(sink)).values())


def test_an_outbox_of_before_the_ring_is_moved_with_what_waits(
    captured: str, platform: Platform, contracts: dict[str, Contract], run_relay: Callable[..., Summary], sink: MemorySink
) -> None:
    """The application's session goes on: its triggers' plans know the former table."""
    for statement in PLAIN.split(";"):
        platform.sql(statement)
    many(platform, 20, 1)
    before = platform.sql("SELECT seq, xid::text, captured_at FROM publisher.outbox ORDER BY seq")
    with connect(captured, "install") as connection:
        install(connection, contracts)
        assert platform.sql("SELECT seq, xid::text, captured_at FROM publisher.outbox ORDER BY seq") == before
        connection.execute(literal(TABLES))  # once more changes nothing
    many_updates(platform, 1)
    assert platform.sql("SELECT count(*) FROM pg_partition_tree('publisher.outbox')") == [(1 + ring.TABLES,)]
    assert platform.sql("SELECT to_regclass('publisher.outbox_before')::text") == [(None,)]
    run_relay(sink)
    assert len(events(sink)) == 60
    assert all(seqs == sorted(seqs) for seqs in by_key(events(sink)).values())


def test_a_delete_looks_only_into_the_tables_that_hold_the_rows(platform: Platform) -> None:
    plan = "\n".join(
        line
        for (line,) in platform.sql(
            f"EXPLAIN DELETE FROM publisher.outbox WHERE seq = ANY ('{{1,2}}'::bigint[]) AND {ring.SLOT} = ANY ('{{0}}'::bigint[])"
        )
    )
    assert "Scan on outbox_0" in plan
    assert plan.count("Delete on outbox_") == 1
