"""The ledger: which objects have landed, each registered once and given to a batch that never changes.

Belongs here: receiving, recognising what is known, making batches. Not here: reading objects (bronze/), batches' progress (batches.py).

The order is what makes it safe: the ledger is committed first, and messages are deleted after. A run that dies between the two is shown the
messages again, and recognises their objects by key and etag.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pyspark.sql import functions as sf

from lake_assets.raw.batches import FETCHED_BYTES, finished_below, registered, rows_of_batches, small_rows_of
from lake_assets.raw.session import interpreted
from lake_assets.transforms import schemas
from resources.errors import ResourceError
from resources.landing import Landing
from resources.notifications import Message, Notifications
from resources.spark import spark_errors
from resources.tables import LakeTables

RAW = "raw/"
BATCH_BYTES = 64 << 20
"""Of compressed objects: some 500 MB of JSON."""

BATCH_OBJECTS = 10_000
LISTED_OBJECTS = 1_000
"""Of a batch that Spark reads: it lists each object, and looks at it twice."""

_HOUR = re.compile(r"(?:^|/)raw/(\d{4})/(\d{2})/(\d{2})/(\d{2})/")
_NO_HOUR = datetime(1970, 1, 1, tzinfo=UTC)

Identity = tuple[str, str]
"""A key and its etag: an object that is overwritten is another object."""


@dataclass(frozen=True)
class LedgerResult:
    """What was registered. `by_listing` counts objects that no notification had told of: more than a few mean lost events.

    `calls` counts the requests to the landing bucket and the queue that it took, and not the reads of the tables' logs; see resources/aws.py.
    """

    new: int
    new_bytes: int
    by_event: int
    by_listing: int
    known: int
    unreadable_messages: int
    batches: tuple[int, ...]
    calls: Mapping[str, int]


class LedgerChanged(ResourceError):
    """Another process wrote to the ledger meanwhile: nothing is lost, since no message was deleted."""

    def __init__(self, batch: int) -> None:
        super().__init__(
            f"The ledger's batch {batch} was written by another process meanwhile, probably a run that was ended: "
            "no notification was deleted, and the next run registers what is left."
        )


@dataclass(frozen=True)
class _Found:
    key: str
    etag: str
    size_bytes: int
    found_by: str

    @property
    def identity(self) -> Identity:
        return self.key, self.etag

    @property
    def hour(self) -> datetime:
        return hour_of(self.key)

    @property
    def day(self) -> date:
        return self.hour.date()


def hour_of(key: str) -> datetime:
    """The hour that a key names; a fixed one long ago where it names none that exists."""
    match = _HOUR.search(key)
    if match is None:
        return _NO_HOUR
    try:
        year, month, day, hour = map(int, match.groups())
        return datetime(year, month, day, hour, tzinfo=UTC)
    except ValueError:
        return _NO_HOUR


def register(
    tables: LakeTables,
    landing: Landing,
    notifications: Notifications,
    *,
    list_hours: int = 0,
    batch_bytes: int = BATCH_BYTES,
    batch_objects: int = BATCH_OBJECTS,
) -> LedgerResult:
    """Registers what notifications tell of and, with `list_hours`, what a listing of so many past hours finds besides.

    Its cost depends on what is found, not on history: the ledger is looked up by day. Messages that cannot be read stay in the queue,
    which puts them aside after a while. Raises SparkFailed, and LedgerChanged when another process wrote at the same time; whatever was
    not recorded is found again.
    """
    asked = landing.calls + notifications.calls
    messages = notifications.receive(at_most=BATCH_OBJECTS)
    found: dict[Identity, _Found] = {}
    for item in [*_told(messages, landing), *_listed(landing, list_hours)]:
        found.setdefault(item.identity, item)
    known, last = _look_up(tables, found.values()) if found else (set(), 0)
    new = sorted((item for identity, item in found.items() if identity not in known), key=lambda item: (item.hour, item.key))
    batches = list(_batches(new, batch_bytes, batch_objects))
    first = last + 1
    if new:
        with interpreted(tables.spark):
            _record(tables, batches, first)
    notifications.delete(message for message in messages if message.problem is None)
    return LedgerResult(
        new=len(new),
        new_bytes=sum(item.size_bytes for item in new),
        by_event=sum(item.found_by == "event" for item in new),
        by_listing=sum(item.found_by == "listing" for item in new),
        known=len(found) - len(new),
        unreadable_messages=sum(message.problem is not None for message in messages),
        batches=tuple(range(first, first + len(batches))),
        calls=landing.calls + notifications.calls - asked,
    )


def _told(messages: Iterable[Message], landing: Landing) -> Iterator[_Found]:
    for message in messages:
        for told in message.objects:
            if told.bucket == landing.bucket and told.key.startswith(landing.prefix + RAW):
                # An event without an etag names no version: the one that is there now, if any.
                yield _Found(told.key, told.etag or landing.etag(told.key) or "", told.size, "event")


def _listed(landing: Landing, hours: int) -> Iterator[_Found]:
    now = datetime.now(UTC)
    for ago in range(hours, -1, -1) if hours else ():
        for seen in landing.list(f"{RAW}{now - timedelta(hours=ago):%Y/%m/%d/%H/}"):
            yield _Found(seen.key, seen.etag, seen.size, "listing")


def _look_up(tables: LakeTables, found: Iterable[_Found]) -> tuple[set[Identity], int]:
    """Which of them the ledger has, and the last batch that was ever made; of batches it looks only at those not long finished."""
    found = list(found)
    days, keys, behind = {item.day for item in found}, {item.key for item in found}, finished_below(tables)
    last = max(registered(tables, behind), default=behind)
    named = {str(day) for day in days}
    rows = small_rows_of(tables, "objects", lambda file: dict(file.partition).get("day") in named)
    if rows is not None:
        return {(row["object"], row["etag"]) for row in rows if row["object"] in keys}, last
    known = tables.read("ops", "objects").where(sf.col("day").isin(*days) & sf.col("object").isin(*keys))
    with interpreted(tables.spark), spark_errors("looking up the ledger"):
        return {(row.object, row.etag) for row in known.select("object", "etag").collect()}, last


def _batches(new: Iterable[_Found], batch_bytes: int, batch_objects: int) -> Iterator[list[_Found]]:
    """In order, each within the bounds; an object that alone is larger has a batch of its own."""
    taken: list[_Found] = []
    size = 0
    for item in new:
        most = batch_objects if size + item.size_bytes <= FETCHED_BYTES else min(batch_objects, LISTED_OBJECTS)
        if taken and (len(taken) >= most or size + item.size_bytes > batch_bytes):
            yield taken
            taken, size = [], 0
        taken.append(item)
        size += item.size_bytes
    if taken:
        yield taken


def _record(tables: LakeTables, batches: list[list[_Found]], first: int) -> None:
    now = datetime.now(UTC)
    rows = [
        (item.key, item.etag, item.size_bytes, item.day, item.hour, item.found_by, now, number)
        for number, taken in enumerate(batches, first)
        for item in taken
    ]
    frame = tables.spark.createDataFrame(rows, schemas.struct(schemas.OBJECTS)).coalesce(1)
    tables.append("ops", "objects", frame, batch=first)
    # A run that was killed may still have been writing the same batch, and Delta then skips this one in silence.
    there = {(row["object"], row["etag"], row["_batch"]) for row in rows_of_batches(tables, "objects", first)}
    if there != {(item.key, item.etag, n) for n, taken in enumerate(batches, first) for item in taken}:
        raise LedgerChanged(first)
