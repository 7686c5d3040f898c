"""A Kinesis whose every answer is scripted, over HTTP: what an SDK meets when things go wrong.

Belongs here: PutRecords and what can happen to it, shards, what has arrived in which order. Not here: what should have arrived.

Real requests of the real SDK: a connection that is reset, an answer that never comes and an error of the service are what they are on a network.
"""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from resources.ports import LOOPBACK

HASH_KEYS = 2**128
THROTTLED = "ProvisionedThroughputExceededException"


@dataclass(frozen=True)
class Put:
    """A record as it arrived: in the order of the stream, and from which shard on."""

    shard: int
    partition: int
    data: bytes


@dataclass(frozen=True)
class Answer:
    """What is done with one request: which records are kept (`None`: all), and what the client gets to see."""

    name: str
    keeps: Callable[[int], bool] | None = None
    code: str = "InternalFailure"
    error: str | None = None
    cut: bool = False
    seconds: float = 0.0


def only(name: str, keeps: Callable[[int], bool], code: str = "InternalFailure") -> Answer:
    """Some records succeed, by their place in the request."""
    return Answer(name, keeps, code)


ALL = Answer("all arrive")
NONE: Callable[[int], bool] = lambda _: False  # noqa: E731
ANSWERS = {
    answer.name: answer
    for answer in (
        only("every second fails", lambda n: n % 2 == 0),
        only("only the first arrives", lambda n: n == 0, THROTTLED),
        only("the first fails", lambda n: n > 0),
        only("all fail", NONE, THROTTLED),
        Answer("arrives, and the connection is cut", cut=True),
        Answer("half arrives, and the connection is cut", lambda n: n % 2 == 1, cut=True),
        Answer("the connection is cut", NONE, cut=True),
        Answer("arrives, and the answer comes too late", seconds=0.5),
        Answer("slow", seconds=0.05),
        Answer("expired credentials", NONE, error="ExpiredTokenException"),
        Answer("the service fails", NONE, error="InternalFailure"),
        Answer("too many requests", NONE, error="LimitExceededException"),
    )
}


@dataclass
class Kinesis:
    """One stream. `script` holds the answers to come; when it is empty, everything arrives, but for throttled shards."""

    port: int = 0
    script: deque[Answer] = field(default_factory=deque)
    puts: list[Put] = field(default_factory=list)
    shards: int = 4
    throttled: set[int] = field(default_factory=set)
    tags: dict[str, str] = field(default_factory=dict)
    answered: Counter[str] = field(default_factory=Counter)
    on_arrival: Callable[[list[bytes]], None] = lambda _: None
    on_stored: Callable[[list[bytes]], None] = lambda _: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def endpoint_url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def reshard(self, shards: int) -> None:
        """Other shards hold the hash keys from now on. What arrived before stays before."""
        with self.lock:
            self.shards, self.throttled = shards, set()

    def heal(self) -> None:
        """From now on everything arrives."""
        with self.lock:
            self.script.clear()
            self.throttled.clear()

    def put(self, records: list[dict[str, str]]) -> tuple[Answer, list[dict[str, str]]]:
        """What is done with a request, and the outcome of each record."""
        with self.lock:
            answer = self.script.popleft() if self.script else ALL
            self.answered[answer.name] += 1
            return answer, [self._one(n, record, answer) for n, record in enumerate(records)]

    def _one(self, n: int, record: dict[str, str], answer: Answer) -> dict[str, str]:
        shard = int(record["ExplicitHashKey"]) * self.shards // HASH_KEYS
        if shard in self.throttled:
            self.answered["throttled shard"] += 1
            return {"ErrorCode": THROTTLED, "ErrorMessage": "Rate exceeded"}
        if answer.keeps is not None and not answer.keeps(n):
            return {"ErrorCode": answer.code, "ErrorMessage": "scripted"}
        self.puts.append(Put(shard, int(record["PartitionKey"]), base64.b64decode(record["Data"])))
        return {"SequenceNumber": str(len(self.puts)), "ShardId": f"shardId-{shard:012}"}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: the requests of processes that are killed end in all ways."""


@contextmanager
def serve(kinesis: Kinesis, port: int = 0) -> Iterator[Kinesis]:
    """Listens on the loopback interface, on a free port or on this one, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked = self.headers["X-Amz-Target"].partition(".")[2]
            if asked == "AddTagsToStream":
                kinesis.tags |= body["Tags"]
                self._answer(200, {})
                return
            if asked == "ListTagsForStream":
                self._answer(200, {"Tags": [{"Key": k, "Value": v} for k, v in kinesis.tags.items()], "HasMoreTags": False})
                return
            if asked != "PutRecords":
                self._answer(200, {"StreamDescriptionSummary": {"StreamName": "lake", "StreamStatus": "ACTIVE", "OpenShardCount": kinesis.shards}})  # fmt: skip
                return
            data = [base64.b64decode(record["Data"]) for record in body["Records"]]
            kinesis.on_arrival(data)
            answer, outcomes = kinesis.put(body["Records"])
            kinesis.on_stored(data)
            time.sleep(answer.seconds)
            if answer.cut:
                self._cut()
            elif answer.error:
                self._answer(400, {"__type": answer.error, "message": "scripted"})
            else:
                self._answer(200, {"FailedRecordCount": sum("ErrorCode" in o for o in outcomes), "Records": outcomes})

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            text = json.dumps(body).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
            except OSError:  # who asked has given up, or is dead
                self.close_connection = True

        def _cut(self) -> None:
            """A reset, not an orderly end."""
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

        def finish(self) -> None:
            with suppress(OSError, ValueError):
                super().finish()

    server = _Server((LOOPBACK, port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    kinesis.port = server.server_address[1]
    try:
        yield kinesis
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
