"""Manifests say exactly what arrived: ranges without gaps, counts and digests equal to the sink's."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import psycopg
import pytest
import xxhash

from publisher import deadletters, manifest
from publisher.contracts import Contract
from publisher.database import connect
from publisher.relay import Relay, ReleaseSet, Summary, Until
from publisher.sinks import MemorySink
from tests.integration.publisher.platform import Platform, secret
from tests.integration.publisher.relays import DeliversThenDies, Killed, many
from tests.integration.publisher.test_dead_letters import BAD

Run = Callable[..., Summary]


def manifests(sink: MemorySink) -> list[dict[str, Any]]:
    return [event["record"] for event in map(json.loads, sink.lines) if event["entity"] == "_manifest"]


def newest(sink: MemorySink) -> list[dict[str, Any]]:
    """The highest revision of each manifest."""
    kept: dict[tuple[str, int], dict[str, Any]] = {}
    for record in manifests(sink):
        key = record["of"], record["seq_to"]
        if key not in kept or record["revision"] > kept[key]["revision"]:
            kept[key] = record
    return list(kept.values())


def held(sink: MemorySink, entity: str, seq_from: int, seq_to: int) -> tuple[int, str]:
    """Events and digest of a range, as the lake would compute them from the lines that it has, each once."""
    lines = {}
    for line in sink.lines:
        event = json.loads(line)
        if event["entity"] == entity and seq_from < event["seq"] <= seq_to:
            lines[event["seq"]] = line
    return len(lines), str(sum(xxhash.xxh64_intdigest(line, seed=42) for line in lines.values()) % 2**64)


def assert_true(sink: MemorySink, contracts: dict[str, Contract]) -> None:
    for record in newest(sink):
        found = held(sink, record["of"], record["seq_from"], record["seq_to"])
        assert (record["events"], record["digest"]) == found, record["of"]
    for entity in contracts:
        ranges = sorted((r["seq_from"], r["seq_to"]) for r in newest(sink) if r["of"] == entity)
        assert ranges[0][0] == 1 << 48
        assert all(end == start for (_, end), (start, _) in pairwise(ranges))


def test_counts_and_digests_equal_what_arrived(
    platform: Platform, run_relay: Run, sink: MemorySink, contracts: dict[str, Contract]
) -> None:
    for round_ in range(3):
        with platform.connection.transaction():
            debt = platform.debt(platform.customer(), platform.creditor())
            platform.plan(debt)
        platform.sql("UPDATE debts SET balance_pence = %s", 100_000 + round_)
        run_relay(sink, Until.ACCOUNTED)
    assert len(manifests(sink)) == 3 * len(contracts)
    assert sum(r["events"] for r in manifests(sink)) == 18
    assert_true(sink, contracts)


def test_an_idle_range_is_accounted_for_with_zeros(run_relay: Run, sink: MemorySink, contracts: dict[str, Contract]) -> None:
    run_relay(sink, Until.ACCOUNTED)
    run_relay(sink, Until.ACCOUNTED)
    assert [r["events"] for r in manifests(sink)] == [0] * 14
    assert len({(r["of"], r["seq_to"]) for r in manifests(sink)}) == 14
    assert_true(sink, contracts)


def test_a_range_stays_open_while_a_transaction_could_commit_into_it(
    captured: str, platform: Platform, run_relay: Run, sink: MemorySink, contracts: dict[str, Contract]
) -> None:
    with psycopg.connect(captured) as slow:
        Platform(slow).creditor(code="C991")
        platform.creditor(code="C992")
        with connect(captured, "test") as connection:
            run_relay(sink)
            manifest.cut(connection)
            assert manifest.close(connection, contracts) == 0
            slow.commit()
            assert manifest.close(connection, contracts) == 0, "its row waits in the outbox"
            run_relay(sink)
            assert manifest.close(connection, contracts) == 1
    run_relay(sink, Until.ACCOUNTED)
    assert_true(sink, contracts)


def test_events_acknowledged_after_a_cut_count_into_their_own_range(
    captured: str, platform: Platform, run_relay: Run, sink: MemorySink, contracts: dict[str, Contract]
) -> None:
    platform.creditor()
    with connect(captured, "test") as connection:
        first = manifest.cut(connection)
    platform.creditor()
    run_relay(sink, Until.ACCOUNTED)
    counts = {(r["seq_to"] == first): r["events"] for r in manifests(sink) if r["of"] == "creditors"}
    assert counts == {True: 1, False: 1}
    assert_true(sink, contracts)


def test_dead_letters_are_counted_and_a_replayed_one_sends_a_revision(
    captured: str, platform: Platform, run_relay: Run, sink: MemorySink, contracts: dict[str, Contract]
) -> None:
    platform.customer(date_of_birth=BAD)
    platform.customer()
    run_relay(sink, Until.ACCOUNTED)
    of = [r for r in manifests(sink) if r["of"] == "customers"]
    assert [(r["revision"], r["events"], r["dead_letters"]) for r in of] == [(0, 1, 1)]
    # Mended in the stored row, as a repaired contract or key would: the event itself can leave now.
    platform.sql(
        "UPDATE publisher.parked SET row = jsonb_set(row::jsonb, '{date_of_birth}', to_jsonb(%s::text))::json",
        "\\x" + secret("1980-01-01").hex(),
    )
    with connect(captured, "replay") as connection:
        assert deadletters.replay(connection, lambda _: None).requeued == 1
    run_relay(sink, Until.ACCOUNTED)
    of = [r for r in manifests(sink) if r["of"] == "customers" and r["seq_to"] == of[0]["seq_to"]]
    assert [(r["revision"], r["events"], r["dead_letters"]) for r in of] == [(0, 1, 1), (1, 2, 0)]
    assert_true(sink, contracts)


def test_duplicates_after_a_crash_are_counted_once(
    captured: str,
    platform: Platform,
    run_relay: Run,
    sink: MemorySink,
    releases: ReleaseSet,
    contracts: dict[str, Contract],
    keyring: Any,
) -> None:
    many(platform, 60, 1)
    dying = DeliversThenDies()
    with connect(captured, "relay") as connection, pytest.raises(Killed):
        Relay(connection, releases, dying).run(Until.SENT)
    sink.records += dying.records
    run_relay(sink, Until.ACCOUNTED)
    assert len([line for line in sink.lines if b'"creditors"' in line]) > 120
    assert_true(sink, contracts)


def test_sent_manifests_without_dead_letters_are_forgotten_after_a_day(
    platform: Platform, run_relay: Run, sink: MemorySink, captured: str
) -> None:
    platform.customer(date_of_birth=BAD)
    run_relay(sink, Until.ACCOUNTED)
    run_relay(sink, Until.ACCOUNTED)
    platform.sql("UPDATE publisher.ranges SET closed_at = closed_at - interval '2 days'")
    with connect(captured, "test") as connection:
        assert manifest.purge(connection) == 1
    assert platform.sql("SELECT count(*) FROM publisher.ranges") == [(2,)]
