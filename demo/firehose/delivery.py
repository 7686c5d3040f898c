"""Objects in the bucket. Belongs here: their names, gzip, writing each exactly once or again until it is there. Not here: buffering."""

from __future__ import annotations

import gzip
import hashlib
import random
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

GZIP_LEVEL = 6
BACKOFF_SECONDS = (0.2, 15.0)
TAKEN = ("PreconditionFailed", "412")


class Undelivered(Exception):
    """The bucket did not take the object before it was time to stop. Nothing is lost: the records stay in the stream."""


class Delivery:
    """Writes objects; retries without end until `give_up` is set."""

    def __init__(self, s3: Any, bucket: str, stream: str, give_up: threading.Event, log: Callable[..., None]) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._stream = stream
        self._give_up = give_up
        self._log = log

    def deliver(self, prefix: str, data: bytes, oldest: datetime) -> int:
        """Writes `data`, gzipped, below `prefix` in the hour of its oldest record; the compressed size. Raises Undelivered."""
        body = gzip.compress(data, compresslevel=GZIP_LEVEL, mtime=0)
        self._put(prefix + object_name(self._stream, oldest), body)
        return len(body)

    def _put(self, key: str, body: bytes) -> None:
        """The key stays the same over all attempts, so that one which succeeded unheard is recognised and not repeated."""
        failures = 0
        while True:
            try:
                self._s3.put_object(
                    Bucket=self._bucket, Key=key, Body=body, IfNoneMatch="*", ContentType="application/octet-stream"
                )
                return
            except ClientError as error:
                code = str(error.response.get("Error", {}).get("Code", "unknown"))
                if code in TAKEN and self._is_ours(key, body):
                    return
            except BotoCoreError as error:
                code = type(error).__name__
            failures += 1
            least, most = BACKOFF_SECONDS
            self._log("delivery_failed", error=code, failures=failures)
            if self._give_up.wait(min(most, least * 2 ** min(failures - 1, 10)) * random.uniform(0.5, 1.0)):
                raise Undelivered

    def _is_ours(self, key: str, body: bytes) -> bool:
        try:
            etag = self._s3.head_object(Bucket=self._bucket, Key=key)["ETag"]
        except (ClientError, BotoCoreError):
            return False
        return bool(etag.strip('"') == hashlib.md5(body, usedforsecurity=False).hexdigest())


def object_name(stream: str, moment: datetime) -> str:
    """`YYYY/MM/DD/HH/<stream>-1-YYYY-MM-DD-HH-MM-SS-<uuid>.gz`: the names of the real Firehose, in UTC; 1 is its version."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y/%m/%d/%H}/{stream}-1-{utc:%Y-%m-%d-%H-%M-%S}-{uuid.uuid4()}.gz"
