"""Where spans go: to the collector that the standard variable names, to nobody without it, and a missing library is said."""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from publisher.errors import SettingsError
from publisher.watch.traces import traced


def test_spans_go_to_the_collector_when_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        with traced(endpoint) as tracing, tracing.span("relay.put") as span:
            span.say({"records": 3, "reasons": ["InternalFailure"]})
        server.shutdown()
    assert [path for path, _ in got] == ["/v1/traces"]
    for word in (b"relay.put", b"publisher.records", b"InternalFailure"):
        assert word in got[0][1]


def test_without_an_endpoint_nobody_listens() -> None:
    with traced(None) as tracing, tracing.span("relay.put") as span:
        assert not span.wanted


def test_without_the_library_it_works_and_an_endpoint_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with traced(None) as tracing, tracing.span("relay.put") as span:
        span.say({"records": 3})
    with pytest.raises(SettingsError, match=r"OpenTelemetry is not there: install the extra"), traced("http://127.0.0.1:4318"):
        pass
