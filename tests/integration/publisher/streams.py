"""A stream on the loopback that refuses, or never answers: what no emulator does on demand.

Belongs here: that server. Not here: assertions. A relay is led to it by AWS_ENDPOINT_URL_KINESIS, while keys and secrets come from the emulator.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class BrokenStream:
    """Refuses every record with a code, or hangs where there is none, until it is mended."""

    def __init__(self, code: str | None) -> None:
        self.code = code
        self.mended = False
        self.asked = threading.Event()
        self.end = threading.Event()
        self.url = ""

    def answer(self, target: str, request: bytes) -> bytes:
        if target.endswith("TagsForStream"):
            return b'{"Tags": [], "HasMoreTags": false}'
        if not target.endswith("PutRecords"):
            return b'{"StreamDescriptionSummary": {}}'
        self.asked.set()
        count = len(json.loads(request)["Records"])
        if self.mended:
            return json.dumps({"FailedRecordCount": 0, "Records": [{"SequenceNumber": "1", "ShardId": "s"}] * count}).encode()
        if self.code is None:
            self.end.wait(60)
        refused = {"ErrorCode": self.code or "InternalFailure", "ErrorMessage": "no"}
        return json.dumps({"FailedRecordCount": count, "Records": [refused] * count}).encode()


@contextmanager
def broken_stream(code: str | None) -> Iterator[BrokenStream]:
    """Serves one until the end of the block."""
    stream = BrokenStream(code)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = self.rfile.read(int(self.headers["Content-Length"]))
            answer = stream.answer(self.headers["X-Amz-Target"], request)
            try:
                self.send_response(200)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the relay is gone

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        stream.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield stream
        finally:
            stream.end.set()
            server.shutdown()
