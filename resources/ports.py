"""Ports of the loopback interface: one that is free, whether somebody listens. Not here: whose they are."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from resources.errors import ServerFailed

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 15002
"""Spark Connect's own."""


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    """Whether somebody accepts connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def address_of(remote: str) -> tuple[str, int]:
    """Host and port of `sc://host:port`; raises ServerFailed in one sentence for anything else."""
    try:
        parts = urlsplit(remote)
        host, port = parts.hostname, parts.port or DEFAULT_PORT
    except ValueError:
        host, port = None, 0
    else:
        host = host if parts.scheme == "sc" else None
    if not host:
        raise ServerFailed(f"SPARK_REMOTE must be of the form sc://host:port, as sc://127.0.0.1:{DEFAULT_PORT}.")
    return host, port
