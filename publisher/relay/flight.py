"""What is on its way: one put at a time in a thread, and records that failed, waiting for their next turn.

Belongs here: threads, retries, backoff. Not here: what an acknowledgement changes in the database (bookkeeping.py).
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from dataclasses import dataclass

from publisher.relay.pack import Packed
from publisher.sinks.record import Failure, Record, Sink
from publisher.watch.traces import Tracing

BACKOFF_FIRST_SECONDS = 0.05
BACKOFF_MOST_SECONDS = 10.0


@dataclass(slots=True)
class _Attempt:
    packed: Packed
    failures: int = 0
    due: float = 0.0
    reason: str = ""


class Flight:
    """Records between claim and acknowledgement, one a partition."""

    def __init__(self, sink: Sink, tracing: Tracing | None = None) -> None:
        self._sink = sink
        self._tracing = tracing or Tracing()
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
        put: Future[list[Failure]] = Future()
        self._put = put
        # A daemon, unlike a pool's thread: a put that hangs must not keep a process that was told to stop.
        threading.Thread(target=self._run, args=(put, records), name="put", daemon=True).start()
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

    def failing(self) -> dict[str, int]:
        """How many partitions wait for another turn, by why their last one failed."""
        return Counter(attempt.reason for attempt in self._attempts.values() if attempt.failures)

    def shut(self, enough: Callable[[], bool] = lambda: False) -> None:
        """Awaits a put that runs, until that is `enough`: its records are then neither acknowledged nor failed, and stay claimed."""
        while self._put is not None and not wait([self._put], 0.05).done and not enough():
            pass

    def _run(self, put: Future[list[Failure]], records: list[Record]) -> None:
        try:
            with self._tracing.span("relay.put") as span:
                failures = self._sink.put(records)
                if span.wanted:
                    span.say(
                        {"records": len(records), "bytes": sum(len(record.data) for record in records), "failed": len(failures)}
                    )
                    if failures:
                        span.say({"reasons": sorted({failure.reason for failure in failures})})
        except BaseException as error:  # noqa: BLE001 (raised again by whoever asks for the result)
            put.set_exception(error)
        else:
            put.set_result(failures)

    def _later(self, attempt: _Attempt, reason: str) -> None:
        """Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/"""
        attempt.failures += 1
        attempt.reason = reason
        ceiling = min(BACKOFF_MOST_SECONDS, BACKOFF_FIRST_SECONDS * 2 ** min(attempt.failures, 16))
        attempt.due = time.monotonic() + random.uniform(0, ceiling)  # noqa: S311
        self.retries += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
