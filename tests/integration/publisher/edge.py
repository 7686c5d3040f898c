"""What stands before AWS and the emulator has not: an edge that checks who asks, and when.

Belongs here: refusing as AWS documents it, and passing on. Not here: assertions.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

SKEW = timedelta(minutes=5)
KEPT = ("x-amz-target", "content-type", "authorization", "x-amz-date")


class Edge:
    """Passes on what an access key of `accepted` asks at about `now()`; answers anything else as AWS does."""

    def __init__(self, target: str) -> None:
        self.target, self.accepted, self.clock_off = target, {"test"}, timedelta()
        self.refused: list[str] = []
        self.url = ""

    def judge(self, headers: Any) -> str | None:
        signed = datetime.strptime(headers.get("x-amz-date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        found = re.search(r"Credential=([^/]+)/", headers.get("authorization", ""))
        if abs(datetime.now(UTC) + self.clock_off - signed) > SKEW:
            return "InvalidSignatureException"
        return None if found and found.group(1) in self.accepted else "ExpiredTokenException"


@contextmanager
def edge_before(target: str) -> Iterator[Edge]:
    """An edge on a port of its own."""
    edge = Edge(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            code = edge.judge(self.headers)
            if code is not None:
                edge.refused.append(code)
                self.answer(400, json.dumps({"__type": code, "message": "refused"}).encode())
                return
            kept = {name: self.headers[name] for name in KEPT if name in self.headers}
            try:
                with urllib.request.urlopen(urllib.request.Request(edge.target, body, kept), timeout=10) as reply:
                    self.answer(reply.status, reply.read())
            except urllib.error.HTTPError as error:
                with error:
                    self.answer(error.code, error.read())

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/x-amz-json-1.1")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    edge.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield edge
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
