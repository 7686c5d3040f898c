"""One small HTTP server: /metrics, /healthz, /readyz.

Belongs here: HTTP. Not here: what is said (metrics.py, health.py). It listens on the loopback address unless told otherwise, asks nobody for a password, and writes no log.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client.exposition import choose_encoder

from publisher.errors import SettingsError
from publisher.watch.health import Verdict, alive, ready
from publisher.watch.metrics import registry
from publisher.watch.vitals import Vitals

logger = logging.getLogger("publisher.watch")

PLAIN = "text/plain; charset=utf-8"
CLIENT_SECONDS = 5.0
"""A client that says nothing for so long is hung up on."""

Answer = tuple[int, str, bytes]
Routes = dict[str, Callable[[str], Answer]]
"""Path to what answers, given the Accept header."""


@contextmanager
def served(vitals: Vitals, *, address: str, port: int, limit_seconds: float) -> Iterator[None]:
    """Serves the vitals from a thread for as long as the block runs. Raises SettingsError for an address that cannot be had."""
    try:
        server = ThreadingHTTPServer((address, port), _handler(_routes(vitals, limit_seconds)))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise SettingsError(
            f"metrics cannot listen on {address}:{port} ({reason}): set PUBLISHER_METRICS_PORT to a free port, PUBLISHER_METRICS_ADDRESS to an address of this machine"
        ) from None
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="watch", kwargs={"poll_interval": 0.2}, daemon=True)
    thread.start()
    logger.info("metrics listen", extra={"fields": {"address": address, "port": server.server_address[1]}})
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _routes(vitals: Vitals, limit_seconds: float) -> Routes:
    registered = registry(vitals, limit_seconds)

    def metrics(accept: str) -> Answer:
        encode, kind = choose_encoder(accept)
        return 200, kind, encode(registered)

    return {
        "/metrics": metrics,
        "/healthz": lambda _: _said(alive(vitals)),
        "/readyz": lambda _: _said(ready(vitals, limit_seconds)),
    }


def _said(verdict: Verdict) -> Answer:
    return (200 if verdict.ok else 503), PLAIN, verdict.text.encode()


def _handler(routes: Routes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_SECONDS
        server_version, sys_version = "publisher", ""

        def do_GET(self) -> None:
            answer = routes.get(self.path.partition("?")[0])
            code, kind, body = (
                answer(self.headers.get("Accept", "")) if answer else (404, PLAIN, f"there are {', '.join(routes)}\n".encode())
            )
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 (the library's name)

        def log_message(self, *_: object) -> None:
            """No log of requests."""

    return Handler
