"""What grows as the lake grows, by arithmetic: `python -m benchmarks.lake.scale` prints the tables of docs/scale.md.

Belongs here: a model of counts and bytes, and a day of arrivals played through the rule that makes batches. Not here: a measurement of time.
Each constant says where it comes from; change them to yours.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from lake_assets.raw.batches import FETCHED_BYTES
from lake_assets.raw.ledger import BATCH_BYTES, BATCH_OBJECTS, _batches
from resources.table_schema import IDS_KEPT_DAYS

ENTITIES = 7
LINE_BYTES = 426
"""An event's JSON line: mean of the seven contracts' events as tests/unit/lake/make_events.py makes them."""

GZIP_BYTES = 81
"""Of it in a gzip object: the same lines, mixed."""

LEDGER_BYTES = 90
"""A ledger row in Parquet: likewise. The UUID in its name and the etag do not compress."""

TXN_BYTES = 16
"""A transaction id in a Delta checkpoint: 100,000 of ours, written by PyArrow with Snappy as Spark does."""

FILE_BYTES = 90
"""A file's entry in a checkpoint, with statistics of three columns: 50,000 likewise. Most of it is the UUID in its name."""

CHECKPOINT_EVERY = 10
"""Commits: Delta's default."""

RETENTION_DAYS = 30
"""How long Delta keeps commits and checkpoints of its log: its default."""

SECONDS_A_RUN = 30.0
"""From one look at the queue to the next, while something waits: measured in the demo, 29 to 32 s a batch."""

TABLES_A_BATCH = 2 * ENTITIES + 5
"""Commits of a batch: bronze and silver of each entity, then ledger, manifests, tombstones, batches, progress."""

PRICE = {"PUT, LIST": 5.3e-6, "GET, HEAD": 0.42e-6, "SQS": 0.4e-6, "GB a month": 0.024}
"""US dollars a request, and S3's standard storage, in London (eu-west-2): ASSUMED from price lists, to be looked up anew."""


@dataclass(frozen=True)
class Load:
    """So many objects and events, evenly over so many days."""

    name: str
    objects: int
    events: int
    days: int


LOADS = (
    Load("the demo's size", 1_000, 1_000_000, 1),
    Load("a year of a busy platform", 1_000_000, 1_000_000_000, 365),
    Load("ten million objects", 10_000_000, 10_000_000_000, 3 * 365),
    Load("the same in 30 days", 10_000_000, 10_000_000_000, 30),
)


def batches_a_day(load: Load, *, seed: int = 1) -> int:
    """Plays one day of arrivals at random moments: a run takes what has landed, cut into batches by the ledger's own rule."""
    chance = random.Random(seed)
    a_day = load.objects / load.days
    size = round(GZIP_BYTES * load.events / load.objects)
    batches, now, waiting = 0, 0.0, 0
    for moment in _arrivals(chance, a_day):
        if moment >= now and waiting:
            batches += _cut(waiting, size)
            waiting, now = 0, max(now, moment) + SECONDS_A_RUN
        waiting += 1
    return batches + _cut(waiting, size)


def _arrivals(chance: random.Random, a_day: float) -> Iterator[float]:
    moment = chance.expovariate(a_day / 86_400)
    while moment < 86_400:
        yield moment
        moment += chance.expovariate(a_day / 86_400)


def _cut(objects: int, size: int) -> int:
    landed = [SimpleNamespace(size_bytes=size)] * objects
    return sum(1 for _ in _batches(cast(Any, landed), BATCH_BYTES, BATCH_OBJECTS))


@dataclass(frozen=True)
class Costs:
    """What a load comes to, without upkeep. Bytes, requests, dollars."""

    load: Load
    batches: int
    raw_bytes: int
    ledger_bytes: int
    files: int
    """Of one entity's bronze table, before anybody compacts it."""
    checkpoint_bytes: int
    """The last checkpoint of that table: every tenth commit writes it anew."""
    requests: dict[str, int]
    """Ours and Spark's to the landing bucket, and SQS; of finding and reading objects, once each."""

    @property
    def ids_kept(self) -> int:
        """How many transaction ids a table remembers at most."""
        return self.batches * min(IDS_KEPT_DAYS, self.load.days) // self.load.days

    @property
    def ids_bytes(self) -> int:
        """Of a checkpoint, what compaction leaves: the transaction ids."""
        return self.ids_kept * TXN_BYTES

    @property
    def ids_written(self) -> int:
        """Bytes of them in all checkpoints together: they grow until the first are forgotten."""
        return (self.batches - self.ids_kept // 2) // CHECKPOINT_EVERY * self.ids_bytes

    def written(self, checkpoint_bytes: int) -> int:
        """Bytes of a table's checkpoints, all together: they grow evenly, so half of the last one on average."""
        return self.batches // CHECKPOINT_EVERY * checkpoint_bytes // 2


def costs(load: Load) -> Costs:
    batches = batches_a_day(load) * load.days
    listed = load.days * (144 * 3 + 27)  # every ten minutes the open hours, once a day all of it
    pages = load.objects / load.days / 24 / 1000
    lists = round(listed * max(1.0, pages))
    return Costs(
        load=load,
        batches=batches,
        raw_bytes=GZIP_BYTES * load.events,
        ledger_bytes=LEDGER_BYTES * load.objects,
        files=batches,
        checkpoint_bytes=batches * (TXN_BYTES + FILE_BYTES),
        requests={
            "PUT, LIST": load.objects + lists,
            # Small batches are read by the run. Else a HEAD of ours after reading; Spark looks at each object once and opens it once.
            "GET, HEAD": (1 if GZIP_BYTES * load.events <= FETCHED_BYTES * batches else 3) * load.objects,
            # A receive and a delete for ten, and the empty receive of each run; the sensor's looks, two a second at most.
            "SQS": 2 * load.objects // 10 + 2 * batches + load.days * 86_400 // 2,
        },
    )


def main() -> None:
    every = [costs(load) for load in LOADS]
    table("", [each.load.name for each in every])
    table("", ["---" for _ in every])
    table("objects, events", [f"{_short(c.load.objects)}, {_short(c.load.events)}" for c in every])
    table("days", [f"{c.load.days:,}" for c in every])
    table("batches", [f"{c.batches:,}" for c in every])
    table("raw objects", [_bytes(c.raw_bytes) for c in every])
    table("`ops/objects`, compacted", [_bytes(c.ledger_bytes) for c in every])
    table("files of one bronze table, never compacted", [f"{c.files:,}" for c in every])
    table("its checkpoint", [_bytes(c.checkpoint_bytes) for c in every])
    table("all its checkpoints, ever", [_bytes(c.written(c.checkpoint_bytes)) for c in every])
    table(
        f"the same, compacted: its transaction ids of {IDS_KEPT_DAYS} days",
        [f"{_bytes(c.ids_bytes)}, ever {_bytes(c.ids_written)}" for c in every],
    )
    table("commits, all tables", [_short(c.batches * TABLES_A_BATCH) for c in every])
    for name in ("PUT, LIST", "GET, HEAD", "SQS"):
        table(f"requests to find and read objects: {name}", [_short(c.requests[name]) for c in every])
    table("their price", [f"${sum(c.requests[n] * PRICE[n] for n in c.requests):,.2f}" for c in every])
    table("raw objects' storage a month, at the end", [f"${c.raw_bytes / 1e9 * PRICE['GB a month']:,.2f}" for c in every])


def table(name: str, cells: list[str]) -> None:
    print("| " + " | ".join([name, *cells]) + " |")


def _short(number: int) -> str:
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= unit:
            return f"{number / unit:.3g} {name}"
    return str(number)


def _bytes(number: int) -> str:
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if number >= unit:
            return f"{number / unit:.3g} {name}"
    return f"{number} B"


if __name__ == "__main__":
    main()
