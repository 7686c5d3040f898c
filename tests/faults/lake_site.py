"""A lake of three entities that is disturbed, and one beside it that is not: both read the same objects.

Belongs here: landing, running, comparing. Not here: which faults (test_lake_killed.py, test_lake_servers.py).
"""

from __future__ import annotations

import gzip
import random
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from demo.cloud.ministack import client
from lake_assets.raw.batches import pending_batches
from lake_assets.raw.lake import ensure_lake
from lake_assets.transforms.rules import rules_of
from publisher.contracts import load_contracts
from resources.landing import Landing
from resources.notifications import Notifications
from resources.spark import close_session, open_session
from resources.tables import LakeTables
from tests.faults.lake_run import ENTITIES, HIDDEN_SECONDS, UNDISTURBED, Order, Runs
from tests.faults.lake_stream import Stream
from tests.faults.lake_truth import broken_spans, differences, every_row, open_batches

T = TypeVar("T")
QUIET_RUNS = 6
"""How many runs may be needed after the last fault, until nothing waits: each takes four batches."""


@dataclass
class LakeSite:
    """`environment` as an operator sets it, with LAKE_URI; `undisturbed_uri` is the other lake's. `seed` makes stream and faults.

    `bug` is planted in every run of the disturbed lake: one of lake_run.BUGS.
    """

    environment: dict[str, str]
    undisturbed_uri: str
    idle_queue_url: str
    s3: Any
    sqs: Any
    log: Path
    seed: int
    runs: Runs = field(default_factory=Runs)
    landed: int = 0
    bug: str = ""

    def __post_init__(self) -> None:
        every = load_contracts(Path("contracts"))
        self.contracts = {entity: every[entity] for entity in ENTITIES}
        self.chance = random.Random(self.seed)
        self.stream = Stream(rules_of(self.contracts), ENTITIES, self.chance)

    @property
    def queue(self) -> Notifications:
        return Notifications(self.environment["LANDED_QUEUE_URL"], self.sqs)

    def land(self, lines: list[bytes] | None = None) -> None:
        """The stream's next object, or one of these lines, in the hour of now."""
        body = gzip.compress(b"".join(line + b"\n" for line in lines or self.stream.next_object()))
        self.landed += 1
        bucket = Landing(self.environment["LANDING_URI"], self.s3).bucket
        key = f"raw/{datetime.now(UTC):%Y/%m/%d/%H}/s-1-{self.seed}-{self.landed:05}.gz"
        self.s3.put_object(Bucket=bucket, Key=key, Body=body)

    def run(self, moment: str = UNDISTURBED, overrides: Mapping[str, str] | None = None, *, list_hours: int = 0) -> int:
        """One run of ingest and one of history; the exit code of their process."""
        environment = {**self.environment, **(overrides or {})}
        return self.runs.finish(Order(environment, str(self.log), moment, self.chance.randrange(10**6), list_hours, self.bug))

    def begin(self) -> Any:
        """A run that goes on beside us; see `ended`."""
        return self.runs.start(Order(self.environment, str(self.log), seed=self.chance.randrange(10**6)))

    def ended(self, process: Any) -> int:
        """Waits for it; its exit code."""
        return self.runs.wait(process, "beside a fault")

    def settle(self) -> None:
        """Undisturbed runs, until everything that landed has come through."""
        self.land(self.stream.rest())
        time.sleep(HIDDEN_SECONDS + 1)  # what a killed run had received is shown again
        for _ in range(QUIET_RUNS):
            assert self.run() == 0, f"an undisturbed run failed:\n{self.tail()}"
            if not self.queue.approximate_depth() and not self._with_tables(self.environment["LAKE_URI"], pending_batches):
                return
        raise AssertionError(f"after {QUIET_RUNS} runs batches or messages still wait")

    def run_undisturbed(self) -> None:
        """The other lake takes all that landed, from a listing, as it comes."""
        overrides = {"LAKE_URI": self.undisturbed_uri, "LANDED_QUEUE_URL": self.idle_queue_url}
        assert self.run(UNDISTURBED, overrides, list_hours=12) == 0, f"the undisturbed run failed:\n{self.tail()}"

    def compare(self) -> None:
        """Raises AssertionError with tables and counts where the two lakes differ, or the disturbed one is not whole in itself."""
        disturbed, undisturbed = (
            self._with_tables(uri, lambda tables: every_row(tables, ENTITIES))
            for uri in (self.environment["LAKE_URI"], self.undisturbed_uri)
        )
        assert len(undisturbed) > self.landed, "there is something to compare"
        found = differences(disturbed, undisturbed)
        found += [f"batch {number}: {what}" for number, what in self._with_tables(self.environment["LAKE_URI"], open_batches)]

        def spans(tables: LakeTables) -> list[str]:
            broken = {e: broken_spans(tables.spark, tables.sql_name("silver", f"{e}_history")) for e in ENTITIES}
            return [
                f"silver/{e}_history: {rows} rows with a gap, an overlap or a second current row"
                for e, rows in broken.items()
                if rows
            ]

        found += self._with_tables(self.environment["LAKE_URI"], spans)
        assert not found, f"seed {self.seed}: {'; '.join(found)}\n{self.tail()}"

    def make_lakes(self) -> None:
        """The tables of both. In a folder the second is a copy: making them takes Spark a second each."""
        self._with_tables(self.environment["LAKE_URI"], lambda tables: ensure_lake(tables, self.contracts))
        if self.undisturbed_uri.startswith("file:"):
            shutil.copytree(_folder(self.environment["LAKE_URI"]), _folder(self.undisturbed_uri))
        else:
            self._with_tables(self.undisturbed_uri, lambda tables: ensure_lake(tables, self.contracts))

    def tail(self) -> str:
        """The end of the processes' log: it holds no value of a record, as those of production."""
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else "no log"

    def _with_tables(self, uri: str, do: Callable[[LakeTables], T]) -> T:
        session = open_session(self.environment["SPARK_REMOTE"])
        try:
            return do(LakeTables(session, uri, client("s3", self.environment) if uri.startswith("s3:") else None))
        finally:
            close_session(session)


def _folder(uri: str) -> Path:
    return Path(uri.removeprefix("file://"))
