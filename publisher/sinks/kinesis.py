"""The Kinesis sink: PutRecords within its limits, and each record's own outcome.

Belongs here: requests, limits, what an answer means. Not here: repeating (relay/), what is in a record (pack.py).

A request that times out may have succeeded: its records are reported as failed and put again, so a consumer sees duplicates, never a gap.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from publisher.errors import SettingsError, TransientError
from publisher.sinks.record import Failure, Record
from publisher.sinks.remedies import STALE, remedy_for
from publisher.wire import explicit_hash_key

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef

REQUEST_RECORDS = 500
REQUEST_BYTES = 5 * 1024 * 1024
"""PutRecords' limits: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html. Partition keys count.

AWS takes 10 MiB a request now; the former 5 MiB, which emulators still hold to, is taken everywhere, and costs a large batch one more request.
"""

PARTITION_KEY_BYTES = 3
DEFAULT_RECORD_KIB = 1024
"""What a stream takes that says nothing of it: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html."""

logger = logging.getLogger("publisher.sinks")


@dataclass(frozen=True)
class Limits:
    """What a stream says of itself."""

    shards: int
    record_kib: int


def kinesis_client(region: str) -> KinesisClient:
    """A client that does not repeat by itself: botocore would repeat whole requests, with the records that succeeded."""
    config = Config(
        region_name=region, retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=15, tcp_keepalive=True,
        max_pool_connections=4, parameter_validation=False,
    )  # fmt: skip
    # A session of its own: the default one keeps the credentials that it has found, and a file may hold others by now.
    return boto3.Session(region_name=region).client("kinesis", config=config)


class KinesisSink:
    """Puts records into one stream; a partition always goes to the shard that holds its hash key.

    `renew` makes a client with credentials that are read anew; it is called when those in use have run out.
    """

    def __init__(self, client: KinesisClient, stream: str, renew: Callable[[], KinesisClient] | None = None) -> None:
        self.client = client
        self._stream = stream
        self._renew = renew
        self._told: set[str] = set()

    def check(self, record_bytes: int = 0) -> Limits:
        """The stream's own limits. Raises SettingsError when it does not exist, may not be used, or takes no record of `record_bytes`; TransientError when it cannot be reached."""
        try:
            summary = self.client.describe_stream_summary(StreamName=self._stream)["StreamDescriptionSummary"]
        except ClientError as error:
            reason = _code(error)
            if reason in ("ResourceNotFoundException", "AccessDeniedException", "UnrecognizedClientException"):
                raise SettingsError(
                    f"the stream {self._stream} cannot be used ({reason}): check LAKE_STREAM, region and role"
                ) from None
            raise TransientError(f"the stream {self._stream} does not answer ({reason}): {remedy_for(reason)}") from None
        except BotoCoreError as error:
            remedy = "check AWS_ENDPOINT_URL, AWS_DEFAULT_REGION and the AWS credentials"
            raise TransientError(f"Kinesis cannot be reached ({type(error).__name__}): {remedy}") from None
        limits = Limits(int(summary.get("OpenShardCount", 0)), int(summary.get("MaxRecordSizeInKiB", DEFAULT_RECORD_KIB)))
        if record_bytes + PARTITION_KEY_BYTES > limits.record_kib * 1024:
            raise SettingsError(
                f"the stream {self._stream} takes records of {limits.record_kib} KiB, and the publisher packs up to {record_bytes // 1024} KiB: "
                "raise it with `aws kinesis update-max-record-size`, or use another stream"
            )
        return limits

    def put(self, records: Sequence[Record]) -> list[Failure]:
        """See Sink. Several requests where one would exceed 500 records or 5 MiB."""
        return [failure for request in _requests(records) for failure in self._put(request)]

    def _put(self, records: list[Record]) -> Iterator[Failure]:
        entries: list[PutRecordsRequestEntryTypeDef] = [
            {"Data": r.data, "PartitionKey": str(r.partition), "ExplicitHashKey": explicit_hash_key(r.partition)} for r in records
        ]
        try:
            answer = self.client.put_records(StreamName=self._stream, Records=entries)
        except (ClientError, BotoCoreError) as error:
            code = _code(error) if isinstance(error, ClientError) else type(error).__name__
            self._refused(code)
            yield from (Failure(record, code) for record in records)
            return
        outcomes = answer.get("Records", [])
        if answer.get("FailedRecordCount") == 0:
            self._told.clear()
        for index, record in enumerate(records):
            # An answer that is shorter than the request acknowledges nothing of the rest.
            reason = outcomes[index].get("ErrorCode") if index < len(outcomes) else "NoAnswer"
            if reason:
                self._tell(reason)
                yield Failure(record, reason)

    def _refused(self, code: str) -> None:
        self._tell(code)
        if code in STALE and self._renew is not None:
            self.client = self._renew()

    def _tell(self, code: str) -> None:
        """Once, until a record has arrived again: the next try follows within seconds."""
        if code not in self._told:
            self._told.add(code)
            logger.warning("the stream refuses records", extra={"fields": {"reason": code, "remedy": remedy_for(code)}})


def _requests(records: Sequence[Record]) -> Iterator[list[Record]]:
    request: list[Record] = []
    size = 0
    for record in records:
        cost = len(record.data) + PARTITION_KEY_BYTES
        if request and (len(request) == REQUEST_RECORDS or size + cost > REQUEST_BYTES):
            yield request
            request, size = [], 0
        request.append(record)
        size += cost
    if request:
        yield request


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "ClientError"))
