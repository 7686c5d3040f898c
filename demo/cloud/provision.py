"""What the demo needs of AWS: buckets, the landing notification and its queue, the stream, keys and secrets.

Belongs here: creating them, again and again with the same outcome. Not here: the real account (infra/).
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from demo.cloud.ministack import client

SHARDS = 4
RAW_PREFIX = "raw/"
# A run that dies gives its messages back after this; a run takes less than a minute.
VISIBILITY_SECONDS = 120
# Ten dead runs in a row: the message is put aside, and the listing still finds its object.
MAX_RECEIVES = 10
RETENTION_SECONDS = 14 * 24 * 3600
DATA_KEY = "platform/data-key"
PSEUDONYM_KEY = "platform/pseudonym-key"


def provision(
    environment: Mapping[str, str], *, prefix: str = "", shards: int = SHARDS, versioning: bool = False
) -> dict[str, str]:
    """Creates what is missing and returns `environment` with the names of all of it (design part 10).

    `prefix` goes before every name, so that tests share one emulator. `versioning` keeps overwritten landing objects.
    """
    landing, lake, stream = f"{prefix}landing", f"{prefix}lake", f"{prefix}platform-events"
    data_key_secret, pseudonym_secret = f"{prefix}{DATA_KEY}", f"{prefix}{PSEUDONYM_KEY}"
    s3 = client("s3", environment)
    for bucket in (landing, lake):
        _bucket(s3, bucket, environment["AWS_DEFAULT_REGION"])
    if versioning:
        s3.put_bucket_versioning(Bucket=landing, VersioningConfiguration={"Status": "Enabled"})
    queue_url, queue_arn = _queue(client("sqs", environment), f"{prefix}landed", landing)
    if _notification(s3, landing, queue_arn):
        # S3 sends a test event, which tells of nothing: a run should not start for it.
        client("sqs", environment).purge_queue(QueueUrl=queue_url)
    _stream(client("kinesis", environment), stream, shards)
    manager = client("secretsmanager", environment)
    _data_key(client("kms", environment), manager, data_key_secret)
    _pseudonym_key(manager, pseudonym_secret)
    return {
        **environment,
        "LAKE_STREAM": stream,
        "LANDING_URI": f"s3://{landing}",
        "LANDED_QUEUE_URL": queue_url,
        "LAKE_URI": f"s3://{lake}",
        "PUBLISHER_DATA_KEY_SECRET": data_key_secret,
        "PUBLISHER_PSEUDONYM_SECRET": pseudonym_secret,
    }


def unwrap_data_key(environment: Mapping[str, str]) -> bytes:
    """The data key with which the application encrypts: its secret holds it wrapped, KMS opens it."""
    manager, kms = client("secretsmanager", environment), client("kms", environment)
    name = environment.get("PUBLISHER_DATA_KEY_SECRET", DATA_KEY)
    wrapped = json.loads(manager.get_secret_value(SecretId=name)["SecretString"])["wrapped"]
    return bytes(kms.decrypt(CiphertextBlob=base64.b64decode(wrapped))["Plaintext"])


def read_pseudonym_key(environment: Mapping[str, str]) -> bytes:
    """The key of pseudonyms, as the publisher reads it."""
    secret = client("secretsmanager", environment).get_secret_value(SecretId=environment["PUBLISHER_PSEUDONYM_SECRET"])
    return base64.b64decode(json.loads(secret["SecretString"])["key"])


def _bucket(s3: Any, name: str, region: str) -> None:
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou, s3.exceptions.BucketAlreadyExists):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
    blocked = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(blocked, True))


def _queue(sqs: Any, name: str, landing: str) -> tuple[str, str]:
    dead_url = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    dead_arn = _queue_arn(sqs, dead_url)
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = _queue_arn(sqs, url)
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{landing}"}},
    }
    attributes = {
        "VisibilityTimeout": str(VISIBILITY_SECONDS),
        "MessageRetentionPeriod": str(RETENTION_SECONDS),
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": MAX_RECEIVES}),
        "Policy": json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    return url, arn


def _queue_arn(sqs: Any, url: str) -> str:
    return str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])


def _notification(s3: Any, landing: str, queue_arn: str) -> bool:
    """Whether it had to be written."""
    wanted = {
        "Id": "landed",
        "QueueArn": queue_arn,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": RAW_PREFIX}]}},
    }
    present = s3.get_bucket_notification_configuration(Bucket=landing).get("QueueConfigurations", [])
    # Only when it differs: every put sends an s3:TestEvent to the queue.
    if [(entry["Id"], entry["QueueArn"]) for entry in present] != [("landed", queue_arn)]:
        s3.put_bucket_notification_configuration(Bucket=landing, NotificationConfiguration={"QueueConfigurations": [wanted]})


def _stream(kinesis: Any, name: str, shards: int) -> None:
    with suppress(kinesis.exceptions.ResourceInUseException):
        kinesis.create_stream(StreamName=name, ShardCount=shards)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def _data_key(kms: Any, manager: Any, secret: str) -> None:
    """A data key wrapped by a KMS key of ours; once written it stays, or what it encrypted would be lost."""
    if _exists(manager, secret):
        return
    key = kms.create_key(Description="Wraps the data key of the demo's platform")["KeyMetadata"]["KeyId"]
    with suppress(ClientError):  # taken by an earlier key whose secret is gone
        kms.create_alias(AliasName=f"alias/{secret}", TargetKeyId=key)
    wrapped = kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")["CiphertextBlob"]
    _create_secret(manager, secret, {"wrapped": base64.b64encode(wrapped).decode()})


def _pseudonym_key(manager: Any, secret: str) -> None:
    if not _exists(manager, secret):
        _create_secret(manager, secret, {"version": 1, "key": base64.b64encode(secrets.token_bytes(32)).decode()})


def _exists(manager: Any, secret: str) -> bool:
    try:
        manager.describe_secret(SecretId=secret)
    except manager.exceptions.ResourceNotFoundException:
        return False
    return True


def _create_secret(manager: Any, secret: str, content: Mapping[str, Any]) -> None:
    with suppress(manager.exceptions.ResourceExistsException):
        manager.create_secret(Name=secret, SecretString=json.dumps(content))
