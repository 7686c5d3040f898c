"""What the activities share: chance, people, and the company's calendar.

Belongs here: the seeded state outside of the database. Not here: rows.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

from demo.platform.models import SECTORS
from demo.platform.people import People

T = TypeVar("T")

HISTORY_DAYS = 720
PRODUCTS_OF_SECTOR = {
    "bank": ("loan", "overdraft"),
    "card": ("credit_card",),
    "telecom": ("telecom",),
    "utility": ("utility",),
    "retail": ("store_card",),
    "public": ("council_tax",),
}


class World:
    """`scale` sizes the batches: 1 for a bulk run, small for live traffic."""

    def __init__(self, seed: int, today: date, scale: float) -> None:
        self.chance = random.Random(seed)
        self.people = People(seed)
        self.scale = scale
        self.end = today
        self.today = today - timedelta(days=HISTORY_DAYS)
        self.sector_of_creditor: dict[int, str] = {}

    def advance(self, fraction: float) -> None:
        """Moves the calendar to this part of the history (1 is today); it never goes back."""
        start = self.end - timedelta(days=HISTORY_DAYS)
        self.today = max(self.today, start + timedelta(days=int(HISTORY_DAYS * min(fraction, 1.0))))

    def follow(self, today: date) -> None:
        """Sets the calendar to the day: live traffic runs past midnight."""
        self.end = max(self.end, today)
        self.today = max(self.today, today)

    def moment(self) -> datetime:
        """A time of the current day."""
        seconds = self.chance.randrange(8 * 3600, 20 * 3600)
        return datetime.combine(self.today, time(), tzinfo=UTC) + timedelta(seconds=seconds)

    def day_before(self, most: int) -> date:
        return self.today - timedelta(days=self.chance.randint(0, most))

    def size(self, usual: int) -> int:
        """A batch of about the usual size, at this scale; at least one."""
        return max(1, round(usual * self.scale * self.chance.uniform(0.6, 1.4)))

    def maybe(self, probability: float) -> bool:
        return self.chance.random() < probability

    def pivot(self) -> float:
        return self.chance.random()

    def one_of(self, values: Sequence[T], weights: Sequence[float] | None = None) -> T:
        return self.chance.choices(values, weights)[0]

    def product(self, creditor_id: int) -> str:
        return self.one_of(PRODUCTS_OF_SECTOR[self.sector_of_creditor[creditor_id]])

    def sector(self) -> str:
        return self.one_of(SECTORS)
