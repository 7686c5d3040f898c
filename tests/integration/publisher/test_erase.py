"""An erased person leaves the publisher's tables, the lake is told, and nobody else notices."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial

import psycopg
import pytest

from publisher import deadletters, epoch
from publisher.backfill import backfill
from publisher.contracts import Contract
from publisher.database import Connection, connect
from publisher.erasure import request
from publisher.erasure.request import ask, receipt, settled
from publisher.errors import SettingsError, TransientError
from publisher.keys import LocalKeyring
from publisher.relay import Relay, ReleaseSet, Summary, Until
from publisher.relay.judging import fault_of
from publisher.sinks import Failure, MemorySink, Record
from tests.integration.publisher.platform import Platform, secret
from tests.integration.publisher.relays import DeliversThenDies, Killed, by_key, events, running, wait_for
from tests.integration.publisher.remains import remains
from tests.integration.publisher.test_dead_letters import BAD
from tests.integration.publisher.test_manifest import assert_true, manifests

Run = Callable[..., Summary]
Contracts = dict[str, Contract]
PERSON = 987_654_321
DEBT, PLAN = 876_543_219, 765_432_198
CIPHER = {"email": secret("ada@example.org"), "date_of_birth": secret("1984-05-06"), "postcode": secret("SW1A 1AA")}
NEEDLES = [str(PERSON), str(DEBT), str(PLAN), *(value.hex() for value in CIPHER.values()), BAD.hex()]


@pytest.fixture
def session(captured: str) -> Iterator[Connection]:
    with connect(captured, "erase") as connection:
        yield connection


@pytest.fixture
def erase(session: Connection, contracts: Contracts, keyring: LocalKeyring) -> Callable[..., int]:
    """Asks for the person's erasure, and says under which number."""
    return lambda key=PERSON: ask(session, contracts, keyring, "customers", str(key))[0]


@pytest.fixture
def person(platform: Platform) -> int:
    """A person with a debt and a plan, of whom everything waits; another one beside."""
    creditor = platform.creditor()
    platform.customer(id=PERSON, **CIPHER)
    platform.plan(platform.debt(PERSON, creditor, id=DEBT), id=PLAN)
    platform.plan(platform.debt(platform.customer(), creditor))
    return PERSON


def told(sink: MemorySink, op: str = "erase") -> list[tuple[str, str]]:
    found = sorted(events(sink), key=lambda event: event["seq"])
    return [(event["entity"], event["key"]) for event in found if event["op"] == op]


def pseudonym(keyring: LocalKeyring, namespace: str, key: int) -> str:
    return keyring.pseudonym(namespace, str(key))


def test_what_waits_of_a_person_never_leaves_and_the_lake_is_told(
    platform: Platform, person: int, session: Connection, erase: Callable[..., int], run_relay: Run, sink: MemorySink,
    keyring: LocalKeyring, contracts: Contracts,
) -> None:  # fmt: skip
    assert {"outbox.key", "outbox.subject", "outbox.row"} <= set(remains(platform, NEEDLES)), "the search finds what is there"
    number = erase()
    run_relay(sink, Until.ACCOUNTED)
    assert remains(platform, NEEDLES) == []
    me = pseudonym(keyring, "customer", PERSON)
    assert told(sink) == [
        ("customers", me), ("debts", pseudonym(keyring, "debt", DEBT)), ("plans", pseudonym(keyring, "plan", PLAN)),
    ]  # fmt: skip
    assert [event for event in events(sink) if event.get("subject") == me and event["op"] != "erase"] == []
    assert sorted(entity for entity, _ in told(sink, "insert")) == ["creditors", "customers", "debts", "plans"], "the other one's"
    assert_true(sink, contracts)
    done = receipt(session, number)
    assert done.events == {"customers": 1, "debts": 1, "plans": 1}
    assert done.purged["outbox"] == {"customers": 1, "debts": 1, "plans": 1}
    assert settled(session, number, str(PERSON))


def test_dead_letters_of_the_person_go_and_are_taken_off_their_manifest(
    platform: Platform, session: Connection, erase: Callable[..., int], run_relay: Run, sink: MemorySink, contracts: Contracts
) -> None:
    platform.customer(id=PERSON, **{**CIPHER, "date_of_birth": BAD})
    platform.sql("UPDATE customers SET status = 'closed' WHERE id = %s", PERSON)
    platform.customer(date_of_birth=BAD)
    run_relay(sink, Until.ACCOUNTED)
    assert {"dead_letters.key", "dead_letters.subject", "parked.row"} <= set(remains(platform, NEEDLES[:-1]))
    number = erase()
    run_relay(sink, Until.ACCOUNTED)
    assert remains(platform, NEEDLES[:-1]) == []
    assert platform.sql("SELECT count(*) FROM publisher.dead_letters") == [(1,)], "another person's letter stays"
    of = [r for r in manifests(sink) if r["of"] == "customers"]
    assert [(r["revision"], r["events"], r["dead_letters"]) for r in of] == [(0, 0, 3), (1, 0, 1), (0, 1, 0)]
    assert told(sink), "the erase event does not wait behind the dead letter of its key"
    assert_true(sink, contracts)
    assert receipt(session, number).purged["dead_letters"] == {"customers": 2}


def test_a_letter_that_was_resolved_long_ago_is_forgotten_too(
    platform: Platform, session: Connection, releases: ReleaseSet, erase: Callable[..., int], run_relay: Run, sink: MemorySink
) -> None:
    platform.customer(id=PERSON, **{**CIPHER, "date_of_birth": BAD})
    run_relay(sink)
    platform.sql("UPDATE customers SET date_of_birth = %s WHERE id = %s", CIPHER["date_of_birth"], PERSON)
    run_relay(sink)
    assert deadletters.replay(session, partial(fault_of, releases.release)).superseded == 1
    run_relay(sink)
    platform.sql("DELETE FROM customers WHERE id = %s", PERSON)
    run_relay(sink)
    assert remains(platform, NEEDLES) == ["dead_letters.key", "dead_letters.subject"]
    erase()
    run_relay(sink)
    assert remains(platform, NEEDLES) == []


def test_what_a_killed_relay_had_on_its_way_is_settled_first(
    captured: str, platform: Platform, person: int, releases: ReleaseSet, session: Connection, erase: Callable[..., int],
    run_relay: Run, sink: MemorySink, contracts: Contracts,
) -> None:  # fmt: skip
    dying = DeliversThenDies()
    with connect(captured, "relay") as connection, pytest.raises(Killed):
        Relay(connection, releases, dying).run(Until.SENT)
    platform.sql("UPDATE customers SET status = 'closed' WHERE id = %s", PERSON)
    before = {json.loads(line)["seq"]: line for record in dying.records for line in record.data.splitlines()}
    number = erase()
    assert receipt(session, number).settled_at is None, "nobody purges but a relay"
    run_relay(sink, Until.ACCOUNTED)
    assert {json.loads(line)["seq"]: line for line in sink.lines if json.loads(line)["seq"] in before} == before
    assert [e["op"] for e in events(sink) if e["entity"] == "customers" and e["key"] == told(sink)[0][1]] == ["insert", "erase"]
    assert receipt(session, number).purged["under_way"] == {"customers": 1, "debts": 1, "plans": 1}
    assert receipt(session, number).purged["outbox"] == {"customers": 1}
    assert remains(platform, NEEDLES) == []
    assert_true(sink, contracts)


class Slow:
    """A stream that takes nothing until it may."""

    def __init__(self, sink: MemorySink) -> None:
        self.sink, self.open = sink, threading.Event()

    def put(self, records: list[Record]) -> list[Failure]:
        self.open.wait(20)
        return self.sink.put(records)


def test_a_relay_at_work_forgets_what_it_has_read_and_loses_nothing_of_others(
    captured: str, platform: Platform, releases: ReleaseSet, keyring: LocalKeyring, session: Connection,
    erase: Callable[..., int], run_relay: Run, sink: MemorySink, contracts: Contracts,
) -> None:  # fmt: skip
    others = [platform.customer() for _ in range(300)]
    platform.customer(id=PERSON, **CIPHER)
    slow, stop = Slow(sink), threading.Event()
    with running(captured, releases, keyring, slow, stop):
        wait_for(lambda: platform.sql("SELECT count(*) FROM publisher.claims") != [(0,)])
        for status in ("closed", "active", "closed"):
            platform.sql("UPDATE customers SET status = %s", status)
        wait_for(lambda: len(sink.records) == 0 and platform.sql("SELECT count(*) FROM publisher.outbox")[0][0] == 1204)
        number = erase()
        wait_for(lambda: slow.open.set() or receipt(session, number).settled_at is not None)
        for status in ("active", "closed"):
            platform.sql("UPDATE customers SET status = %s", status)
        wait_for(lambda: settled(session, number, str(PERSON)))
        wait_for(lambda: platform.outbox() == [])
        stop.set()
    run_relay(sink, Until.ACCOUNTED)
    found = events(sink)
    me = pseudonym(keyring, "customer", PERSON)
    assert [e["op"] for e in found if e["key"] == me][-1] == "erase"
    per_key = {key: seqs for (_, key), seqs in by_key(found).items() if key != me}
    assert len(per_key) == len(others)
    assert all(len(seqs) == 6 and seqs == sorted(seqs) for seqs in per_key.values())
    assert remains(platform, NEEDLES) == []
    assert_true(sink, contracts)


def test_what_the_platform_writes_afterwards_stays_here_and_a_delete_leaves(
    captured: str, platform: Platform, person: int, session: Connection, erase: Callable[..., int], run_relay: Run,
    sink: MemorySink, contracts: Contracts,
) -> None:  # fmt: skip
    erase()
    first = MemorySink()
    run_relay(first)
    platform.sql("UPDATE customers SET status = 'closed' WHERE id = %s", PERSON)
    platform.debt(PERSON, platform.creditor())
    backfill(session, contracts, "customers")
    epoch.raise_epoch(session, "a restore")
    backfill(session, contracts, "debts")
    run_relay(sink, Until.ACCOUNTED)
    assert [entity for entity, _ in told(sink, "snapshot")] == ["customers", "debts"], "those of the other person"
    assert [entity for entity, _ in told(sink, "insert") + told(sink, "update")] == ["creditors"]
    assert remains(platform, NEEDLES) == []
    platform.sql("DELETE FROM plans WHERE id = %s", PLAN)
    run_relay(sink, Until.ACCOUNTED)
    assert [entity for entity, _ in told(sink, "delete")] == ["plans"]
    arrived = {(e["entity"], e["seq"]) for e in events(sink) + events(first)}
    assert sum(record["events"] for record in manifests(sink)) == len(arrived), "what stays here is in no count"


def test_a_platform_that_deleted_first_by_cascade_leaves_nothing_behind(
    platform: Platform, person: int, erase: Callable[..., int], run_relay: Run, sink: MemorySink, keyring: LocalKeyring
) -> None:
    with platform.connection.transaction():
        platform.sql("DELETE FROM plans WHERE id = %s", PLAN)
        platform.sql("DELETE FROM debts WHERE id = %s", DEBT)
        platform.sql("DELETE FROM customers WHERE id = %s", PERSON)
    erase()
    run_relay(sink, Until.ACCOUNTED)
    assert [entity for entity, _ in told(sink)] == ["customers", "debts", "plans"]
    assert told(sink, "delete") == []
    assert remains(platform, NEEDLES) == []


def test_a_person_of_whom_nothing_is_left_is_told_of_all_the_same(
    platform: Platform, erase: Callable[..., int], run_relay: Run, sink: MemorySink, keyring: LocalKeyring
) -> None:
    erase()
    run_relay(sink)
    assert told(sink) == [("customers", pseudonym(keyring, "customer", PERSON))]
    assert events(sink)[0]["subject"] == pseudonym(keyring, "customer", PERSON)


def test_a_debt_that_went_to_another_person_is_that_persons(
    platform: Platform, person: int, erase: Callable[..., int], run_relay: Run, sink: MemorySink, keyring: LocalKeyring
) -> None:
    heir = platform.customer()
    platform.sql("UPDATE debts SET customer_id = %s WHERE id = %s", heir, DEBT)
    platform.sql("UPDATE plans SET status = 'completed' WHERE id = %s", PLAN)
    erase()
    run_relay(sink, Until.ACCOUNTED)
    assert [entity for entity, _ in told(sink)] == ["customers"]
    of = [e for e in events(sink) if e["key"] == pseudonym(keyring, "debt", DEBT)]
    assert [(e["op"], e["subject"]) for e in of] == [("update", pseudonym(keyring, "customer", heir))]


def test_no_number_of_another_person_with_the_same_key_is_touched(
    platform: Platform, erase: Callable[..., int], run_relay: Run, sink: MemorySink
) -> None:
    """A creditor and a debt may have the number that is the person's: keys are of their entity."""
    platform.customer(id=PERSON, **CIPHER)
    platform.creditor(id=PERSON)
    platform.debt(platform.customer(), PERSON, id=PERSON)
    erase()
    run_relay(sink, Until.ACCOUNTED)
    assert sorted(entity for entity, _ in told(sink, "insert")) == ["creditors", "customers", "debts"]


def test_rows_that_are_being_written_are_waited_for_not_passed_over(
    captured: str, platform: Platform, person: int, erase: Callable[..., int], run_relay: Run, sink: MemorySink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(request, "ATTEMPTS", 2)
    before = platform.outbox()
    with psycopg.connect(captured) as busy:
        busy.execute("UPDATE debts SET status = 'settled' WHERE id = %s", [DEBT])
        with pytest.raises(TransientError, match="nothing was changed"):
            erase()
        assert platform.outbox() == before
        assert platform.sql("SELECT count(*) FROM publisher.erasures") == [(0,)]
    erase()
    run_relay(sink)
    assert remains(platform, NEEDLES) == []


def test_a_backfill_that_stands_at_the_person_goes_on_from_the_key_before(
    platform: Platform, session: Connection, erase: Callable[..., int], contracts: Contracts, run_relay: Run, sink: MemorySink
) -> None:
    first = platform.customer()
    platform.customer(id=PERSON, **CIPHER)
    last = platform.customer(id=PERSON + 1)
    platform.clear()
    session.execute("INSERT INTO publisher.backfills (entity) VALUES ('customers') ON CONFLICT DO NOTHING")
    platform.sql(
        "UPDATE publisher.backfills SET position = %s, upto = %s, started_at = now(), finished_at = NULL, due = 'x'"
        " WHERE entity = 'customers'", str(PERSON), str(last),
    )  # fmt: skip
    erase()
    assert platform.sql("SELECT position, upto FROM publisher.backfills WHERE entity = 'customers'") == [(str(first), str(last))]
    assert backfill(session, contracts, "customers").rows == 2
    run_relay(sink)
    assert len(told(sink, "snapshot")) == 1
    assert remains(platform, NEEDLES) == []


@pytest.mark.parametrize(("entity", "key", "said"), [("debts", "1", "customers can be erased"), ("customers", "ada", "bigint")])
def test_what_cannot_be_erased_is_said_without_the_key(
    session: Connection, contracts: Contracts, keyring: LocalKeyring, entity: str, key: str, said: str
) -> None:
    with pytest.raises(SettingsError, match=said) as raised:
        ask(session, contracts, keyring, entity, key)
    assert "ada" not in str(raised.value)
