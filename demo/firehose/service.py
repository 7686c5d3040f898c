"""The delivery stream at work. Belongs here: the buffer and the loop. Not here: shards (source.py), objects (delivery.py)."""

from __future__ import annotations

import base64
import json
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime

from demo.firehose.checkpoints import Checkpoints
from demo.firehose.delivery import Delivery
from demo.firehose.options import RECORD_LIMIT, Options
from demo.firehose.source import Log, Source, StreamRecord

IDLE_SECONDS = 0.5


@dataclass
class Totals:
    """What was delivered since the start; `records` counts the repeated ones too."""

    objects: int = 0
    records: int = 0
    repeated: int = 0
    failed_records: int = 0
    bytes: int = 0
    compressed_bytes: int = 0


@dataclass
class Buffer:
    """Records that wait for an object, and how far their shards are read."""

    data: list[bytes] = field(default_factory=list)
    failed: list[StreamRecord] = field(default_factory=list)
    repeat: list[StreamRecord] = field(default_factory=list)
    positions: dict[str, str] = field(default_factory=dict)
    size: int = 0
    since: float = 0.0
    oldest: datetime | None = None

    @property
    def empty(self) -> bool:
        return self.oldest is None


class Firehose:
    """Moves records from the source to the bucket: at least once, in objects of about the hinted size and age."""

    def __init__(self, source: Source, delivery: Delivery, checkpoints: Checkpoints, options: Options, log: Log) -> None:
        self.totals = Totals()
        self._source = source
        self._delivery = delivery
        self._checkpoints = checkpoints
        self._options = options
        self._log = log
        self._buffer = Buffer()
        self._seen = 0

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set, then delivers what it holds. Raises Undelivered if the bucket does not take that."""
        while not stop.is_set():
            self._round()
            due = self._options.interval_seconds - (time.monotonic() - self._buffer.since)
            if self._is_due():
                self._deliver()
                continue
            wait = min(IDLE_SECONDS, self._source.seconds_to_next())
            stop.wait(wait if self._buffer.empty else max(0.0, min(wait, due)))
        self.flush()

    def drain(self) -> None:
        """Reads to the tip of all shards, delivers all of it, and returns; the repeated records with it."""
        quiet = 0
        while quiet < 2:
            time.sleep(self._source.seconds_to_next())
            quiet = 0 if self._round() or self._source.behind_ms else quiet + 1
        self.flush()

    def flush(self) -> None:
        """Delivers the buffer, and then the records that are to be repeated: nothing else will carry them."""
        self._deliver()
        if not self._buffer.empty:
            self._deliver()

    def _round(self) -> int:
        records = 0
        for batch in self._source.poll():
            records += len(batch)
            for record in batch:
                self._add(record)
                if self._buffer.size >= self._options.size_bytes:
                    # Not a shard's end: the rest of the batch, its last records, is not in the buffer yet.
                    self._deliver(ends=False)
        return records

    def _is_due(self) -> bool:
        if self._buffer.empty:
            return False
        old = time.monotonic() - self._buffer.since >= self._options.interval_seconds
        return old or self._buffer.size >= self._options.size_bytes

    def _add(self, record: StreamRecord) -> None:
        self._seen += 1
        buffer = self._buffer
        buffer.positions[record.shard] = record.sequence
        if len(record.data) > RECORD_LIMIT:
            self._stamp(record)
            buffer.failed.append(record)
            return
        self._append(record)
        if self._options.duplicate_every and self._seen % self._options.duplicate_every == 0:
            buffer.repeat.append(record)

    def _append(self, record: StreamRecord) -> None:
        self._stamp(record)
        self._buffer.data.append(record.data)
        self._buffer.size += len(record.data)

    def _stamp(self, record: StreamRecord) -> None:
        if self._buffer.oldest is None:
            self._buffer.since = time.monotonic()
        if self._buffer.oldest is None or record.arrived < self._buffer.oldest:
            self._buffer.oldest = record.arrived

    def _deliver(self, *, ends: bool = True) -> None:
        buffer = self._buffer
        ended = self._source.ended() if ends else {}
        if buffer.oldest is not None:
            started = time.monotonic()
            if buffer.data:
                joined = b"".join(buffer.data)
                compressed = self._delivery.deliver(self._options.prefix, joined, buffer.oldest)
                self._count(len(buffer.data), len(joined), compressed)
            if buffer.failed:
                self._deliver_failed(buffer.failed, buffer.oldest)
            self._log(
                "delivered",
                records=len(buffer.data),
                failed=len(buffer.failed),
                bytes=buffer.size,
                seconds=round(time.monotonic() - started, 3),
                waited=round(started - buffer.since, 3),
                behind_ms=self._source.behind_ms,
            )
        self._buffer = Buffer()
        self._checkpoints.advance({**buffer.positions, **ended})
        # In an object of their own or with later ones, as when the real one delivers again after a lost answer.
        self.totals.repeated += len(buffer.repeat)
        for record in buffer.repeat:
            self._append(record)

    def _deliver_failed(self, records: list[StreamRecord], oldest: datetime) -> None:
        """Records that cannot be delivered go below the error prefix, in the form of the real one: a JSON line each."""
        lines = [
            json.dumps(
                {
                    "attemptsMade": 1,
                    "arrivalTimestamp": int(record.arrived.timestamp() * 1000),
                    "errorCode": "Record.TooLarge",
                    "errorMessage": f"The record has {len(record.data)} bytes, and the limit is {RECORD_LIMIT}.",
                    "kinesisRecordMetadata": {"shardId": record.shard, "sequenceNumber": record.sequence},
                    "rawData": base64.b64encode(record.data).decode(),
                }
            )
            for record in records
        ]
        self._delivery.deliver(f"{self._options.error_prefix}processing-failed/", "\n".join(lines).encode(), oldest)
        self.totals.failed_records += len(records)

    def _count(self, records: int, size: int, compressed: int) -> None:
        self.totals.objects += 1
        self.totals.records += records
        self.totals.bytes += size
        self.totals.compressed_bytes += compressed
