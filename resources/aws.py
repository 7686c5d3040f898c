"""AWS clients, what they ask for, and S3 URIs.

Belongs here: how a client is made, counting its requests. boto3 finds endpoint, region and credentials in the standard variables itself.
Not here: what is done with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from resources.errors import ResourceError

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient


_MAKING = Lock()
"""Making clients is the one thing in boto3 that threads must not do at once."""

CALLS: Mapping[str, str] = {
    "ListObjectsV2": "LIST",
    "HeadObject": "HEAD",
    "GetObject": "GET",
    "ReceiveMessage": "SQS receive",
    "DeleteMessageBatch": "SQS delete",
    "GetQueueAttributes": "SQS look",
}
"""What is counted, and how it is called where a person reads it."""


def s3_client() -> S3Client:
    import boto3

    with _MAKING:
        return boto3.client("s3", config=_config())


def sqs_client() -> SQSClient:
    import boto3

    with _MAKING:
        return boto3.client("sqs", config=_config())


def counted(client: Any) -> Counter[str]:
    """How often the client sent each of CALLS, from now on: a counter that goes on counting.

    Each request on the wire counts, repeats included, since each is paid for. What Spark reads by itself is not seen here.
    """
    calls: Counter[str] = Counter()
    lock = Lock()  # objects are looked at in several threads

    def sent(event_name: str, **_: Any) -> None:
        name = CALLS.get(event_name.rsplit(".", 1)[-1])
        if name is not None:
            with lock:
                calls[name] += 1

    client.meta.events.register("before-send", sent)
    return calls


def bucket_and_prefix(uri: str) -> tuple[str, str]:
    """`s3://bucket/some/prefix` as ("bucket", "some/prefix/"); a prefix that is there ends with a slash."""
    parts = urlsplit(uri)
    if parts.scheme not in ("s3", "s3a") or not parts.netloc:
        raise ResourceError("An S3 URI must be of the form s3://bucket or s3://bucket/prefix.")
    prefix = parts.path.strip("/")
    return parts.netloc, f"{prefix}/" if prefix else ""


def _config() -> Config:
    """Path-style addresses work for every S3, an emulator on a loopback address included. As many connections as looking at many logs at once takes."""
    from botocore.config import Config

    return Config(s3={"addressing_style": "path"}, retries={"max_attempts": 5, "mode": "standard"}, max_pool_connections=64)
