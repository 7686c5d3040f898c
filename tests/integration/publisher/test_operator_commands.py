"""`publisher status` and `publisher dead-letters`: for a person and as JSON, with names and counts, never a value or a source key."""

from __future__ import annotations

import json
import time

import psycopg
import pytest

from publisher.status import POLICY
from tests.integration.publisher.platform import Platform
from tests.integration.publisher.test_commands import run

CANARY = "Zebulon Quackenbush 4711"
KEY = 471_147_114_711
UNDECIPHERABLE = "decryption failed: another data key, or the bytes were changed"


def test_status_tells_size_age_limit_and_what_happens_when_it_grows(environment: dict[str, str], application: Platform) -> None:
    application.creditor()
    application.sql("UPDATE publisher.outbox SET captured_at = now() - interval '1 hour'")

    shown = run({**environment, "PUBLISHER_OLDEST_LIMIT": "120"}, "status").stdout
    patient = run({**environment, "PUBLISHER_OLDEST_LIMIT": "7200"}, "status").stdout
    told = json.loads(run({**environment, "PUBLISHER_OLDEST_LIMIT": "120"}, "status", "--json").stdout)

    assert "1 rows, the oldest for 60 min" in shown
    assert "LATE: over its limit of 2 min" in shown
    assert "within its limit of 2.0 h" in patient
    assert POLICY in shown
    assert "KiB; " in shown
    assert (told["depth"], told["late"], told["oldest_limit_seconds"], told["relay_connected"]) == (1, True, 120.0, False)
    assert told["oldest_seconds"] >= 3600
    assert told["disk_bytes"] > 0
    assert told["by_entity"] == {"creditors": 1}


def test_status_names_a_transaction_that_stays_open(
    environment: dict[str, str], captured: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("publisher.status.LONG_SECONDS", 0.2)
    with psycopg.connect(captured) as reader:
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT FROM pg_class")
        time.sleep(0.5)
        shown = run(environment, "status").stdout
        told = json.loads(run(environment, "status", "--json").stdout)
    assert "it keeps ranges open and dead rows in place; pg_stat_activity names it" in shown
    assert told["oldest_transaction_seconds"] >= 0.5


def test_dead_letters_are_listed_by_what_is_wrong_and_not_by_what_they_hold(
    environment: dict[str, str], application: Platform
) -> None:
    assert run(environment, "dead-letters").stdout == "no dead letters: everything that was captured may leave.\n"
    assert run(environment, "dead-letters", "--json").stdout == "[]\n"
    for number in range(3):
        application.customer(id=KEY + number)  # encrypted with a key that is not the platform's
    application.sql("UPDATE customers SET status = 'closed' WHERE id = %s", KEY)
    application.sql("UPDATE publisher.outbox SET captured_at = now() - interval '3 hours' WHERE key = %s", str(KEY))
    assert run(environment, "relay", "--once").returncode == 0

    shown = run(environment, "dead-letters")
    told = json.loads(run(environment, "dead-letters", "--json").stdout)

    assert [(g["entity"], g["state"], g["count"]) for g in told] == [("customers", "parked", 3), ("customers", "waiting", 1)]
    assert told[0]["reason"] == UNDECIPHERABLE
    assert {"birth_band", "postcode_area"} <= set(told[0]["fields"])
    assert 3 * 3600 <= told[0]["oldest_seconds"] < 4 * 3600
    assert "3.0 h" in shown.stdout
    assert UNDECIPHERABLE in shown.stdout
    assert "`publisher replay`" in shown.stdout
    assert "`publisher dead-letters` says why" in run(environment, "status").stdout
    for said in (shown.stdout, json.dumps(told), run(environment, "status").stdout, run(environment, "status", "--json").stdout):
        assert str(KEY)[:9] not in said
        assert "Ada" not in said


def test_a_dead_letter_that_may_leave_again_is_told_apart(environment: dict[str, str], application: Platform) -> None:
    application.customer()
    run(environment, "relay", "--once")
    application.sql("UPDATE publisher.dead_letters SET state = 'requeued'")
    assert "may leave now: the relay puts it back" in run(environment, "dead-letters").stdout


def test_a_digest_of_one_table_that_must_wait_keeps_no_other_from_being_told(
    environment: dict[str, str], application: Platform
) -> None:
    application.sql(
        "INSERT INTO publisher.backfills (entity, due) VALUES ('customers', 'a test') ON CONFLICT (entity) DO UPDATE SET due = 'a test'"
    )
    told = run(environment, "digest", "customers", "creditors", "--rows-per-second", "1000")

    assert told.returncode == 1
    assert "creditors: 0 rows, in 256 parts." in told.stdout
    assert "customers: a backfill is due" in told.stderr
    assert "nothing was told of customers: see above" in told.stderr
    assert application.sql("SELECT DISTINCT key, count(*) FROM publisher.outbox GROUP BY key") == [("creditors", 256)]
