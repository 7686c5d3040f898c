"""A way to the emulator that can be cut: requests that it recognises never arrive, or their answers get lost.

Belongs here: one TCP proxy. Not here: which requests a test refuses.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from resources.ports import LOOPBACK

_CHUNK = 1 << 16
_REQUEST = re.compile(rb"(?:^|\n)(GET|HEAD|PUT|POST|DELETE) (\S+) HTTP/1\.1\r\n")
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Carries connections to a port, and counts the `requests`. `refuse(b"HEAD ")` cuts the connections on which that is sent, from now on, until `heal()`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = int(self._listener.getsockname()[1])
        self._refused: bytes | None = None
        self._after_it_arrived = False
        self._breaks, self._break_after = 0, 0
        self.cuts = 0
        self.requests: Counter[str] = Counter()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def endpoint_url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def refuse(self, sent: bytes, *, after_it_arrived: bool = False) -> None:
        """With `after_it_arrived` the request is carried out, and its answer is lost."""
        self._refused, self._after_it_arrived = sent, after_it_arrived

    def break_off(self, *, after: int, times: int) -> None:
        """Ends so many connections once they have carried so many bytes of answers."""
        self._breaks, self._break_after = times, after

    def heal(self) -> None:
        self._refused = None

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection((LOOPBACK, self._target)) as server:
            lost = threading.Event()
            threading.Thread(target=self._answer, args=(server, client, lost), daemon=True).start()
            while data := client.recv(_CHUNK):
                self._count(data)
                refused = self._refused
                if refused is not None and refused in data:
                    self.cuts += 1
                    lost.set()
                    if self._after_it_arrived:
                        server.sendall(data)
                        server.settimeout(5)
                        threading.Event().wait(0.5)  # carried out, and nobody hears of it
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    return
                server.sendall(data)

    def _count(self, data: bytes) -> None:
        """By method; of S3's GETs, listings apart. A request whose first line is cut between two pieces is missed: they are few."""
        for method, target in _REQUEST.findall(data):
            kind = b"LIST" if method == b"GET" and (b"list-type=" in target or b"?prefix=" in target) else method
            self.requests[kind.decode()] += 1

    def _answer(self, server: socket.socket, client: socket.socket, lost: threading.Event) -> None:
        carried = 0
        with suppress(OSError):
            while data := server.recv(_CHUNK):
                carried += len(data)
                if self._breaks and carried > self._break_after:
                    self._breaks -= 1
                    self.cuts += 1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                if lost.is_set():
                    return
                client.sendall(data)


@contextmanager
def proxied(target: int) -> Iterator[Proxy]:
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
