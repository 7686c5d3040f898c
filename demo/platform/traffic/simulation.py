"""The simulation: which activity comes next, how fast, and until when.

Belongs here: `Traffic`. Not here: the activities, and how rows are written and counted (unit.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import TracebackType

from sqlalchemy import create_engine, select

from demo.platform.canaries import Canaries
from demo.platform.crypto import Cipher
from demo.platform.migrations import sqlalchemy_url
from demo.platform.models import Creditor, Customer
from demo.platform.traffic.activities import HOW_OFTEN, Activity
from demo.platform.traffic.activities.canaries import plant
from demo.platform.traffic.activities.contacts import new_creditor
from demo.platform.traffic.activities.debts import place_batch
from demo.platform.traffic.activities.joining import join_many
from demo.platform.traffic.stats import CommittedInsert, TrafficStats
from demo.platform.traffic.unit import Unit, transaction
from demo.platform.traffic.world import HISTORY_DAYS, World
from publisher.contracts import Contract

CREDITORS = 12
# Batches of live traffic: about twenty rows at most, so that a rate of twenty a second looks alive.
LIVE_SCALE = 0.12
STEPS_OF_HISTORY = 400


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    rows: int
    of: int
    seconds: float


class Traffic:
    """The application of one platform database. One thread; the same seed and database give the same rows.

    `journal` holds one inserted row a table and transaction, with the clock just before its commit: a sample for latency.
    """

    def __init__(self, url: str, data_key: bytes, seed: int, *, today: date | None = None, scale: float = 1.0) -> None:
        self.stats = TrafficStats()
        self.journal: list[CommittedInsert] = []
        self._cipher = Cipher(data_key)
        self._engine = create_engine(sqlalchemy_url(url), pool_size=1, max_overflow=0)
        self._world = World(seed, today or datetime.now(UTC).date(), scale)
        self._seed = seed
        self._steps = 0
        self._deck: list[Activity] = []
        self._fixed_fraction: float | None = None

    def seed_creditors(self) -> None:
        """Registers the company's clients, unless there are some, and the first customers with their debts."""
        self._do(_register_creditors)
        with self._cipher.active(), self._engine.connect() as connection:
            found = connection.execute(select(Creditor.id, Creditor.sector))
            self._world.sector_of_creditor = {row.id: row.sector for row in found}
            known = connection.execute(select(Customer.id).limit(1)).scalar()
        if known is None:
            self._do(join_many)
            self._do(place_batch)

    def plant_canaries(self, contracts: Mapping[str, Contract]) -> Canaries:
        """Writes, for each column that the contracts hold back, a value that sorts first and one that sorts last of all.

        Once for a database and seed: a further call writes nothing.
        """
        canaries = Canaries(contracts, self._seed, self._world.end, HISTORY_DAYS)
        name = canaries.of("creditors", last=False).get("name")
        with self._engine.connect() as connection:
            planted = connection.execute(select(Creditor.id).where(Creditor.name == name)).scalar()
        if planted is not None:
            return canaries
        self._do(lambda world, unit: plant(world, unit, canaries))
        return canaries

    def step(self) -> None:
        """One activity: one transaction, committed or rolled back.

        They are dealt like cards, so that even a short run has each of them, in proportion.
        """
        if not self._world.sector_of_creditor:
            self.seed_creditors()
        if not self._deck:
            self._deck = [activity for activity, times in HOW_OFTEN.items() for _ in range(times)]
            self._world.chance.shuffle(self._deck)
        activity = self._deck.pop()
        self._steps += 1
        fraction = self._fixed_fraction
        self._world.advance(self._steps / STEPS_OF_HISTORY if fraction is None else fraction)
        self._do(activity)

    def run(self, rows: int, seconds: float | None = None, on_progress: Callable[[Progress], None] | None = None) -> TrafficStats:
        """Writes at least `rows` rows that are committed, as fast as it can, or spread over at least `seconds`.

        Its calendar passes through the history meanwhile, so that months of business come out whatever the speed.
        """
        started, before = time.monotonic(), self.stats.rows_written
        written = 0
        while written < rows:
            self._fixed_fraction = written / rows
            self.step()
            written = self.stats.rows_written - before
            if seconds is not None:
                time.sleep(max(0.0, started + seconds * min(1.0, written / rows) - time.monotonic()))
            if on_progress is not None:
                on_progress(Progress(written, rows, time.monotonic() - started))
        self._fixed_fraction = None
        return self.stats

    def live(self, rows_per_second: float = 20.0, stop: threading.Event | None = None) -> None:
        """Writes today's business at a modest rate until `stop` is set."""
        stop = stop or threading.Event()
        self._world.scale, self._fixed_fraction = LIVE_SCALE, 1.0
        started, before = time.monotonic(), self.stats.rows_written
        while not stop.is_set():
            self._world.follow(datetime.now(UTC).date())
            self.step()
            due = started + (self.stats.rows_written - before) / rows_per_second
            stop.wait(max(0.05, due - time.monotonic()))

    def close(self) -> None:
        """Gives the connection back."""
        self._engine.dispose()

    def _do(self, activity: Callable[[World, Unit], None]) -> None:
        with self._cipher.active(), transaction(self._engine, self.stats, self.journal) as unit:
            activity(self._world, unit)

    def __enter__(self) -> Traffic:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _register_creditors(world: World, unit: Unit) -> None:
    if unit.session.execute(select(Creditor.id).limit(1)).scalar() is None:
        unit.insert_many(Creditor, [new_creditor(world, number + 1) for number in range(CREDITORS)])
