"""What is on its way: one put at a time in a thread, and records that failed, waiting for their next turn.

Belongs here: threads, retries, backoff. Not here: what an acknowledgement changes in the database (bookkeeping.py).
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from publisher.relay.pack import Packed
from publisher.sinks.record import Failure, Sink

BACKOFF_FIRST_SECONDS = 0.05
BACKOFF_MOST_SECONDS = 10.0


@dataclass(slots=True)
class _Attempt:
    packed: Packed
    failures: int = 0
    due: float = 0.0


class Flight:
    """Records between claim and acknowledgement, one a partition."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="put")
        self._attempts: dict[int, _Attempt] = {}
        self._put: Future[list[Failure]] | None = None
        self._putting: list[_Attempt] = []
        self.size_bytes = 0
        self.retries = 0
        self.reasons: dict[str, int] = {}

    @property
    def partitions(self) -> set[int]:
        """Those that may not get another record yet."""
        return set(self._attempts)

    @property
    def seqs(self) -> frozenset[int]:
        """The numbers of all events between claim and acknowledgement."""
        return frozenset(event.seq for attempt in self._attempts.values() for event in attempt.packed.events)

    @property
    def idle(self) -> bool:
        """No put runs. Failed records may still wait for their turn."""
        return self._put is None

    def add(self, packed: Iterable[Packed]) -> None:
        """Records to put, whose claims are committed."""
        for one in packed:
            self._attempts[one.record.partition] = _Attempt(one)
            self.size_bytes += len(one.record.data)

    def start(self) -> bool:
        """Puts everything that is due, in the background. False when nothing is, or a put runs."""
        if self._put is not None:
            return False
        now = time.monotonic()
        self._putting = [attempt for attempt in self._attempts.values() if attempt.due <= now]
        if not self._putting:
            return False
        records = [attempt.packed.record for attempt in self._putting]
        self._put = self._pool.submit(self._sink.put, records)
        return True

    def finish(self, timeout: float) -> list[Packed] | None:
        """What was acknowledged, or None when the put has not ended within `timeout` seconds. Failed records get a later turn."""
        if self._put is None:
            return []
        if not wait([self._put], timeout).done:
            return None
        failures, self._put = self._put.result(), None
        failed = {failure.record.partition: failure.reason for failure in failures}
        done: list[Packed] = []
        for attempt in self._putting:
            partition = attempt.packed.record.partition
            if partition in failed:
                self._later(attempt, failed[partition])
            else:
                del self._attempts[partition]
                self.size_bytes -= len(attempt.packed.record.data)
                done.append(attempt.packed)
        self._putting = []
        return done

    def seconds_to_next(self) -> float | None:
        """Until a failed record is due, or None when none waits."""
        if not self._attempts or self._put is not None:
            return None
        return max(0.0, min(attempt.due for attempt in self._attempts.values()) - time.monotonic())

    def shut(self) -> None:
        """Ends the thread; a put that runs is awaited."""
        self._pool.shutdown(wait=True)

    def _later(self, attempt: _Attempt, reason: str) -> None:
        """Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/"""
        attempt.failures += 1
        ceiling = min(BACKOFF_MOST_SECONDS, BACKOFF_FIRST_SECONDS * 2 ** min(attempt.failures, 16))
        attempt.due = time.monotonic() + random.uniform(0, ceiling)  # noqa: S311
        self.retries += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
