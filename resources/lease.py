"""The writer lease: at most one Spark server writes to a lake.

Delta's S3 log store is safe within one driver only, and nothing in it enforces that. So whoever starts a server first
takes this lease: an object in the lake, written with S3's conditional puts, renewed while the server runs.
Belongs here: taking, renewing, giving back. Not here: the server (spark_server/). It does not fence: a holder that was
stopped for longer than the lease and then continues may still commit, until its own next renewal stops it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from resources.aws import bucket_and_prefix
from resources.errors import LeaseHeld

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LEASE_SECONDS = 30.0
_NAME = "_lease/writer.json"
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")


@dataclass(frozen=True)
class _Seen:
    holder: str
    etag: str
    released: bool
    age_seconds: float


class WriterLease:
    """The lease of one lake, for one holder. `holder` names who holds it to a person, e.g. a host and a process.

    Ages are measured by S3's clock alone: the object's time of change against the answer's, so clocks need not agree.
    """

    def __init__(self, s3: S3Client, lake_uri: str, holder: str, seconds: float = LEASE_SECONDS) -> None:
        bucket, prefix = bucket_and_prefix(lake_uri)
        self._where = {"Bucket": bucket, "Key": prefix + _NAME}
        self._s3: Any = s3
        self.holder = holder
        self.seconds = seconds
        self._etag: str | None = None
        self._renewals = 0
        self._renewed = 0.0

    @property
    def held(self) -> bool:
        """Whether it is still ours by our own, monotonic, clock: counted from before the last renewal was sent."""
        return self.remaining_seconds > 0

    @property
    def remaining_seconds(self) -> float:
        return self.seconds - (time.monotonic() - self._renewed) if self._etag is not None else 0.0

    def acquire(self) -> None:
        """Takes the lease if nobody has it, or its holder gave it back or let it run out; else raises LeaseHeld."""
        if self._put(IfNoneMatch="*"):
            return
        seen = self._look()
        if seen is None:
            if self._put(IfNoneMatch="*"):
                return
            seen = self._look()
        if seen and seen.holder != self.holder and not seen.released and seen.age_seconds <= self.seconds:
            left = max(1, round(self.seconds - seen.age_seconds))
            raise LeaseHeld(
                f"Another Spark server ({seen.holder}) writes to this lake, and two would corrupt it: stop that one, or use it. "
                f"If it is dead already, its lease runs out in {left} s."
            )
        if seen is None or not self._put(IfMatch=seen.etag):
            raise LeaseHeld("Another Spark server took this lake's writer lease in this moment: use that one.")

    def renew(self) -> None:
        """Renews the lease. Raises LeaseHeld if it is somebody else's now; a client error when S3 does not answer."""
        if self._etag and self._put(IfMatch=self._etag):
            return
        seen = self._look()  # a renewal whose answer got lost has changed the etag: then it is still ours
        if seen is None or seen.holder != self.holder or seen.released or not self._put(IfMatch=seen.etag):
            self._etag = None
            raise LeaseHeld("This lake's writer lease was taken by another Spark server: this one must stop.")

    def release(self) -> None:
        """Gives the lease back, if it is still ours."""
        if self._etag is not None:
            self._put(released=True, IfMatch=self._etag)
            self._etag = None

    def _put(self, *, released: bool = False, **condition: str) -> bool:
        """Writes the object under a condition; False if the condition did not hold."""
        began = time.monotonic()
        body = {"holder": self.holder, "renewals": self._renewals + 1, "released": released}
        try:
            answer = self._s3.put_object(**self._where, Body=json.dumps(body).encode(), **condition)
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in _TAKEN:
                return False
            raise
        self._etag, self._renewals, self._renewed = answer["ETag"], self._renewals + 1, began
        return True

    def _look(self) -> _Seen | None:
        try:
            got = self._s3.get_object(**self._where)
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        body = json.loads(got["Body"].read())
        now = parsedate_to_datetime(got["ResponseMetadata"]["HTTPHeaders"]["date"])
        age = (now - got["LastModified"]).total_seconds()
        return _Seen(str(body["holder"]), got["ETag"], bool(body["released"]), age)
