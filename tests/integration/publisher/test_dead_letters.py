"""An event that may not leave waits with its key, is never shown, and leaves in order once it can."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from publisher import deadletters, epoch
from publisher.database import connect
from publisher.keys import LocalKeyring
from publisher.outbox import try_lock
from publisher.relay import Relay, ReleaseSet, Summary, Until
from publisher.relay.judging import fault_of
from publisher.release import Release
from publisher.sinks import MemorySink
from tests.integration.publisher.platform import PSEUDONYM_KEY, Platform, secret
from tests.integration.publisher.relays import DeliversThenDies, Killed

Run = Callable[..., Summary]
BAD = b"\x01" + b"no ciphertext of ours, but long enough for one"


def records(sink: MemorySink, entity: str) -> list[dict[str, Any]]:
    return [event for event in map(json.loads, sink.lines) if event["entity"] == entity]


@pytest.fixture
def replay(captured: str, releases: ReleaseSet) -> Callable[[], deadletters.Replayed]:
    def run() -> deadletters.Replayed:
        with connect(captured, "replay") as connection:
            return deadletters.replay(connection, partial(fault_of, releases.release))

    return run


@pytest.fixture
def poisoned(platform: Platform, run_relay: Run, sink: MemorySink) -> int:
    """A customer whose birth date cannot be decrypted, with a later update behind; another customer goes on."""
    bad = platform.customer(date_of_birth=BAD)
    good = platform.customer()
    platform.sql("UPDATE customers SET status = 'closed' WHERE id = %s", bad)
    platform.sql("UPDATE customers SET status = 'closed' WHERE id = %s", good)
    run_relay(sink)
    return bad


def test_only_the_key_of_the_poisoned_row_waits(platform: Platform, poisoned: int, sink: MemorySink) -> None:
    assert [event["op"] for event in records(sink, "customers")] == ["insert", "update"]
    letters = platform.sql("SELECT entity, op, key, state, fields FROM publisher.dead_letters ORDER BY seq")
    assert letters == [
        ("customers", "insert", str(poisoned), "parked", ["birth_band"]),
        ("customers", "update", str(poisoned), "waiting", []),
    ]
    assert platform.outbox() == []


def test_a_dead_letter_and_its_log_hold_no_value(
    platform: Platform, run_relay: Run, sink: MemorySink, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A command that ran in this process before has taken the publisher's log for itself.
    monkeypatch.setattr(logging.getLogger("publisher"), "propagate", True)
    caplog.set_level(logging.DEBUG, "publisher")
    platform.sql("ALTER TABLE customers DROP CONSTRAINT status_known")
    platform.customer(status="a secret status", date_of_birth=secret("31 Febtember"), postcode=secret("PLAINTEXT"))
    run_relay(sink)
    logged = " ".join(str(record.__dict__) for record in caplog.records)
    kept = str(platform.sql("SELECT reason, fields FROM publisher.dead_letters"))
    assert "dead letter" in logged
    for value in ("secret status", "Febtember", "PLAINTEXT"):
        assert value not in logged
        assert value not in kept
    assert "birth_band" in kept


def test_later_rows_of_the_key_wait_in_later_runs_too(
    platform: Platform, poisoned: int, run_relay: Run, sink: MemorySink
) -> None:
    platform.sql("UPDATE customers SET marketing_consent = false WHERE id = %s", poisoned)
    run_relay(sink)
    assert len(records(sink, "customers")) == 2
    assert platform.sql("SELECT count(*) FROM publisher.parked") == [(3,)]


def test_replay_without_a_mend_changes_nothing(
    platform: Platform, poisoned: int, replay: Callable[[], deadletters.Replayed], run_relay: Run, sink: MemorySink
) -> None:
    before = platform.sql("SELECT seq, state, reason FROM publisher.dead_letters ORDER BY seq")
    assert replay() == deadletters.Replayed(requeued=0, superseded=0, still_dead=1)
    run_relay(sink)
    assert platform.sql("SELECT seq, state, reason FROM publisher.dead_letters ORDER BY seq") == before


def test_a_row_mended_by_the_application_supersedes_its_dead_letters(
    platform: Platform, poisoned: int, replay: Callable[[], deadletters.Replayed], run_relay: Run, sink: MemorySink
) -> None:
    platform.sql("UPDATE customers SET date_of_birth = %s WHERE id = %s", secret("1984-05-06"), poisoned)
    platform.sql("UPDATE customers SET marketing_consent = false WHERE id = %s", poisoned)
    run_relay(sink)
    assert replay() == deadletters.Replayed(requeued=2, superseded=2, still_dead=0)
    run_relay(sink)
    mended = records(sink, "customers")[2:]
    assert [event["record"]["marketing_consent"] for event in mended] == [True, False]
    assert mended[0]["seq"] < mended[1]["seq"]
    assert platform.sql("SELECT count(*) FROM publisher.parked") == [(0,)]
    platform.sql("UPDATE customers SET status = 'active' WHERE id = %s", poisoned)
    run_relay(sink)
    assert len(records(sink, "customers")) == 5


def test_a_mended_key_lets_all_events_go_in_order_before_newer_ones(
    captured: str, platform: Platform, releases: ReleaseSet, keyring: LocalKeyring, run_relay: Run, sink: MemorySink
) -> None:
    """The publisher ran with a wrong data key: everything encrypted is parked, then replayed with the right one."""
    wrong = LocalKeyring(bytes(32), PSEUDONYM_KEY)
    broken = replace(releases, keyring=wrong, release=Release(releases.contracts, wrong))
    customer = platform.customer()
    for status in ("closed", "active", "closed"):
        platform.sql("UPDATE customers SET status = %s WHERE id = %s", status, customer)
    with connect(captured, "relay") as connection:
        assert try_lock(connection)
        Relay(connection, broken, sink).run(Until.SENT)
    assert records(sink, "customers") == []
    platform.sql("UPDATE customers SET marketing_consent = false WHERE id = %s", customer)
    with connect(captured, "replay") as connection:
        assert deadletters.replay(connection, partial(fault_of, releases.release)).requeued == 4
    run_relay(sink)
    found = records(sink, "customers")
    assert [event["record"]["status"] for event in found] == ["active", "closed", "active", "closed", "closed"]
    assert [event["seq"] for event in found] == sorted(event["seq"] for event in found)


def test_a_deleted_row_supersedes_its_dead_letters(
    platform: Platform, poisoned: int, replay: Callable[[], deadletters.Replayed], run_relay: Run, sink: MemorySink
) -> None:
    platform.sql("DELETE FROM customers WHERE id = %s", poisoned)
    run_relay(sink)
    assert replay().superseded == 2
    run_relay(sink)
    assert records(sink, "customers")[-1]["op"] == "delete"


def test_a_delete_that_was_requeued_before_a_new_epoch_leaves_in_it(
    captured: str, platform: Platform, replay: Callable[[], deadletters.Replayed], run_relay: Run, sink: MemorySink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The relay stands while `publisher replay` and `publisher install --new-epoch` run; no backfill could send the delete."""
    customer = platform.customer()
    run_relay(sink)
    platform.sql("DELETE FROM customers WHERE id = %s", customer)
    with monkeypatch.context() as small:
        small.setattr("publisher.relay.judging.RECORD_LIMIT", 100)
        run_relay(sink)
    assert replay().requeued == 1
    with connect(captured, "install") as connection:
        epoch.raise_epoch(connection, "a test")
    run_relay(sink, Until.ACCOUNTED)
    assert [event["op"] for event in records(sink, "customers")] == ["insert", "delete"]
    assert platform.sql("SELECT count(*) FROM publisher.parked") == [(0,)]
    told = [event["record"] for event in records(sink, "_manifest") if event["record"]["of"] == "customers"]
    assert [(record["events"], record["dead_letters"]) for record in told if record["events"]] == [(1, 1), (1, 0)]


def test_a_new_epoch_keeps_the_order_of_a_key_with_rows_in_the_outbox_and_behind_a_dead_letter(
    captured: str, platform: Platform, releases: ReleaseSet, replay: Callable[[], deadletters.Replayed], keyring: LocalKeyring,
    run_relay: Run, sink: MemorySink,
) -> None:  # fmt: skip
    """The insert was read and not sent, the update is parked, the delete waits behind: the delete must stay the last."""
    bad = platform.customer()
    platform.sql("UPDATE customers SET date_of_birth = %s WHERE id = %s", BAD, bad)
    platform.sql("DELETE FROM customers WHERE id = %s", bad)
    with connect(captured, "relay") as connection, pytest.raises(Killed):
        Relay(connection, releases, DeliversThenDies()).run(Until.SENT)
    with connect(captured, "install") as connection:
        epoch.raise_epoch(connection, "a test")
    run_relay(sink)
    replay()
    run_relay(sink)
    assert [event["op"] for event in records(sink, "customers")] == ["insert", "delete"]


def test_an_event_larger_than_a_record_is_parked(
    captured: str,
    platform: Platform,
    releases: ReleaseSet,
    keyring: LocalKeyring,
    sink: MemorySink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("publisher.relay.judging.RECORD_LIMIT", 200)
    platform.customer()
    with connect(captured, "relay") as connection:
        Relay(connection, releases, sink).run(Until.SENT)
    assert platform.sql("SELECT reason FROM publisher.dead_letters") == [("record too large",)]


def test_a_row_of_an_entity_without_a_contract_is_parked(platform: Platform, run_relay: Run, sink: MemorySink) -> None:
    platform.sql("INSERT INTO publisher.outbox (seq, entity, op, key) VALUES (nextval('publisher.seq'), 'ghosts', 'delete', '1')")
    run_relay(sink, Until.ACCOUNTED)
    assert platform.sql("SELECT entity FROM publisher.dead_letters") == [("ghosts",)]


def test_a_row_from_before_the_dead_letter_does_not_wait_for_it(
    captured: str, platform: Platform, releases: ReleaseSet, keyring: LocalKeyring, run_relay: Run, sink: MemorySink
) -> None:
    """A relay that died after it had parked the letter, and before the earlier row was sent."""
    bad = platform.customer()
    platform.sql("UPDATE customers SET date_of_birth = %s WHERE id = %s", BAD, bad)
    dying = DeliversThenDies()
    with connect(captured, "relay") as connection, pytest.raises(Killed):
        Relay(connection, releases, dying).run(Until.SENT)
    platform.sql("DELETE FROM publisher.claims")  # as if the round had not claimed it
    run_relay(sink)
    assert [event["op"] for event in records(sink, "customers")] == ["insert"]
    assert platform.sql("SELECT op FROM publisher.dead_letters") == [("update",)]
