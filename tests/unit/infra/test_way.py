"""The way of an object in AWS is the one that the lake expects and the demo has: prefixes, compression, notification, queue."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from demo.cloud import provision
from demo.firehose.delivery import object_name
from demo.firehose.options import Options
from lake_assets.bronze.objects import unreadable_names
from lake_assets.raw import ledger
from lake_assets.raw.batches import RawObject
from tests.unit.infra.terraform import Terraform

MOMENT = datetime(2026, 2, 3, 4, 59, 58, tzinfo=UTC)
JAVA = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H"}


@pytest.fixture
def firehose(terraform: Terraform) -> dict[str, Any]:
    (found,) = terraform.resources["aws_kinesis_firehose_delivery_stream.landing"]["extended_s3_configuration"]
    return dict(found)


def evaluated(prefix: str, moment: datetime, error: str = "processing-failed") -> str:
    """A prefix as Firehose evaluates it (custom prefixes for Amazon S3 objects, in its developer guide)."""

    def value(match: re.Match[str]) -> str:
        namespace, key = match[1], match[2]
        return moment.strftime(JAVA[key]) if namespace == "timestamp" else {"error-output-type": error}[key]

    return re.sub(r"!\{(\w+):([\w-]+)\}", value, prefix)


def test_the_ledger_finds_the_hour_of_an_object_that_firehose_wrote(firehose: dict[str, Any]) -> None:
    name = object_name("pushlake-prod-platform-events", MOMENT).rsplit("/", 1)[1]
    key = evaluated(firehose["prefix"], MOMENT) + name
    found = ledger._Found(key, "etag", 1, "event")

    assert found.hour == MOMENT.replace(minute=0, second=0)
    assert key.startswith(f"{ledger.RAW}{MOMENT:%Y/%m/%d/%H/}")  # what the listing of an hour asks for
    assert unreadable_names([RawObject(key, "etag", 1)]) == []
    assert firehose["custom_time_zone"] == "UTC"


def test_errors_lie_beside_raw_objects_and_never_among_them(firehose: dict[str, Any]) -> None:
    prefix = evaluated(firehose["error_output_prefix"], MOMENT)

    assert prefix == "errors/processing-failed/2026/02/03/04/"
    assert prefix.startswith(Options.error_prefix)
    assert not prefix.startswith(ledger.RAW)


def test_firehose_changes_no_line(firehose: dict[str, Any]) -> None:
    assert firehose["compression_format"] == "GZIP"
    assert firehose["processing_configuration"] == [{"enabled": False}]
    assert "dynamic_partitioning_configuration" not in firehose
    assert "data_format_conversion_configuration" not in firehose
    assert "file_extension" not in firehose  # .gz, which is how the lake knows gzip


def test_firehose_takes_the_hints_that_the_demo_takes(terraform: Terraform, firehose: dict[str, Any]) -> None:
    for attribute, name, field in (
        ("buffering_interval", "firehose_buffer_seconds", "interval_seconds"),
        ("buffering_size", "firehose_buffer_mib", "size_mib"),
    ):
        assert firehose[attribute] == f"${{var.{name}}}"
        Options(stream="s", bucket="b", checkpoints=Path("c"), **{field: terraform.variables[name]["default"]})


def test_the_queue_is_set_as_the_demo_sets_it(terraform: Terraform) -> None:
    queue, dead = terraform.resources["aws_sqs_queue.landed"], terraform.resources["aws_sqs_queue.landed_dead"]

    assert queue["visibility_timeout_seconds"] == provision.VISIBILITY_SECONDS
    assert queue["message_retention_seconds"] == provision.RETENTION_SECONDS
    assert dead["message_retention_seconds"] >= provision.RETENTION_SECONDS
    redrive = queue["redrive_policy"]
    assert f"maxReceiveCount = {provision.MAX_RECEIVES}" in redrive
    assert "deadLetterTargetArn = aws_sqs_queue.landed_dead.arn" in redrive


def test_s3_tells_the_queue_of_what_the_demo_tells_it_of(terraform: Terraform) -> None:
    """The demo's own request is made from Terraform's values: the stub refuses any other."""
    (queue,) = terraform.resources["aws_s3_bucket_notification.landed"]["queue"]
    arn = "arn:aws:sqs:eu-west-2:123456789012:landed"
    rule = {"Name": "prefix", "Value": queue["filter_prefix"]}
    wanted = {"Id": queue["id"], "QueueArn": arn, "Events": queue["events"], "Filter": {"Key": {"FilterRules": [rule]}}}
    s3 = boto3.client("s3", region_name="eu-west-2", aws_access_key_id="-", aws_secret_access_key="-")
    with Stubber(s3) as stub:
        stub.add_response("get_bucket_notification_configuration", {}, {"Bucket": "landing"})
        stub.add_response(
            "put_bucket_notification_configuration",
            {},
            {"Bucket": "landing", "NotificationConfiguration": {"QueueConfigurations": [wanted]}},
        )
        provision._notification(s3, "landing", arn)
        stub.assert_no_pending_responses()

    assert queue["filter_prefix"] == ledger.RAW
    assert queue["queue_arn"] == "${aws_sqs_queue.landed.arn}"


def test_only_the_landing_bucket_may_tell_the_queue(terraform: Terraform) -> None:
    tells, tls = terraform.statements("landed_queue")
    conditions = {each["variable"]: (each["test"], each["values"]) for each in tells["condition"]}

    assert tells["principals"] == [{"type": "Service", "identifiers": ["s3.amazonaws.com"]}]
    assert tells["actions"] == ["sqs:SendMessage"]
    assert conditions["aws:SourceArn"] == ("ArnEquals", ["${aws_s3_bucket.landing.arn}"])
    assert conditions["aws:SourceAccount"][1] == ["${local.account}"]
    assert tls["effect"] == "Deny"


def test_both_buckets_are_private_encrypted_and_for_tls_only(terraform: Terraform) -> None:
    access = terraform.resources["aws_s3_bucket_public_access_block.private"]
    kinds = ("public_access_block.private", "server_side_encryption_configuration.lake_key", "versioning.off", "policy.tls_only")
    (rule,) = terraform.resources["aws_s3_bucket_server_side_encryption_configuration.lake_key"]["rule"]
    (tls,) = terraform.statements("tls_only")

    assert terraform.locals["buckets"] == {"landing": "${aws_s3_bucket.landing}", "lake": "${aws_s3_bucket.lake}"}
    assert all(terraform.resources[f"aws_s3_bucket_{kind}"]["for_each"] == "${local.buckets}" for kind in kinds)
    assert [
        access[name] for name in ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    ] == [True] * 4
    assert rule["apply_server_side_encryption_by_default"] == [
        {"sse_algorithm": "aws:kms", "kms_master_key_id": "${aws_kms_key.lake.arn}"}
    ]
    assert (tls["effect"], tls["actions"]) == ("Deny", ["s3:*"])
    assert tls["condition"] == [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["false"]}]
