"""The digest of a table's state against what a reader of the stream knows: it agrees, and what nobody captured makes it differ."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from publisher.contracts import Contract
from publisher.database import connect
from publisher.digest import State, send_digest
from publisher.errors import InstallError
from publisher.relay import ReleaseSet, Summary
from publisher.resync import resync
from publisher.risk.assess import RISK_LOCK
from publisher.sinks import MemorySink
from publisher.wire import BUCKETS, bucket_of, digest_of, record_of
from tests.integration.publisher.groups import people
from tests.integration.publisher.platform import Platform, secret

Run = Callable[..., Summary]
Send = Callable[..., State]


@pytest.fixture
def send(captured: str, releases: ReleaseSet, run_relay: Run, sink: MemorySink, monkeypatch: pytest.MonkeyPatch) -> Send:
    """Tells the state, beside a relay that keeps up unless it is said to stand."""
    monkeypatch.setattr("publisher.digest.PATIENCE_SECONDS", 0.3)

    def run(entity: str = "customers", *, relay_stands: bool = False) -> State:
        if not relay_stands:
            run_relay(sink)
        with connect(captured, "digest") as connection:
            return send_digest(connection, releases, entity)

    return run


def known_to_a_reader(sink: MemorySink, entity: str, upto: int) -> tuple[list[int], list[int], set[int]]:
    """Rows and digests of each bucket after the events up to a position, and the buckets with later ones."""
    last: dict[str, tuple[int, bytes | None]] = {}
    moved: set[int] = set()
    for line in sink.lines:
        event = json.loads(line)
        if event["entity"] != entity:
            continue
        if event["seq"] > upto:
            moved.add(bucket_of(event["key"]))
        elif event["seq"] > last.get(event["key"], (0, None))[0]:
            last[event["key"]] = event["seq"], record_of(line) if "record" in event else None
    rows, digests = [0] * BUCKETS, [0] * BUCKETS
    for key, (_, record) in last.items():
        if record is not None:
            rows[bucket_of(key)] += 1
            digests[bucket_of(key)] += digest_of(record)
    return rows, [each % 2**64 for each in digests], moved


def differing(sink: MemorySink, entity: str = "customers") -> set[int]:
    """The buckets in which the newest digest in the stream says other things than the events do."""
    told: dict[int, dict[str, Any]] = {}
    for event in map(json.loads, sink.lines):
        if event["entity"] == "_state" and event["record"]["of"] == entity:
            told[event["record"]["bucket"]] = event["record"]
    assert sorted(told) == list(range(BUCKETS))
    rows, digests, moved = known_to_a_reader(sink, entity, told[0]["seq_low"])
    return {
        b
        for b, each in told.items()
        if b not in moved and not each["unreleased"] and (each["rows"], int(each["digest"])) != (rows[b], digests[b])
    }


def test_the_state_is_what_the_events_say(platform: Platform, run_relay: Run, sink: MemorySink, send: Send, look: Any) -> None:
    """After inserts, updates, deletes and a coarsening."""
    ids = people(platform, 40)
    people(platform, 12, postcode=secret("M1 1AE"))
    look()
    platform.sql("UPDATE customers SET status = 'closed' WHERE id = ANY (%s)", ids[:20])
    platform.sql("DELETE FROM customers WHERE id = ANY (%s)", ids[-3:])
    found = send()
    run_relay(sink)
    assert sum(found.rows) == 49
    assert known_to_a_reader(sink, "customers", found.seq_low)[2] == set(), "all parts were compared"
    assert differing(sink) == set()
    platform.sql("UPDATE customers SET marketing_consent = NOT marketing_consent")
    send()
    run_relay(sink)
    assert differing(sink) == set()


def test_what_the_triggers_did_not_see_is_named_and_sent_again(
    platform: Platform,
    captured: str,
    run_relay: Run,
    sink: MemorySink,
    send: Send,
    contracts: dict[str, Contract],
    releases: ReleaseSet,
) -> None:
    """Triggers that were off for a while: a row changed, one came, one went."""
    ids = people(platform, 20)
    run_relay(sink)
    platform.sql("ALTER TABLE customers DISABLE TRIGGER USER")
    platform.sql("UPDATE customers SET status = 'closed' WHERE id = %s", ids[0])
    (new,) = people(platform, 1)
    platform.sql("DELETE FROM customers WHERE id = %s", ids[1])
    platform.sql("ALTER TABLE customers ENABLE ALWAYS TRIGGER publisher_update")
    platform.sql("ALTER TABLE customers ENABLE ALWAYS TRIGGER publisher_insert")
    platform.sql("ALTER TABLE customers ENABLE ALWAYS TRIGGER publisher_delete")
    send()
    run_relay(sink)
    with connect(captured, "test") as connection:
        release = releases.release
        changed, came, went = (bucket_of(release.code("customers", str(key))) for key in (ids[0], new, ids[1]))
        assert differing(sink) == {changed, came, went}
        # The lake names all that it has of these parts: of those the platform has not, it gets deletes.
        codes = [key for key in {e["key"] for e in map(json.loads, sink.lines)} if len(key) == 32]
        healed = resync(connection, contracts, release, "customers", differing(sink), threading.Event(), codes)
        assert healed.gone == 1
        assert healed.rows >= 2
    run_relay(sink)
    send()
    run_relay(sink)
    assert differing(sink) == set()
    (deleted,) = [e for e in map(json.loads, sink.lines) if e["op"] == "delete"]
    assert "record" not in deleted
    assert deleted["subject"] is None


def test_a_row_that_comes_to_light_meanwhile_is_not_deleted(
    platform: Platform, captured: str, run_relay: Run, sink: MemorySink, contracts: dict[str, Contract], releases: ReleaseSet
) -> None:
    """Its transaction began before, and commits after: its number is lower, so its row must be waited for."""
    (gone,) = people(platform, 1)
    run_relay(sink)
    code = next(event["key"] for event in map(json.loads, sink.lines) if event["entity"] == "customers")
    with psycopg.connect(captured) as other, connect(captured, "resync") as connection, ThreadPoolExecutor(1) as pool:
        release = releases.release
        platform.sql("DELETE FROM customers WHERE id = %s", gone)
        Platform(other).customer(id=gone)
        healing = pool.submit(resync, connection, contracts, release, "customers", range(BUCKETS), threading.Event(), [code])
        time.sleep(0.5)
        assert not healing.done()
        other.commit()
        assert healing.result(30).gone == 0
    run_relay(sink)
    assert [e["op"] for e in map(json.loads, sink.lines) if e["entity"] == "customers"][-1] == "insert"


def test_a_transaction_that_runs_is_in_the_range_that_is_not_compared(
    platform: Platform, captured: str, run_relay: Run, sink: MemorySink, send: Send
) -> None:
    """Numbered before the digest, committed after it."""
    ids = people(platform, 10)
    run_relay(sink)
    send()
    with psycopg.connect(captured) as other:
        other.execute("UPDATE customers SET status = 'closed' WHERE id = %s", [ids[0]])
        before = send()
        other.commit()
    run_relay(sink)
    assert differing(sink) == set()
    (seq,) = [event["seq"] for event in map(json.loads, sink.lines) if event["entity"] == "customers" and event["op"] == "update"]
    assert before.seq_low < seq <= before.seq_high, "the number below which nothing could commit any more is an older one"


def test_what_the_platform_writes_meanwhile_puts_few_parts_in_doubt(
    platform: Platform, captured: str, releases: ReleaseSet, run_relay: Run, sink: MemorySink
) -> None:
    """Two sessions that write all the time, and a relay that needs its time: in doubt is what is written in the milliseconds around the snapshot."""
    ids = people(platform, 400)
    stop, written = threading.Event(), [0, 0]

    def write(number: int) -> None:
        with psycopg.connect(captured, autocommit=True) as connection:
            while not stop.wait(0.002):
                connection.execute(
                    "UPDATE customers SET marketing_consent = NOT marketing_consent WHERE id = %s",
                    [ids[written[number] % 200 + 200 * number]],
                )
                written[number] += 1

    def relay() -> None:
        while not stop.wait(0.3):
            run_relay(sink)

    with ThreadPoolExecutor(3) as pool, connect(captured, "digest") as connection:
        jobs = [pool.submit(write, 0), pool.submit(write, 1), pool.submit(relay)]
        try:
            time.sleep(1)
            found = [send_digest(connection, releases, "customers") for _ in range(4)]
        finally:
            stop.set()
        for job in jobs:
            job.result(30)
    run_relay(sink)
    assert sum(written) > 200, "otherwise nothing was tried"
    assert differing(sink) == set()
    widths = sorted(each.seq_high - each.seq_low for each in found)
    assert widths[1] < 60, f"{widths} numbers in doubt"
    assert sorted(sum(map(bool, each.unreleased)) for each in found)[1] == 0, "the relay had sent what was below"


def test_what_waits_of_a_person_who_is_erased_meanwhile_is_no_false_alarm(
    platform: Platform, run_relay: Run, sink: MemorySink, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table says the new status, and the erasure purges the event that would have told the lake of it."""
    ids = people(platform, 3)
    run_relay(sink)
    platform.sql("UPDATE customers SET status = 'closed' WHERE id = %s", ids[0])
    (waits,) = platform.sql("SELECT seq FROM publisher.outbox WHERE key = %s", str(ids[0]))

    def purge(*_: Any) -> None:
        platform.sql("DELETE FROM publisher.outbox WHERE seq = %s", waits[0])
        platform.sql(
            "INSERT INTO publisher.erasures (entity, namespace, entities, person, seq_from, seq_to, events)"
            " VALUES ('customers', 'customer', '{customers}', '\\x01', 1, 2, '{}')"
        )

    monkeypatch.setattr("publisher.digest._let_leave", purge)
    found = send(relay_stands=True)
    assert found.seq_low > waits[0]
    assert sum(found.unreleased) == 1


def test_rows_that_cannot_leave_are_counted_and_not_compared(
    platform: Platform, run_relay: Run, sink: MemorySink, send: Send
) -> None:
    people(platform, 5)
    people(platform, 1, postcode=b"\x01not a ciphertext")
    run_relay(sink)
    found = send()
    assert sum(found.unreleased) == 1
    assert sum(found.rows) == 5


def test_a_deleted_row_whose_delete_waits_behind_a_dead_letter_is_no_false_alarm(
    platform: Platform, run_relay: Run, sink: MemorySink, send: Send
) -> None:
    """The stream still says that the row is there, and the table has it no more."""
    people(platform, 5)
    (poisoned,) = people(platform, 1)
    run_relay(sink)
    platform.sql("UPDATE customers SET postcode = %s WHERE id = %s", b"\x01not a ciphertext", poisoned)
    run_relay(sink)
    platform.sql("DELETE FROM customers WHERE id = %s", poisoned)
    run_relay(sink)
    found = send()
    run_relay(sink)
    assert sum(found.rows) == 5
    assert sum(found.unreleased) == 1
    assert sum(known_to_a_reader(sink, "customers", found.seq_low)[0]) == 6, "otherwise nothing was tried"
    assert differing(sink) == set(), "the lake leaves out that part"


def test_a_poisoned_row_that_is_mended_before_the_relay_has_seen_it_is_no_false_alarm(
    platform: Platform, run_relay: Run, sink: MemorySink, send: Send
) -> None:
    """The table says the mended row; the lake gets neither event until somebody replays. What waits may become a dead letter, so its part is left out."""
    ids = people(platform, 5)
    run_relay(sink)
    for postcode in (b"\x01not a ciphertext", secret("M1 1AE")):
        platform.sql("UPDATE customers SET postcode = %s, status = 'closed' WHERE id = %s", postcode, ids[0])
    found = send(relay_stands=True)
    run_relay(sink)
    assert sum(found.unreleased) == 1
    assert platform.sql("SELECT count(*) FROM publisher.dead_letters") == [(2,)], "otherwise nothing was tried"
    assert differing(sink) == set()


def test_no_digest_while_risk_is_assessed_and_no_risk_during_a_digest(
    platform: Platform, captured: str, send: Send, look: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What leaves under one coarsening is not to be compared with what left under another."""
    people(platform, 2)
    with connect(captured, "risk") as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [RISK_LOCK])
        with pytest.raises(InstallError, match="an assessment of risk runs"):
            send()

    def in_between(*_: Any) -> None:
        with pytest.raises(InstallError, match="or a digest"):
            look()

    monkeypatch.setattr("publisher.digest._let_leave", in_between)
    send()
    look()


def test_it_waits_for_what_is_under_way(platform: Platform, captured: str, send: Send) -> None:
    people(platform, 2)
    platform.sql(
        "INSERT INTO publisher.backfills (entity, due) VALUES ('customers', 'a test') ON CONFLICT (entity) DO UPDATE SET due = 'a test'"
    )
    with pytest.raises(InstallError, match=r"customers: a backfill is due.*publisher backfill customers"):
        send()


def test_no_manifest_counts_a_report_and_a_report_holds_numbers_alone(
    platform: Platform, run_relay: Run, sink: MemorySink, send: Send, contracts: dict[str, Contract]
) -> None:
    people(platform, 3)
    send()
    run_relay(sink)
    assert platform.sql("SELECT entity, events FROM publisher.tallies WHERE events > 0") == [("customers", 3)]
    reports = [json.loads(line) for line in sink.lines if b'"_state"' in line]
    assert len(reports) == BUCKETS
    named = {"of": "customers", "released_as": contracts["customers"].version}
    for report in reports:
        said = {name: value for name, value in report["record"].items() if name not in (*named, "as_of")}
        assert {name: report["record"][name] for name in named} == named
        assert all(isinstance(value, int) or value.isdecimal() for value in said.values())
