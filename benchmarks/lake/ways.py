"""Each way from objects to bronze, behind one call: ours, the peers' processes, Spark's own streaming.

Belongs here: loading one load by one way into a new lake, cold and warm. Not here: what is compared (`loads.py`), the peers' programs (`peers.py`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from benchmarks.lake.events import SHARES, Load, rules
from benchmarks.lake.site import Peer, Site, lake, peak_mib, spark_server
from lake_assets.assets.one_batch import Done, take_through
from lake_assets.raw.batches import oldest_waiting
from lake_assets.raw.ledger import register
from publisher.contracts import Contract
from resources.lake import LakeResource
from resources.spark import close_session, open_session

Told = list[dict[str, Any]]


@dataclass(frozen=True)
class Loaded:
    """What a load came to."""

    seconds: float
    rows: int
    laps: Mapping[str, float] = field(default_factory=dict)
    """Of ours: the seconds of each step."""

    calls: Mapping[str, int] = field(default_factory=dict)
    """Of ours: the lake's own requests to S3 and SQS."""


class Way(Protocol):
    """A running program that loads. `new_lake` begins anew; loads then add to each other."""

    name: str

    def new_lake(self) -> None: ...

    def load(self, load: Load, told: Told) -> Loaded: ...

    def mib(self) -> float: ...

    def close(self) -> None: ...


class Ours:
    """What an ingest run does up to bronze: the queue, the ledger, each batch's bronze with its count, closing it; and up to silver, where asked."""

    name = "Pushlake"

    def __init__(self, at: Site, contracts: dict[str, Contract], server: str = "spark") -> None:
        self._at, self._contracts, self._stack = at, contracts, ExitStack()
        self._server = self._stack.enter_context(spark_server(at, server))
        self.uri = ""

    @property
    def remote(self) -> str:
        return self._server.url

    @property
    def lake(self) -> LakeResource:
        """The lake that loads go to."""
        return lake(self.remote, self.uri)

    def new_lake(self) -> None:
        self.uri = self._at.new_lake()

    def load(self, load: Load, told: Told, *, silver: bool = False) -> Loaded:
        """Loads what the queue tells of. Raises RuntimeError unless bronze holds all of it."""
        self._at.tell(told)
        landing, queue = self._at.landing, self._at.queue
        resource, done, number, laps = self.lake, Done(), 0, Counter[str]()
        asked = landing.calls + queue.calls
        began = time.perf_counter()
        while True:
            looked = time.perf_counter()
            with resource.tables(f"{self.uri}/{load.name}/{number}") as tables:
                register(tables, landing, queue)
                batch = oldest_waiting(tables)
            laps["finding"] += time.perf_counter() - looked
            if batch is None:
                break
            clock = take_through(resource, landing, rules(), self._contracts.values(), batch, done, hold_silver=not silver)
            laps.update(clock.seconds)
            number += 1
        seconds = time.perf_counter() - began
        if not done.conserved or sum(each.conservation.quarantined for each in done.bronze):
            raise RuntimeError(f"{load.name}: bronze does not hold what was read")
        rows = sum(sum(each.conservation.bronze.values()) for each in done.bronze)
        return Loaded(seconds, rows, dict(laps), landing.calls + queue.calls - asked)

    def mib(self) -> float:
        return peak_mib(self._server.pid)

    def close(self) -> None:
        self._stack.close()


class PeersProcess:
    """A process of peers.py."""

    def __init__(self, at: Site, name: str, fields: dict[str, dict[str, str]], packages: Path) -> None:
        self.name, self._at, self._lakes, self._mib = name, at, 0, 0.0
        self._peer = Peer(at, name, fields, packages)

    def new_lake(self) -> None:
        self._lakes += 1

    def load(self, load: Load, told: Told) -> Loaded:
        keys = [record["s3"]["object"]["key"] for record in told]
        uri = f"{self._at.env['LAKE_URI']}/{self.name.split()[0]}-{id(self)}-{self._lakes}"
        answer = self._peer.ask(keys=keys, landing=self._at.env["LANDING_URI"], under=load.folder, lake=uri)
        self._mib = answer["mib"]
        return Loaded(answer["seconds"], answer["rows"])

    def mib(self) -> float:
        return self._mib

    def close(self) -> None:
        self._peer.close()


class Streaming:
    """Spark Structured Streaming's file source on a warm server of its own: what is new by its checkpoint, parsed and cached once, a table an entity."""

    name = "Spark streaming"

    def __init__(self, at: Site, fields: dict[str, dict[str, str]]) -> None:
        self._at, self._fields, self._stack, self._lakes = at, fields, ExitStack(), 0
        self._server = self._stack.enter_context(spark_server(at, "streaming"))
        self._session = open_session(self._server.url)
        self._stack.callback(close_session, self._session)

    def new_lake(self) -> None:
        self._lakes += 1

    def load(self, load: Load, told: Told) -> Loaded:
        kinds = {"integer": "BIGINT"}
        record = {name: kinds.get(kind, kind) for fields in self._fields.values() for name, kind in fields.items()}
        struct = ", ".join(f"`{name}` {kind}" for name, kind in record.items())
        schema = (
            "entity STRING, op STRING, key STRING, seq BIGINT, subject STRING, committed_at TIMESTAMP, contract STRING, "
            f"record STRUCT<{struct}>"
        )
        base = f"s3a://{self._at.env['LAKE_URI'].removeprefix('s3://')}/streaming-{self._lakes}"
        source = f"s3a://{self._at.landing.bucket}/{load.folder}"
        began = time.perf_counter()
        query = (
            self._session.readStream.schema(schema).json(source)
            .writeStream.foreachBatch(_append_each(base, self._fields))
            .option("checkpointLocation", f"{base}/_checkpoint").trigger(availableNow=True).start()
        )  # fmt: skip
        query.awaitTermination()
        seconds = time.perf_counter() - began
        return Loaded(seconds, sum(progress.numInputRows for progress in query.recentProgress))

    def mib(self) -> float:
        return peak_mib(self._server.pid)

    def close(self) -> None:
        self._stack.close()


def _append_each(base: str, fields: dict[str, dict[str, str]]) -> Callable[[Any, int], None]:
    columns = {entity: [f"record.`{name}`" for name in names] for entity, names in fields.items()}

    def append(batch: Any, number: int) -> None:
        batch.persist()
        for entity, record in columns.items():
            rows = batch.where(f"entity = '{entity}'").selectExpr(
                *record, "op AS _op", "key AS _key", "seq AS _seq", "subject AS _subject", "committed_at AS _committed_at",
                "contract AS _contract",
            )  # fmt: skip
            writer = rows.write.format("delta").mode("append").option("txnAppId", "bench").option("txnVersion", number)
            writer.save(f"{base}/{entity}")
        batch.unpersist()

    append.__module__ = "__main__"  # sent by value: the server's worker need not have this module
    return append


def fields() -> dict[str, dict[str, str]]:
    """Of each entity, the record's fields and their types."""
    return {name: {field.name: field.type for field in rules()[name].fields} for name in SHARES}
