"""Proves that each object comes in once whatever becomes of its notification, that what only a listing finds is an alarm, and what
an increment asks of S3 and SQS."""

from __future__ import annotations

import json
import random
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import Row

from demo.cloud.ministack import Emulator
from lake_assets.assets.ingest_events import FEW, ledger_metadata, notified_check
from lake_assets.bronze.load import load_batch
from lake_assets.raw.batches import FETCHED_BYTES, FILE_BYTES, read_batch
from lake_assets.raw.ledger import register
from lake_assets.raw.notified import found_lately
from lake_assets.transforms.fields import Rules
from resources.delta_snapshot import snapshot
from tests.integration.lake.conftest import Lake
from tests.unit.lake.make_events import event, line

MANY = 30
DAY = 26
"""Hours that the daily listing looks back."""


@pytest.fixture
def sqs(cloud: Emulator) -> Any:
    return cloud.client("sqs")


def land(lake: Lake, rules: Rules, names: list[str], *, hours_ago: int = 0) -> list[str]:
    """An object of one event each, in the hour of so long ago; their keys."""
    lake.prefix = f"raw/{datetime.now(UTC) - timedelta(hours=hours_ago):%Y/%m/%d/%H}/"
    return [lake.land(f"{name}.gz", [line(event(rules["debts"], 1, zlib.crc32(name.encode()) + 1))]) for name in names]


def told(lake: Lake, sqs: Any) -> list[str]:
    """Takes the messages out of the queue, as they are."""
    bodies: list[str] = []
    while messages := sqs.receive_message(QueueUrl=lake.notifications.queue_url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            bodies += [] if "s3:TestEvent" in message["Body"] else [message["Body"]]
            sqs.delete_message(QueueUrl=lake.notifications.queue_url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def tell(lake: Lake, sqs: Any, bodies: list[str]) -> None:
    for body in bodies:
        sqs.send_message(QueueUrl=lake.notifications.queue_url, MessageBody=body)


def ledger(lake: Lake) -> list[Row]:
    return lake.tables.read("ops", "objects").collect()


def test_lost_doubled_and_reordered_notifications_and_a_queue_that_was_off_register_each_object_once(
    lake: Lake, rules: Rules, sqs: Any
) -> None:
    """One story, since each step goes on with the ledger of the one before."""
    chance = random.Random(4)
    # Doubled and in any order, within a run and over two; of some all messages are lost.
    heard, lost = land(lake, rules, [f"heard-{n}" for n in range(MANY)]), []
    bodies = told(lake, sqs)
    assert len(bodies) == MANY
    bodies *= 2
    chance.shuffle(bodies)
    tell(lake, sqs, bodies)
    first = register(lake.tables, lake.landing, lake.notifications)
    tell(lake, sqs, chance.sample(bodies, 7))
    again = register(lake.tables, lake.landing, lake.notifications)
    assert (first.new, first.by_event, first.by_listing, again.new) == (MANY, MANY, 0, 0)
    assert again.known > 0
    lost += land(lake, rules, ["lost-1", "lost-2"])
    told(lake, sqs)
    listed = register(lake.tables, lake.landing, lake.notifications, list_hours=1)
    assert (listed.new, listed.by_event, listed.by_listing, listed.known) == (2, 0, 2, MANY)
    late = told(lake, sqs)
    assert late == []
    assert notified_check(found_lately(lake.tables, 2)).passed, "a few are no alarm"

    # An hour that was closed long ago: its notification finds it whatever its age; a listing, if it looks so far back.
    closed = land(lake, rules, ["closed"], hours_ago=300)
    assert (register(lake.tables, lake.landing, lake.notifications).by_event, told(lake, sqs)) == (1, [])
    lost += land(lake, rules, ["closed-and-lost"], hours_ago=20)
    told(lake, sqs)
    assert register(lake.tables, lake.landing, lake.notifications, list_hours=2).new == 0
    assert register(lake.tables, lake.landing, lake.notifications, list_hours=DAY).by_listing == 1

    # A queue that was off for a day: all hours hold objects of which nobody told. Then it comes back, and tells of some late.
    off = [key for ago in range(0, 24, 2) for key in land(lake, rules, [f"off-{ago}"], hours_ago=ago)]
    late = told(lake, sqs)
    assert len(late) == len(off) > FEW
    day = register(lake.tables, lake.landing, lake.notifications, list_hours=DAY)
    assert (day.new, day.by_listing, day.by_event) == (len(off), len(off), 0)
    # A listing asks once an hour, and once more for each thousand objects; an empty queue once.
    assert (day.calls["LIST"], day.calls["SQS receive"], day.calls["SQS delete"]) == (DAY + 1, 1, 0)
    tell(lake, sqs, late)
    assert register(lake.tables, lake.landing, lake.notifications).new == 0

    rows = ledger(lake)
    assert sorted(row.object for row in rows) == sorted([*heard, *lost, *closed, *off])
    found = found_lately(lake.tables, DAY)
    assert (found.by_listing, found.objects) == (len(lost) + len(off), len(rows) - len(closed)), "of the days that a listing sees"
    alarm = notified_check(found)
    assert (alarm.passed, alarm.severity.value) == (False, "WARN")
    assert f"the listing alone found {len(lost) + len(off)}" in str(alarm.description)


def test_an_increments_requests_are_counted_and_shown_and_depend_on_it_alone(lake: Lake, rules: Rules) -> None:
    """LIST none, GET one an object, SQS one of each for ten messages. Where Spark reads, HEAD one an object, and GET only of what it could not read."""
    land(lake, rules, [f"more-{n}" for n in range(12)])
    found = register(lake.tables, lake.landing, lake.notifications)
    assert found.calls == {"SQS receive": 3, "SQS delete": 2}, "10, 2 and none; 10 and 2"
    shown = ledger_metadata(found)
    assert (shown["SQS receive calls"], shown["SQS delete calls"]) == (3, 2)
    assert "LIST calls" not in shown
    [number] = found.batches
    assert load_batch(lake.tables, lake.landing, rules, read_batch(lake.tables, number)).calls == {"GET": 12}
    assert load_batch(lake.tables, lake.landing, rules, read_batch(lake.tables, number), fetched_bytes=0).calls == {"HEAD": 12}
    lake.put("broken.gz", b"no gzip")
    [number] = register(lake.tables, lake.landing, lake.notifications).batches
    for fetched_bytes in (FETCHED_BYTES, 0):
        loaded = load_batch(lake.tables, lake.landing, rules, read_batch(lake.tables, number), fetched_bytes=fetched_bytes)
        assert loaded.calls["GET"] == loaded.bad_objects == 1


def test_a_batch_of_many_large_objects_makes_few_files(lake: Lake, rules: Rules) -> None:
    """As many as its bytes want, however many objects they are in."""
    land(lake, rules, [f"large-{n}" for n in range(12)])
    [number] = register(lake.tables, lake.landing, lake.notifications).batches
    batch = read_batch(lake.tables, number)
    claimed = replace(batch, objects=tuple(replace(each, size_bytes=FILE_BYTES // 4) for each in batch.objects))
    with lake.tables.settings({"spark.sql.files.openCostInBytes": "16m"}):  # a task an object, as with large ones
        result = load_batch(lake.tables, lake.landing, rules, claimed, fetched_bytes=0)
    assert result.events == {"debts": 12}
    found = snapshot(lake.tables.logs, ("bronze", "debts")).files
    assert [file.rows for file in found if file.may_hold("_batch", number, number)] == [4, 4, 4]
    with lake.tables.settings({"spark.sql.files.openCostInBytes": "16m"}):
        load_batch(lake.tables, lake.landing, rules, replace(claimed, generation=1), fetched_bytes=0, again=True)
    found = snapshot(lake.tables.logs, ("bronze", "debts")).files
    assert [file.rows for file in found if file.may_hold("_batch", number, number)] == [4, 4, 4], "loaded again"


def test_thousands_of_messages_that_wait_are_one_batch(lake: Lake, sqs: Any) -> None:
    """Each batch costs some seconds, whatever is in it."""
    count, url = 1_200, lake.notifications.queue_url
    for start in range(0, count, 10):
        entries = [{"Id": str(n), "MessageBody": _message(lake, f"{lake.prefix}waits-{n}.gz")} for n in range(start, start + 10)]
        assert not sqs.send_message_batch(QueueUrl=url, Entries=entries).get("Failed")
    found = register(lake.tables, lake.landing, lake.notifications)
    assert (found.new, found.by_event, len(found.batches)) == (count, count, 1)


def _message(lake: Lake, key: str) -> str:
    about = {"bucket": {"name": lake.landing.bucket}, "object": {"key": key, "size": 100, "eTag": "e"}}
    return json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": about}]})
