"""A stream that takes everything, in a process of its own: what it costs is the same for everyone who sends.

Belongs here: as much of Kinesis' HTTP interface as producers ask for. Not here: faults (tests/faults).

It reads no more of a request than it must: how many records there are, how long each is, and, where it is asked to, when which lines came.
`GET /` tells and forgets. Run as `python -m benchmarks.publisher.stream PORT [keep]`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sys
import time
from typing import Any

DATA = re.compile(rb'"Data": ?"([^"]*)"')
PUT_UNIT_BYTES = 25 * 1024
SHARDS = [
    {
        "ShardId": f"shardId-{n:012}",
        "HashKeyRange": {"StartingHashKey": str(n * 2**126), "EndingHashKey": str((n + 1) * 2**126 - 1)},
        "SequenceNumberRange": {"StartingSequenceNumber": "0"},
    }
    for n in range(4)
]
ANSWERS: dict[str, dict[str, Any]] = {
    "ListShards": {"Shards": SHARDS},
    "DescribeStream": {
        "StreamDescription": {"StreamName": "bench", "StreamStatus": "ACTIVE", "Shards": SHARDS, "HasMoreShards": False}
    },
    "DescribeStreamSummary": {"StreamDescriptionSummary": {"StreamName": "bench", "StreamStatus": "ACTIVE", "OpenShardCount": 4}},
    "ListTagsForStream": {"Tags": [], "HasMoreTags": False},
    "AddTagsToStream": {},
}


class Stream:
    """What came since it was last asked."""

    def __init__(self, keep: bool) -> None:
        self.keep = keep
        self.forget()

    def forget(self) -> None:
        self.requests = self.records = self.bytes = self.units = 0
        self.lines: list[tuple[float, list[str]]] = []

    def put(self, body: bytes) -> bytes:
        now = time.time()
        found = DATA.findall(body)
        self.requests += 1
        self.records += len(found)
        for each in found:
            size = len(each) * 3 // 4
            self.bytes += size
            self.units += -(-size // PUT_UNIT_BYTES)
        if self.keep:
            self.lines += [(now, base64.b64decode(each).decode().splitlines()) for each in found]
        one = b'{"SequenceNumber":"1","ShardId":"shardId-000000000000"}'
        return b'{"FailedRecordCount":0,"Records":[' + b",".join([one] * len(found)) + b"]}"

    def told(self) -> bytes:
        said = {
            "requests": self.requests,
            "records": self.records,
            "bytes": self.bytes,
            "put_units": self.units,
            "lines": self.lines,
        }
        self.forget()
        return json.dumps(said).encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, for as long as it lasts."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
                if headers.get("expect"):
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                operation = headers.get("x-amz-target", "").partition(".")[2]
                if lines[0].startswith("GET"):
                    answer = self.told()
                else:
                    answer = self.put(body) if operation == "PutRecords" else json.dumps(ANSWERS[operation]).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: %d\r\n\r\n" % len(answer)
                    + answer
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def main() -> None:
    stream = Stream(keep="keep" in sys.argv)
    server = await asyncio.start_server(stream.serve, "127.0.0.1", int(sys.argv[1]), limit=16 * 1024 * 1024)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
