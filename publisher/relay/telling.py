"""What a run says of itself: a summary, the log, the vitals, and spans.

Belongs here: which of these hears of what. Not here: the loop (loop.py), forms for tools (watch/).
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from publisher.deadletters import DeadLetter
from publisher.outbox import OutboxRow
from publisher.relay.flight import Flight
from publisher.relay.pack import Packed
from publisher.watch.traces import Tracing
from publisher.watch.vitals import Vitals
from publisher.wire import ReleasedEvent

logger = logging.getLogger("publisher.relay")

REPORT_SECONDS = 10.0

Judged = tuple[list[ReleasedEvent], list[DeadLetter], list[int]]


@dataclass
class Summary:
    """What a run did, in counts."""

    events: int = 0
    records: int = 0
    bytes: int = 0
    manifests: int = 0
    dead_letters: int = 0
    retries: int = 0
    repeated: int = 0
    epoch: int = 0
    failures: dict[str, int] = field(default_factory=dict)


class Telling:
    """Made for one run; the vitals are of the whole process."""

    def __init__(self, vitals: Vitals, tracing: Tracing) -> None:
        self.summary = Summary()
        self.vitals = vitals
        self._tracing = tracing
        self._reported = time.monotonic()

    def page(self, rows: Sequence[OutboxRow], judge: Callable[[Sequence[OutboxRow]], Judged]) -> Judged:
        """Judges a page, and takes the time of it."""
        with self._tracing.span("relay.release") as span:
            began = time.perf_counter()
            events, letters, dropped = judge(rows)
            self.vitals.released(time.perf_counter() - began)
            if span.wanted:
                span.say(
                    {
                        "rows": len(rows), "events": len(events), "dead_letters": len(letters), **_reasons(letters),
                        "entities": self._entities(row.entity for row in rows),
                    }
                )  # fmt: skip
        return events, letters, dropped

    @contextmanager
    def round(self, done: Sequence[Packed], letters: Sequence[DeadLetter], claimed: Sequence[Packed]) -> Iterator[None]:
        """A span around the commit of a round that has something to commit."""
        if not (done or letters or claimed):
            yield
            return
        with self._tracing.span("relay.round") as span:
            if span.wanted:
                span.say(
                    {
                        "records_acknowledged": len(done), "events_acknowledged": sum(len(packed.events) for packed in done),
                        "records_claimed": len(claimed), "dead_letters": len(letters), "epoch": self.summary.epoch, **_reasons(letters),
                        "entities": self._entities(event.entity for packed in (*done, *claimed) for event in packed.events),
                    }
                )  # fmt: skip
            yield

    def counted(self, done: Sequence[Packed], letters: Sequence[DeadLetter], flight: Flight) -> None:
        """A round was committed."""
        summary = self.summary
        for packed in done:
            summary.records += 1
            summary.bytes += len(packed.record.data)
            summary.events += len(packed.events)
            summary.manifests += len(packed.manifests)
        for letter in letters:
            if not letter.waits:
                logger.warning("dead letter", extra={"fields": _fields(letter)})
        self.vitals.sent(done)
        self.vitals.parked(letters)
        if flight.reasons or self.vitals.failing:
            self.vitals.failed(_since(summary.failures, flight.reasons), flight.failing())
        summary.dead_letters += len(letters)
        summary.retries = flight.retries
        summary.failures = dict(flight.reasons)

    def report(self, waiting: int, *, final: bool = False) -> None:
        """Logs the totals so far, every ten seconds and at the end."""
        now = time.monotonic()
        if not final and now - self._reported < REPORT_SECONDS:
            return
        self._reported = now
        s = self.summary
        fields = {
            "events": s.events, "records": s.records, "bytes": s.bytes, "manifests": s.manifests, "dead_letters": s.dead_letters,
            "retries": s.retries, "failures": s.failures, "waiting": waiting,
        }  # fmt: skip
        logger.info("relay totals" if final else "relay progress", extra={"fields": fields})

    def _entities(self, names: Iterator[str]) -> list[str]:
        return sorted({self.vitals.entity(name) for name in set(names)})


def _reasons(letters: Sequence[DeadLetter]) -> dict[str, list[str]]:
    return {"reasons": sorted({letter.reason for letter in letters})} if letters else {}


def _since(before: dict[str, int], now: dict[str, int]) -> Counter[str]:
    return Counter(now) - Counter(before)


def _fields(letter: DeadLetter) -> dict[str, object]:
    return {"entity": letter.entity, "op": letter.op, "seq": letter.seq, "reason": letter.reason, "field_names": letter.fields}
