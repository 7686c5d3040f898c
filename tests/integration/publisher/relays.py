"""Relays in tests: one in a thread, one that dies, and what a sink holds.

Belongs here: what several test modules use. Not here: fixtures, assertions about promises.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from publisher import outbox
from publisher.database import connect
from publisher.keys import LocalKeyring
from publisher.relay import Relay, ReleaseSet
from publisher.sinks import Failure, MemorySink, Record, Sink
from tests.integration.publisher.platform import Platform


class Killed(Exception):
    """Stands for the end of the process: whatever the relay would do next, it does not."""


class DeliversThenDies:
    """Takes the records, then the relay is gone before it hears of it."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def put(self, records: Sequence[Record]) -> list[Failure]:
        self.records += records
        raise Killed


def events(sink: MemorySink) -> list[dict[str, Any]]:
    return [event for event in map(json.loads, sink.lines) if event["entity"] != "_manifest"]


def by_key(found: list[dict[str, Any]]) -> dict[tuple[str, str], list[int]]:
    seqs: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in found:
        seqs[event["entity"], event["key"]].append(event["seq"])
    return seqs


def sink_partitions(sink: MemorySink) -> dict[int, list[Record]]:
    grouped: dict[int, list[Record]] = defaultdict(list)
    for record in sink.records:
        grouped[record.partition].append(record)
    return grouped


def many(platform: Platform, creditors: int, updates: int) -> None:
    platform.sql(
        "INSERT INTO creditors (id, code, name, sector, contact_email, created_at)"
        " SELECT n, 'C' || lpad(n::text, 3, '0'), 'n', 'bank', '\\x01', now() FROM generate_series(1, %s) n", creditors,
    )  # fmt: skip
    many_updates(platform, updates)


def many_updates(platform: Platform, count: int) -> None:
    for number in range(count):
        platform.sql("UPDATE creditors SET sector = %s", ("card", "retail")[number % 2])


@contextmanager
def running(url: str, releases: ReleaseSet, keyring: LocalKeyring, sink: Sink, stop: threading.Event) -> Iterator[None]:
    """A relay in a thread: stopped, and its error raised, at the end."""

    def work() -> None:
        with connect(url, "relay") as connection:
            assert outbox.try_lock(connection)
            Relay(connection, releases, sink, stop=stop).run()

    with ThreadPoolExecutor(1) as pool:
        relay = pool.submit(work)
        try:
            yield
        finally:
            stop.set()
        relay.result(30)


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)
