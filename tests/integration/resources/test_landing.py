"""The landing bucket and its queue on the emulator."""

from __future__ import annotations

import json

import pytest

from demo.cloud.ministack import Emulator
from resources.landing import Landing
from resources.notifications import Notifications


@pytest.fixture
def landing(cloud: Emulator, prefix: str) -> Landing:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=prefix, CreateBucketConfiguration={"LocationConstraint": "eu-west-2"})
    return Landing(f"s3://{prefix}", s3)


@pytest.fixture
def queue(cloud: Emulator, prefix: str) -> Notifications:
    sqs = cloud.client("sqs")
    return Notifications(sqs.create_queue(QueueName=prefix)["QueueUrl"], sqs)


def test_objects_are_listed_read_and_told_apart_by_etag(cloud: Emulator, landing: Landing) -> None:
    s3 = cloud.client("s3")
    for number in range(3):
        s3.put_object(Bucket=landing.bucket, Key=f"raw/2026/{number}.gz", Body=b"one")
    s3.put_object(Bucket=landing.bucket, Key="errors/x", Body=b"no")
    found = list(landing.list("raw/2026/"))
    assert [item.key for item in found] == ["raw/2026/0.gz", "raw/2026/1.gz", "raw/2026/2.gz"]
    assert [item.key for item in landing.list("raw/", after="raw/2026/1.gz")] == ["raw/2026/2.gz"]
    first = landing.head("raw/2026/0.gz")
    assert first is not None
    assert (first.etag, first.size) == (found[0].etag, 3)
    s3.put_object(Bucket=landing.bucket, Key="raw/2026/0.gz", Body=b"other")
    assert b"".join(landing.chunks("raw/2026/0.gz", 2)) == b"other"
    assert landing.etag("raw/2026/0.gz") not in (None, first.etag)


def test_an_object_that_is_gone_is_none(landing: Landing) -> None:
    assert landing.head("raw/gone.gz") is None
    assert landing.etag("raw/gone.gz") is None
    assert list(landing.chunks("raw/gone.gz", 2)) == []


def test_more_than_ten_messages_are_received_and_deleted(cloud: Emulator, queue: Notifications) -> None:
    sqs = cloud.client("sqs")

    def hidden() -> int:
        name = "ApproximateNumberOfMessagesNotVisible"
        return int(sqs.get_queue_attributes(QueueUrl=queue.queue_url, AttributeNames=[name])["Attributes"][name])

    for number in range(23):
        sqs.send_message(QueueUrl=queue.queue_url, MessageBody=json.dumps({"Records": [], "n": number}))
    assert queue.approximate_depth() == 23
    received = queue.receive()
    assert len({message.id for message in received}) == 23
    assert (queue.approximate_depth(), hidden()) == (0, 23)
    assert queue.delete(received) == 0
    assert hidden() == 0


def test_a_message_that_was_not_deleted_comes_again(cloud: Emulator, queue: Notifications) -> None:
    cloud.client("sqs").send_message(QueueUrl=queue.queue_url, MessageBody="not json")
    assert [message.problem for message in queue.receive(at_most=1, hidden_seconds=0)] == ["not JSON"]
    assert len(queue.receive()) == 1


def test_the_bound_on_messages_holds(cloud: Emulator, queue: Notifications) -> None:
    for _ in range(15):
        cloud.client("sqs").send_message(QueueUrl=queue.queue_url, MessageBody="{}")
    assert len(queue.receive(at_most=12)) == 12
