"""The relay's promises: nothing lost, order per key, the same bytes when repeated, and a stop that leaves nothing under way."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from publisher import outbox
from publisher.database import connect
from publisher.keys import LocalKeyring
from publisher.relay import Relay, ReleaseSet, Summary, Until, load_release_set, wait_for_lock
from publisher.sinks import Failure, MemorySink, Record
from publisher.wire import partition_of
from tests.integration.publisher.platform import Platform
from tests.integration.publisher.relays import (
    DeliversThenDies,
    Killed,
    by_key,
    events,
    many,
    many_updates,
    running,
    sink_partitions,
    wait_for,
)

Run = Callable[..., Summary]


def test_every_row_arrives_once_and_leaves_the_outbox(platform: Platform, run_relay: Run, sink: MemorySink) -> None:
    many(platform, 500, 3)
    summary = run_relay(sink)
    assert summary.events == 2000
    assert len(events(sink)) == 2000
    assert platform.outbox() == []
    assert platform.sql("SELECT count(*) FROM publisher.claims") == [(0,)]


def test_records_hold_one_partition_and_end_in_a_newline(platform: Platform, run_relay: Run, sink: MemorySink) -> None:
    many(platform, 300, 1)
    run_relay(sink)
    for record in sink.records:
        assert record.data.endswith(b"\n")
        assert {partition_of(e["entity"], e["key"]) for e in map(json.loads, record.data.splitlines())} == {record.partition}
    assert len(sink.records) < 300


def test_failed_records_keep_the_order_of_their_keys(platform: Platform, run_relay: Run) -> None:
    """Every third record fails, some several times, while later rows of the same keys arrive."""
    calls = [0]

    def fault(_: Record) -> str | None:
        calls[0] += 1
        return "ProvisionedThroughputExceededException" if calls[0] % 3 == 0 else None

    sink = MemorySink(fault)
    many(platform, 200, 4)
    writing = threading.Thread(target=many_updates, args=(platform, 30))
    writing.start()
    summary = run_relay(sink)
    writing.join()
    second = run_relay(sink)
    assert summary.retries > 0
    assert summary.failures == {"ProvisionedThroughputExceededException": summary.retries}
    found = events(sink)
    assert len(found) == summary.events + second.events == 200 * 35
    assert all(seqs == sorted(set(seqs)) for seqs in by_key(found).values())


def test_a_partition_that_keeps_failing_delays_no_other(
    captured: str, platform: Platform, releases: ReleaseSet, keyring: LocalKeyring
) -> None:
    many(platform, 300, 0)
    broken = threading.Event()
    broken.set()
    first: list[int] = []

    def fault(record: Record) -> str | None:
        if not first:
            first.append(record.partition)
        return "InternalFailure" if broken.is_set() and record.partition == first[0] else None

    sink, stop = MemorySink(fault), threading.Event()
    with running(captured, releases, keyring, sink, stop):
        wait_for(lambda: len(sink_partitions(sink)) > 50)
        many_updates(platform, 3)
        wait_for(lambda: settled(platform))
        stuck = {key for (key,) in platform.sql("SELECT DISTINCT key FROM publisher.outbox")}
        assert 0 < len(stuck) < 10
        assert len(platform.outbox()) == 4 * len(stuck)
        assert first[0] not in sink_partitions(sink)
        broken.clear()
        wait_for(lambda: not platform.outbox())
    assert all(seqs == sorted(set(seqs)) for seqs in by_key(events(sink)).values())
    assert len(events(sink)) == 1200


def settled(platform: Platform) -> bool:
    """Nothing has left the outbox for a while."""
    before = platform.sql("SELECT count(*) FROM publisher.outbox")
    time.sleep(0.5)
    return before == platform.sql("SELECT count(*) FROM publisher.outbox")


def test_what_a_killed_relay_had_put_is_repeated_with_the_same_bytes(
    captured: str, platform: Platform, releases: ReleaseSet, keyring: LocalKeyring, run_relay: Run, sink: MemorySink
) -> None:
    many(platform, 100, 1)
    dying = DeliversThenDies()
    with connect(captured, "relay") as connection:
        assert outbox.try_lock(connection)
        with pytest.raises(Killed):
            Relay(connection, releases, dying).run(Until.SENT)
    many_updates(platform, 2)  # meanwhile the platform goes on
    summary = run_relay(sink)
    put = {record.partition: record.data for record in dying.records}
    again = {partition: records[0].data for partition, records in sink_partitions(sink).items()}
    assert len(put) > 30
    assert put == {partition: again[partition] for partition in put}
    assert summary.repeated == 200
    assert len({(e["entity"], e["seq"]) for e in events(sink)}) == len(events(sink)) == 400


def test_a_successor_with_other_contracts_repeats_under_the_old_ones(
    captured: str, platform: Platform, releases: ReleaseSet, keyring: LocalKeyring, tmp_path: Any, sink: MemorySink
) -> None:
    many(platform, 50, 0)
    dying = DeliversThenDies()
    with connect(captured, "relay") as connection, pytest.raises(Killed):
        Relay(connection, releases, dying).run(Until.SENT)
    for name, text in releases.texts.items():
        (tmp_path / name).write_text(text.replace("version: 1.0.0", "version: 1.1.0", 1))
    many_updates(platform, 1)
    with connect(captured, "relay") as connection:
        Relay(connection, load_release_set(tmp_path, keyring), sink).run(Until.SENT)
    put = {record.partition: record.data for record in dying.records}
    assert put == {record.partition: record.data for record in sink.records if b'"contract":"1.0.0"' in record.data}
    assert [e["contract"] for e in events(sink)].count("1.1.0") == 50


def test_a_row_that_commits_late_is_not_overlooked(captured: str, platform: Platform, run_relay: Run, sink: MemorySink) -> None:
    """A transaction that still runs holds a lower seq than rows that were sent already."""
    with psycopg.connect(captured) as slow:
        late = Platform(slow).creditor(code="C991")
        platform.creditor(code="C992")
        run_relay(sink)
        assert len(events(sink)) == 1
        slow.commit()
    run_relay(sink)
    seqs = [event["seq"] for event in events(sink)]
    assert late
    assert len(seqs) == 2
    assert seqs[1] < seqs[0]


def test_a_running_relay_reads_late_commits_and_each_row_once(
    captured: str, platform: Platform, releases: ReleaseSet, keyring: LocalKeyring, sink: MemorySink
) -> None:
    stop = threading.Event()
    with running(captured, releases, keyring, sink, stop):
        with psycopg.connect(captured) as slow:
            Platform(slow).creditor(code="C991")
            for number in range(20):
                platform.creditor(code=f"C{100 + number}")
                time.sleep(0.01)
            wait_for(lambda: len(events(sink)) == 20)
            slow.commit()
        wait_for(lambda: len(events(sink)) == 21)
        time.sleep(0.3)
    assert len(events(sink)) == 21


@pytest.mark.parametrize("until", [Until.SENT, Until.ACCOUNTED])
def test_a_drain_ends_while_the_platform_goes_on_writing(
    captured: str, platform: Platform, run_relay: Run, sink: MemorySink, until: Until
) -> None:
    many(platform, 50, 1)
    stop = threading.Event()

    def write() -> None:
        with psycopg.connect(captured, autocommit=True) as connection:
            while not stop.is_set():
                Platform(connection).sql("UPDATE creditors SET sector = 'bank' WHERE id < 10")

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        try:
            started = time.monotonic()
            run_relay(sink, until)
            assert time.monotonic() - started < 20
        finally:
            stop.set()
    writer.result()
    run_relay(sink)
    assert all(seqs == sorted(set(seqs)) for seqs in by_key(events(sink)).values())


def test_latency_from_commit_to_put(captured: str, platform: Platform, releases: ReleaseSet, keyring: LocalKeyring) -> None:
    """p50 at most 100 ms from commit to put, with a relay that was idle before each row."""
    arrived: dict[int, float] = {}

    class Timed(MemorySink):
        def put(self, records: Sequence[Record]) -> list[Failure]:
            now = time.perf_counter()
            for record in records:
                for line in record.data.splitlines():
                    arrived[json.loads(line)["seq"]] = now
            return super().put(records)

    sink, stop, took = Timed(), threading.Event(), []
    with running(captured, releases, keyring, sink, stop):
        for number in range(40):
            platform.creditor(code=f"C{100 + number}")
            committed = time.perf_counter()
            wait_for(lambda expected=number + 1: len(arrived) == expected)
            took.append(max(arrived.values()) - committed)
            time.sleep(0.05)
    assert sorted(took)[20] <= 0.1, f"p50 {sorted(took)[20]:.3f} s"


def test_rows_are_put_only_after_their_commit_is_flushed(captured: str, platform: Platform, run_relay: Run) -> None:
    """Where the platform commits asynchronously, a crash could take back what had left already."""
    positions: list[tuple[str, bool]] = []
    with psycopg.connect(captured, autocommit=True) as watcher:

        class Watching(MemorySink):
            def put(self, records: Sequence[Record]) -> list[Failure]:
                row = watcher.execute("SELECT %s::text, pg_current_wal_flush_lsn() >= %s::pg_lsn", [lsn, lsn]).fetchone()
                assert row
                positions.append((str(row[0]), bool(row[1])))
                return super().put(records)

        platform.sql("SET synchronous_commit = off")
        platform.creditor()
        lsn = platform.sql("SELECT pg_current_wal_insert_lsn()::text")[0][0]
        run_relay(Watching())
    assert [flushed for _, flushed in positions] == [True]


def test_a_stop_finishes_what_is_under_way(
    captured: str, platform: Platform, releases: ReleaseSet, keyring: LocalKeyring
) -> None:
    entered, leave, stop = threading.Event(), threading.Event(), threading.Event()

    class Slow(MemorySink):
        def put(self, records: Sequence[Record]) -> list[Failure]:
            entered.set()
            assert leave.wait(20)
            return super().put(records)

    many(platform, 50, 0)
    sink = Slow()
    with running(captured, releases, keyring, sink, stop):
        assert entered.wait(20)
        stop.set()
        time.sleep(0.1)
        leave.set()
    assert len(events(sink)) == 50
    assert platform.outbox() == []
    assert platform.sql("SELECT count(*) FROM publisher.claims") == [(0,)]


def test_a_second_relay_stands_by_until_the_first_is_gone(captured: str) -> None:
    stop = threading.Event()
    with connect(captured, "one") as first, connect(captured, "two") as second:
        assert wait_for_lock(first, stop, 0.0)
        assert not wait_for_lock(second, stop, 0.2)
        first.close()
        assert wait_for_lock(second, stop, 5.0)


def test_a_new_cluster_raises_the_epoch_and_renumbers_what_waits(platform: Platform, run_relay: Run, sink: MemorySink) -> None:
    many(platform, 20, 1)
    old = {row.seq for row in platform.outbox()}
    platform.sql("UPDATE publisher.epochs SET system_identifier = 1")
    summary = run_relay(sink, Until.ACCOUNTED)
    assert summary.epoch == 2
    found = events(sink)
    assert len(found) == 40
    assert all(event["seq"] >> 48 == 2 for event in found)
    assert old.isdisjoint(event["seq"] for event in found)
    assert all(seqs == sorted(seqs) for seqs in by_key(found).values())
    assert platform.sql("SELECT count(*) FROM publisher.backfills WHERE due IS NOT NULL") == [(7,)]
