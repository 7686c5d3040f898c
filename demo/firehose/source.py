"""The stream, shard by shard. Belongs here: iterators, resharding, throttling. Not here: what becomes of the records."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from demo.firehose.checkpoints import SHARD_END, Checkpoints

# The emulator does not cut a reply at 10 MiB as Kinesis does: 200 full records are what we can hold.
RECORDS_PER_CALL = 200
LISTING_SECONDS = 10.0
BACKOFF_SECONDS = (0.2, 10.0)
QUIET_SECONDS = 1.0
EXPIRED = "ExpiredIteratorException"
GONE = "ResourceNotFoundException"
REFUSED_POSITION = "InvalidArgumentException"

Log = Callable[..., None]


@dataclass(frozen=True)
class StreamRecord:
    """A record as it was read."""

    shard: str
    sequence: str
    arrived: datetime
    data: bytes


@dataclass
class Shard:
    """A shard that is being read: `read` is the last sequence number that was handed on."""

    name: str
    parents: tuple[str, ...]
    starts: str
    read: str | None
    iterator: str | None = None
    not_before: float = 0.0
    failures: int = 0
    pause: float = 0.0
    behind_ms: int = 0


class Source:
    """Reads all shards of a stream from where the checkpoints are, parents before their children."""

    def __init__(self, kinesis: Any, stream: str, checkpoints: Checkpoints, poll_seconds: float, log: Log) -> None:
        self._kinesis = kinesis
        self._stream = stream
        self._checkpoints = checkpoints
        self._poll_seconds = poll_seconds
        self._log = log
        self._shards: dict[str, Shard] = {}
        self._ended: set[str] = set()
        self._next_listing = 0.0

    def poll(self) -> Iterator[list[StreamRecord]]:
        """One round over the shards that are due; yields what each gave, in the shard's order."""
        if time.monotonic() >= self._next_listing:
            self._list()
        for shard in list(self._shards.values()):
            if time.monotonic() >= shard.not_before and not any(parent in self._shards for parent in shard.parents):
                records = self._read(shard)
                if records:
                    yield records

    def ended(self) -> dict[str, str]:
        """The shards that were read to their end since the last call, as checkpoints."""
        ended = dict.fromkeys(self._ended, SHARD_END)
        self._ended.clear()
        return ended

    @property
    def behind_ms(self) -> int:
        """How far the reader is behind the tip of the shard that is furthest behind."""
        return max((shard.behind_ms for shard in self._shards.values()), default=0)

    def seconds_to_next(self) -> float:
        """How long nothing is due."""
        due = min((shard.not_before for shard in self._shards.values()), default=self._next_listing)
        return max(0.0, due - time.monotonic())

    def _list(self) -> None:
        self._next_listing = time.monotonic() + LISTING_SECONDS
        try:
            pages = self._kinesis.get_paginator("list_shards").paginate(StreamName=self._stream)
            listed = {shard["ShardId"]: shard for page in pages for shard in page["Shards"]}
        except (ClientError, BotoCoreError) as error:
            self._log("listing_failed", error=_code(error))
            self._next_listing = time.monotonic() + 1.0
            return
        for name in set(self._shards) - set(listed):
            del self._shards[name]  # older than the retention: nothing is left to read
        for name, shard in sorted(listed.items()):
            starts = shard["SequenceNumberRange"]["StartingSequenceNumber"]
            known = self._shards.get(name)
            if known is not None and known.starts != starts:
                known.starts, known.iterator = starts, None  # the emulator's UpdateShardCount makes new shards of old names
            position = self._checkpoints.of(name)
            if known is None and position != SHARD_END and name not in self._ended:
                parents = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
                self._shards[name] = Shard(name, tuple(parent for parent in parents if parent), starts, position)

    def _read(self, shard: Shard) -> list[StreamRecord]:
        try:
            if shard.iterator is None:
                shard.iterator = self._iterator(shard)
            answer = self._kinesis.get_records(ShardIterator=shard.iterator, Limit=RECORDS_PER_CALL)
        except (ClientError, BotoCoreError) as error:
            self._failed(shard, _code(error))
            return []
        shard.failures = 0
        shard.behind_ms = answer.get("MillisBehindLatest", 0)
        shard.iterator = answer.get("NextShardIterator")
        records = [
            StreamRecord(shard.name, entry["SequenceNumber"], entry["ApproximateArrivalTimestamp"], entry["Data"])
            for entry in answer["Records"]
        ]
        if records:
            shard.read = records[-1].sequence
        if shard.iterator is None:
            # A closed shard was read to its end: its children may start.
            del self._shards[shard.name]
            self._ended.add(shard.name)
            self._next_listing = 0.0
        # A call costs the emulator the more, the longer the stream is: a quiet shard is asked once a second, as the real one does.
        shard.pause = self._poll_seconds if records else min(QUIET_SECONDS, 2 * shard.pause) or self._poll_seconds
        full = len(records) == RECORDS_PER_CALL
        shard.not_before = time.monotonic() + (0.0 if full else shard.pause)
        return records

    def _iterator(self, shard: Shard) -> str:
        position = {"ShardIteratorType": "TRIM_HORIZON"}
        if shard.read is not None:
            position = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": shard.read}
        answer = self._kinesis.get_shard_iterator(StreamName=self._stream, ShardId=shard.name, **position)
        return str(answer["ShardIterator"])

    def _failed(self, shard: Shard, code: str) -> None:
        if code == EXPIRED:
            shard.iterator = None  # five minutes without a call, as after a long fault of the bucket
            return
        if code == REFUSED_POSITION:
            shard.iterator = shard.read = None  # trimmed or of another stream: deliver what there is
        elif code == GONE:
            self._next_listing = 0.0
            shard.iterator = None
        shard.failures += 1
        least, most = BACKOFF_SECONDS
        wait = min(most, least * 2 ** (shard.failures - 1)) * random.uniform(0.5, 1.0)
        shard.not_before = time.monotonic() + wait
        self._log("read_failed", shard=shard.name, error=code, failures=shard.failures)


def _code(error: Exception) -> str:
    """A name for logs: messages of the services can quote what was sent."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__
