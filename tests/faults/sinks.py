"""The real Kinesis sink, with moments at which a process may end or be held.

Belongs here: what happens around a put. Not here: what Kinesis answers (kinesis.py).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from publisher.sinks import Failure, Record
from publisher.sinks.kinesis import KinesisSink
from tests.integration.publisher.relays import Killed


class FaultySink:
    """`dies` names the moment at which the next put ends its process; `hold` keeps the next put from beginning until it is let go."""

    def __init__(self, sink: KinesisSink) -> None:
        self._sink = sink
        self.dies: str | None = None
        self.hold: threading.Event | None = None

    def put(self, records: Sequence[Record]) -> list[Failure]:
        """See Sink."""
        if self.hold is not None:
            self.hold.wait(60)
        dies, self.dies = self.dies, None
        if dies == "before the put":
            raise Killed
        failures = self._sink.put(records)
        if dies == "after the put":
            raise Killed
        return failures
