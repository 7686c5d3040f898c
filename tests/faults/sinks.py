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
    """`dies` names the moment at which the next put ends its process; `hold` keeps the next put from beginning, or its answer from being heard, until it is let go."""

    def __init__(self, sink: KinesisSink) -> None:
        self._sink = sink
        self.dies: str | None = None
        self.hold: threading.Event | None = None
        self.holds_the_answer = False

    def put(self, records: Sequence[Record]) -> list[Failure]:
        """See Sink."""
        if not self.holds_the_answer:
            self._wait()
        dies, self.dies = self.dies, None
        if dies == "before the put":
            raise Killed
        failures = self._sink.put(records)
        if self.holds_the_answer:
            self._wait()
        if dies == "after the put":
            raise Killed
        return failures

    def _wait(self) -> None:
        if self.hold is not None:
            self.hold.wait(60)
