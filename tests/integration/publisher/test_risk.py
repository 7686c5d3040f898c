"""The gate on the population, against PostgreSQL: what leaves of a k-group, before and after somebody has looked."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from publisher.contracts import Contract
from publisher.contracts.kgroups import groups_of
from publisher.database import connect
from publisher.errors import InstallError
from publisher.keys import LocalKeyring
from publisher.outbox import rows_of
from publisher.relay import Relay, ReleaseSet, Summary, Until
from publisher.relay.judging import event_of
from publisher.relay.releases import former_release
from publisher.risk import store
from publisher.risk.assess import RISK_LOCK, Assessment
from publisher.sinks import MemorySink
from publisher.status import read_status
from publisher.wire import partition_of
from tests.integration.publisher.conftest import CONTRACTS
from tests.integration.publisher.groups import GROUP, classes, current, events, people
from tests.integration.publisher.platform import Platform, secret
from tests.integration.publisher.relays import DeliversThenDies, Killed

Run = Callable[..., Summary]
Look = Callable[..., Assessment]


def test_a_k_group_says_nothing_before_anybody_has_looked(platform: Platform, run_relay: Run, sink: MemorySink) -> None:
    people(platform, 30)
    run_relay(sink)
    assert all(record[name] is None for record in current(sink).values() for name in GROUP)
    assert {record["status"] for record in current(sink).values()} == {"active"}


def test_enough_people_leave_as_they_are_and_a_single_one_does_not(
    platform: Platform, run_relay: Run, sink: MemorySink, look: Look
) -> None:
    people(platform, 30)
    people(platform, 1, postcode=secret("ZE1 0AA"), date_of_birth=secret("1931-01-01"))
    found = look()
    run_relay(sink)
    assert (found.people_below_k, found.before.smallest) == (1, 1)
    assert classes(sink) == {}, (
        "one person alone in silence would stand out by it: the smallest class goes with them, here the only one"
    )


def test_the_smallest_class_falls_silent_with_a_single_person(
    platform: Platform, run_relay: Run, sink: MemorySink, look: Look
) -> None:
    people(platform, 30)
    people(platform, 20, postcode=secret("M1 1AE"))
    people(platform, 1, postcode=secret("ZE1 0AA"), date_of_birth=secret("1931-01-01"))
    found = look()
    run_relay(sink)
    assert classes(sink) == {(True, False, False, "1980-1989", "SW", "2026-03-01"): 30}
    assert found.after.silent == 21


def test_too_few_people_leave_as_coarse_as_they_must(platform: Platform, run_relay: Run, sink: MemorySink, look: Look) -> None:
    """Six of each of two decades of birth are twelve of twenty years; six of each of two areas are twelve of London."""
    people(platform, 6, date_of_birth=secret("1984-05-06"))
    people(platform, 6, date_of_birth=secret("1991-05-06"))
    people(platform, 6, date_of_birth=secret("1951-05-06"), postcode=secret("N1 1AA"))
    people(platform, 6, date_of_birth=secret("1951-05-06"), postcode=secret("W1A 1AA"))
    look()
    run_relay(sink)
    said = {(record["birth_band"], record["postcode_area"]) for record in current(sink).values()}
    assert said == {("1980-1999", "SW"), ("1940-1959", "London")}
    assert set(classes(sink).values()) == {12}


def test_a_new_combination_waits_in_silence_for_the_next_look(
    platform: Platform, run_relay: Run, sink: MemorySink, look: Look
) -> None:
    people(platform, 12)
    look()
    run_relay(sink)
    people(platform, 1)
    new = people(platform, 12, postcode=secret("M1 1AE"))
    run_relay(sink)
    assert classes(sink) == {(True, False, False, "1980-1989", "SW", "2026-03-01"): 13}, "a known one needs no look"
    look()
    summary = run_relay(sink)
    assert sorted(classes(sink).values()) == [12, 13]
    assert summary.events == len(new) + 1, "only what says other things is sent again, and the report"


def test_who_becomes_rare_is_made_coarser_and_never_finer_again(
    platform: Platform, run_relay: Run, sink: MemorySink, look: Look
) -> None:
    rare = [
        "AB1 0AA",
        "B1 1AA",
        "CF1 1AA",
        "DH1 1AA",
        "EX1 1AA",
        "LS1 1AA",
        "M1 1AA",
        "N1 1AA",
        "OX1 1AA",
        "BT1 1AA",
        "NG1 1AA",
        "CB1 1AA",
    ]
    for postcode in rare:
        platform.customer(postcode=secret(postcode))
    few = people(platform, 10)
    first = look()
    run_relay(sink)
    as_it_was = (True, False, False, "1980-1989", "SW", "2026-03-01")
    assert classes(sink)[as_it_was] == 10
    platform.sql("DELETE FROM customers WHERE id = %s", few[0])
    second = look()
    run_relay(sink)
    assert classes(sink) == {(True, False, False, "1960-1999", None, None): 21}
    people(platform, 20)
    third = look()
    run_relay(sink)
    assert classes(sink) == {(True, False, False, "1960-1999", None, None): 41}
    assert first.version < second.version == third.version


def test_a_dry_run_changes_nothing(platform: Platform, look: Look, captured: str) -> None:
    people(platform, 12)
    platform.clear()
    found = look(dry_run=True)
    assert found.after.groups == 1
    assert platform.outbox() == []
    assert platform.sql("SELECT count(*) FROM publisher.coarsenings") == [(0,)]


def test_the_report_leaves_with_counts_and_nothing_else(platform: Platform, run_relay: Run, sink: MemorySink, look: Look) -> None:
    people(platform, 12)
    look()
    run_relay(sink, Until.ACCOUNTED)
    (report,) = events(sink, "_risk")
    assert report["record"] == {
        "of": "customers", "kgroup": "person", "computed_at": report["committed_at"], "version": 1, "k": 10, "people": 12, "groups": 1,
        "smallest": 12, "silent": 0, "coarsened": 0, "people_below_k": 0, "groups_before": 1, "smallest_before": 12,
    }  # fmt: skip
    assert "_risk" not in {row[0] for row in platform.sql("SELECT entity FROM publisher.tallies")}, "no manifest counts it"


def test_a_smaller_group_does_not_do_for_a_larger_k(
    platform: Platform, captured: str, contracts: dict[str, Contract], look: Look
) -> None:
    people(platform, 12)
    look()
    (group,) = groups_of(contracts["customers"])
    with connect(captured, "test") as connection:
        assert store.load_steps(connection, [group], 1).tables
        stricter = type(group)(group.entity, group.name, 20, group.fields, group.ladders)
        assert not store.load_steps(connection, [stricter], 1).tables


def test_a_successor_repeats_under_the_coarsening_that_was_claimed(
    captured: str,
    platform: Platform,
    releases: ReleaseSet,
    keyring: LocalKeyring,
    sink: MemorySink,
    look: Look,
    run_relay: Run,
) -> None:
    """A version that comes between put and acknowledgement changes no byte of what was put."""
    people(platform, 30)
    dying = DeliversThenDies()
    with connect(captured, "relay") as connection, pytest.raises(Killed):
        Relay(connection, releases, dying).run(Until.SENT)
    look()
    run_relay(sink)
    put = {line for record in dying.records for line in record.data.splitlines()}
    again = [line for record in sink.records for line in record.data.splitlines()]
    assert put
    assert put <= set(again)
    contents: dict[tuple[str, int], set[bytes]] = {}
    for line in [*put, *again]:
        event = json.loads(line)
        contents.setdefault((event["entity"], event["seq"]), set()).add(line)
    assert all(len(lines) == 1 for lines in contents.values())
    assert sum(classes(sink).values()) == 30, "and the rows were sent again under the new one"


def test_a_version_that_comes_while_rows_wait_in_memory_is_kept_apart(
    captured: str,
    platform: Platform,
    releases: ReleaseSet,
    keyring: LocalKeyring,
    look: Look,
    run_relay: Run,
) -> None:
    """Rows released before the version and rows after it stand in one partition's queue: each record's claim names its own release."""
    people(platform, 12)

    class LooksDuringThePut(MemorySink):
        looked = False

        def put(self, records: Any) -> Any:
            if not self.looked:
                self.looked = True
                look()
                platform.sql("UPDATE customers SET status = 'closed'")
            return super().put(records)

    sink = LooksDuringThePut()
    with connect(captured, "relay") as connection:
        assert store.latest(connection) == 0
        Relay(connection, releases, sink).run(Until.SENT)
    run_relay(sink)
    assert sum(classes(sink).values()) == 12
    by_op = Counter((event["op"], event["record"]["birth_band"]) for event in events(sink))
    assert by_op["insert", None] == 12
    assert by_op["update", "1980-1989"] == 12


def test_an_insert_tells_no_more_of_its_time_than_the_groups_dates(
    platform: Platform, run_relay: Run, sink: MemorySink, look: Look
) -> None:
    platform.customer()
    run_relay(sink)
    (silent,) = events(sink)
    assert silent["committed_at"].endswith("-01-01T00:00:00Z")
    people(platform, 12)
    look()
    platform.customer()
    run_relay(sink)
    assert events(sink)[-1]["op"] == "insert"
    assert events(sink)[-1]["committed_at"][7:] == "-01T00:00:00Z"
    platform.sql("UPDATE customers SET status = 'closed'")
    run_relay(sink)
    assert not all(event["committed_at"].endswith("T00:00:00Z") for event in events(sink) if event["op"] == "update")


def test_what_the_database_keeps_of_a_combination_is_no_value(platform: Platform, look: Look) -> None:
    people(platform, 12)
    look()
    kept = platform.sql("SELECT row_to_json(s)::text FROM publisher.coarsening_steps s")
    assert len(kept) == 1
    assert "1980" not in kept[0][0]
    assert "SW" not in kept[0][0]


def test_what_a_publisher_without_the_gate_had_put_is_repeated_byte_for_byte(
    captured: str, platform: Platform, keyring: LocalKeyring, run_relay: Run, sink: MemorySink
) -> None:
    """Its contracts say `required` of a k-group's fields, which none may today, and its release names no coarsening."""
    platform.customer()
    text = {file.name: file.read_text() for file in CONTRACTS.glob("*.yaml") if file.name != "approvals.yaml"}
    text["customers.yaml"] = (CONTRACTS / "history" / "customers-1.0.0.yaml").read_text()
    (row,) = platform.sql("SELECT seq FROM publisher.outbox")
    platform.sql("INSERT INTO publisher.releases (release, contracts) VALUES ('old', %s::jsonb)", json.dumps(text))
    with connect(captured, "old") as connection:
        (line,) = [event_of(former_release(connection, "old", keyring), each).line for each in rows_of(connection, [row[0]])]
    assert json.loads(line)["contract"] == "1.0.0"
    assert json.loads(line)["record"]["birth_band"] == "1980-1989"
    partition = partition_of("customers", json.loads(line)["key"])
    platform.sql("INSERT INTO publisher.claims VALUES (%s, 'old', ARRAY[%s]::bigint[])", partition, row[0])
    run_relay(sink)
    assert [each for record in sink.records for each in record.data.splitlines()] == [line]


def test_rows_that_left_before_there_was_a_group_are_sent_again_also_to_say_nothing(
    platform: Platform, run_relay: Run, sink: MemorySink, look: Look
) -> None:
    people(platform, 3)
    look()
    platform.clear()
    assert [row[0] for row in platform.sql("SELECT resent FROM publisher.coarsenings")] == [3]


def test_a_stopped_look_is_told_and_goes_on(
    platform: Platform, captured: str, contracts: dict[str, Contract], releases: ReleaseSet, look: Look
) -> None:
    people(platform, 12)
    platform.clear()
    stop, said = threading.Event(), list[str]()
    stop.set()
    look(stop=stop, report=said.append)
    assert said == ["customers: stopped after 0 of 12 rows that say other things now: give the command again"]
    with connect(captured, "status") as connection:
        assert "give `publisher risk` again" in read_status(connection).k_groups
    look()
    assert [row.op for row in platform.outbox("customers")] == ["snapshot"] * 12
    with connect(captured, "status") as connection:
        assert read_status(connection).k_groups.startswith("coarsening 1, of ")


def test_two_looks_at_once_are_refused(captured: str, platform: Platform, look: Look) -> None:
    people(platform, 1)
    with connect(captured, "another") as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [RISK_LOCK])
        with pytest.raises(InstallError, match="another assessment of risk runs"):
            look()
