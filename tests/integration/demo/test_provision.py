"""The demo's AWS resources, in the emulator."""

from __future__ import annotations

import json

from demo.cloud.ministack import Emulator
from demo.cloud.provision import provision, unwrap_data_key
from publisher.keys import aws_keyring, encrypt


def test_provisioning_twice_changes_nothing_and_sends_one_test_event(cloud: Emulator, prefix: str) -> None:
    first = provision(cloud.environment(), prefix=prefix)
    key = unwrap_data_key(first)
    assert provision(cloud.environment(), prefix=prefix) == first
    assert unwrap_data_key(first) == key
    assert len(key) == 32
    messages = cloud.client("sqs").receive_message(QueueUrl=first["LANDED_QUEUE_URL"], MaxNumberOfMessages=10)
    assert [json.loads(message["Body"]).get("Event") for message in messages["Messages"]] == ["s3:TestEvent"]
    shards = cloud.client("kinesis").list_shards(StreamName=first["LAKE_STREAM"])["Shards"]
    assert len(shards) == 4


def test_only_objects_below_raw_are_notified(cloud: Emulator, prefix: str) -> None:
    environment = provision(cloud.environment(), prefix=prefix)
    sqs, s3, queue = cloud.client("sqs"), cloud.client("s3"), environment["LANDED_QUEUE_URL"]
    sqs.purge_queue(QueueUrl=queue)
    for key in ("errors/format/2026/a.gz", "raw/2026/11/24/04/a.gz"):
        s3.put_object(Bucket=f"{prefix}landing", Key=key, Body=b"x")
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    records = [record["s3"] for message in messages for record in json.loads(message["Body"])["Records"]]
    assert [(record["bucket"]["name"], record["object"]["key"]) for record in records] == [
        (f"{prefix}landing", "raw/2026/11/24/04/a.gz")
    ]


def test_the_publisher_opens_what_the_application_encrypted(cloud: Emulator, prefix: str) -> None:
    environment = provision(cloud.environment(), prefix=prefix)
    keyring = aws_keyring(
        cloud.client("kms"),
        cloud.client("secretsmanager"),
        data_key_secret=environment["PUBLISHER_DATA_KEY_SECRET"],
        pseudonym_secret=environment["PUBLISHER_PSEUDONYM_SECRET"],
    )
    assert keyring.decrypt(encrypt(unwrap_data_key(environment), "Zoë")) == "Zoë"
