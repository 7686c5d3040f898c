"""The records that are still in a Kinesis stream, and their partition keys.

Belongs here: reading all shards from their beginning. Not here: what delivers them (demo/firehose).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from demo.leakscan.clients import client_of
from demo.leakscan.decode import CONTENT, Facet, content
from demo.leakscan.plant import files
from demo.leakscan.sources.base import Documents, Source

KEYS = "partition keys"
_MAGICS = (b"\x1f\x8b", b"PAR1", b"SQLite format 3\x00")
_PAGE = 10_000


@dataclass(frozen=True)
class ShardItem:
    """One shard; its records are read once, to where the shard ends or ended when the reading began."""

    source: str
    environment: Mapping[str, str]
    stream: str
    shard: str
    planted: bool = False
    size: int = 8 << 20

    @property
    def place(self) -> str:
        return f"kinesis://{self.stream}/{self.shard}"

    def facets(self) -> Iterator[Facet]:
        keys: list[bytes] = []
        lines: list[bytes] = []
        for record in self._records():
            keys.append(f"{record['PartitionKey']}\n".encode())
            if record["Data"].startswith(_MAGICS):
                yield from content(record["Data"])
            else:
                lines += (record["Data"], b"\n")
        yield from content(b"".join(lines))
        yield Facet(KEYS, keys)

    def _records(self) -> Iterator[dict[str, Any]]:
        kinesis = client_of("kinesis", self.environment)
        answer = kinesis.get_shard_iterator(StreamName=self.stream, ShardId=self.shard, ShardIteratorType="TRIM_HORIZON")
        position = answer["ShardIterator"]
        while position:
            try:
                page = kinesis.get_records(ShardIterator=position, Limit=_PAGE)
            except kinesis.exceptions.ProvisionedThroughputExceededException:
                time.sleep(0.5)
                continue
            yield from page["Records"]
            if not page["Records"] and not page.get("MillisBehindLatest"):
                return
            position = page.get("NextShardIterator")


@dataclass(frozen=True)
class StreamSource:
    """A stream. Controls go through a stream of their own, or Firehose would deliver them."""

    name: str
    environment: Mapping[str, str]
    stream: str
    planted: bool = False

    @property
    def facet_names(self) -> tuple[str, ...]:
        return (KEYS, *CONTENT)

    def items(self) -> Iterator[ShardItem]:
        kinesis = client_of("kinesis", self.environment)
        for page in kinesis.get_paginator("list_shards").paginate(StreamName=self.stream):
            for shard in page["Shards"]:
                yield ShardItem(self.name, self.environment, self.stream, shard["ShardId"], self.planted)

    @contextmanager
    def plant(self, documents: Documents) -> Iterator[list[Source]]:
        kinesis = client_of("kinesis", self.environment)
        stream = f"leakscan-controls-{secrets.token_hex(8)}"
        kinesis.create_stream(StreamName=stream, ShardCount=1)
        try:
            waiter = {"Delay": 1, "MaxAttempts": 60}
            kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig=waiter)
            records = [(name, body) for name, body in files(documents)]
            records += [(key.decode(), b"\n") for key in documents[KEYS]]
            for key, body in records:
                kinesis.put_record(StreamName=stream, PartitionKey=key, Data=body)
            yield [StreamSource(self.name, self.environment, stream, planted=True)]
        finally:
            kinesis.delete_stream(StreamName=stream)
