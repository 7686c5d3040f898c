"""What a relay process knows of itself: counts, times and names, written by its loop, read by whoever serves them.

Belongs here: counting, and keeping labels few. Not here: forms for tools (metrics.py, traces.py), judging (health.py), looking into the database (outlook.py).

Plain attributes of one writer. A reader in another thread may see a round half counted, which no sum of counters minds.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from enum import Enum
from operator import attrgetter
from typing import TYPE_CHECKING

from publisher.watch.outlook import Outlook
from publisher.wire import REPORTS

if TYPE_CHECKING:
    from publisher.deadletters import DeadLetter
    from publisher.relay.pack import Packed

PAGE_BOUNDS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
REASONS_MOST = 40
"""Different reasons kept apart; what comes after them counts as `other`. A contract of many ranges has as many reasons."""

OTHER = "other"
NONE_YET = 0
ENTITY = attrgetter("entity")
CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,63}")
"""What a cloud's error code looks like. An answer that says anything else as its code could say a value."""


class State(Enum):
    """What the process does now."""

    STARTING = "starting"
    STANDBY = "standby"
    WORKING = "working"
    LOST = "lost"
    STOPPED = "stopped"


class Vitals:
    """Counters since the process began, and the last look at the outbox."""

    def __init__(self, entities: Iterable[str] = (), *, watched: bool = False) -> None:
        self.watched = watched
        """Whether anybody asks: only then is the outbox looked at."""
        self.state = State.STARTING
        self.turned_at = time.monotonic()
        self.epoch = 0
        self.sessions_lost = 0
        self.outlook: Outlook | None = None
        self.events = Counter(dict.fromkeys([*entities, *sorted(REPORTS)], NONE_YET))
        self.bytes = Counter(self.events)
        self.records = 0
        self.manifests = 0
        self.repeated = 0
        self.retries: dict[str, int] = {}
        self.failing: dict[str, int] = {}
        self.dead_letters: dict[str, int] = {}
        self.pages = [0] * (len(PAGE_BOUNDS_SECONDS) + 1)
        self.page_seconds = 0.0

    def turned(self) -> None:
        """The loop came round."""
        self.turned_at = time.monotonic()

    def is_now(self, state: State) -> None:
        """Another state began."""
        self.state = state
        self.turned()
        if state is State.LOST:
            self.sessions_lost += 1

    def released(self, seconds: float) -> None:
        """A page was judged, in so long."""
        self.pages[bisect_left(PAGE_BOUNDS_SECONDS, seconds)] += 1
        self.page_seconds += seconds

    def sent(self, done: Iterable[Packed]) -> None:
        """These records were acknowledged."""
        events, size = self.events, self.bytes
        for packed in done:
            self.records += 1
            self.manifests += len(packed.manifests)
            for entity, number in Counter(map(ENTITY, packed.events)).items():
                events[entity] += number
                size[entity] += number  # the lines' ends
            for event in packed.events:
                size[event.entity] += len(event.line)

    def parked(self, letters: Iterable[DeadLetter]) -> None:
        """These rows may not leave."""
        for letter in letters:
            _count(self.dead_letters, letter.reason, 1)

    def failed(self, reasons: Mapping[str, int], failing: Mapping[str, int]) -> None:
        """So many records of this put failed, by reason, and so many partitions wait for another turn."""
        for reason, number in reasons.items():
            _count(self.retries, _code(reason), number)
        self.failing = {}
        for reason, number in failing.items():
            _count(self.failing, _code(reason), number)

    def entity(self, name: str) -> str:
        """An entity as a name that may be shown: one of a contract's. A row that somebody put into the outbox by hand may say anything."""
        return name if name in self.events else OTHER


def _count(counts: dict[str, int], name: str, number: int) -> None:
    if name not in counts and len(counts) >= REASONS_MOST:
        name = OTHER
    counts[name] = counts.get(name, 0) + number


def _code(reason: str) -> str:
    return reason if CODE.fullmatch(reason) else OTHER
