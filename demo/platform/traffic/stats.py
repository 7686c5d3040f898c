"""What the traffic wrote, counted exactly.

Belongs here: counts and the journal of commits. Not here: writing (unit.py), deciding what to write (activities/).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Way(StrEnum):
    """A way in which an application writes; `CASCADE` is what foreign keys write on behalf of a delete."""

    ORM = "orm"
    BULK_INSERT = "bulk_insert"
    UPDATE_WHERE = "update_where"
    COPY = "copy"
    RAW_SQL = "raw_sql"
    UPSERT = "upsert"
    DELETE = "delete"
    CASCADE = "cascade"


Tally = Counter[tuple[str, Way]]
"""Rows written by table and way."""


@dataclass(frozen=True)
class CommittedInsert:
    """One inserted row: its table, its id, and the clock (seconds since the epoch) just before its commit."""

    table: str
    id: int
    committed_at: float


@dataclass
class TrafficStats:
    """Committed row writes: every inserted, updated or deleted row counts one each time it is written.

    Rows of rolled-back transactions and savepoints are not in it, but in `rows_rolled_back`.
    """

    tally: Tally = field(default_factory=Counter)
    transactions: int = 0
    transactions_rolled_back: int = 0
    rows_rolled_back: int = 0

    @property
    def rows_written(self) -> int:
        return self.tally.total()

    @property
    def by_table(self) -> dict[str, int]:
        return self._by(table for table, way in self.tally.elements())

    @property
    def by_way(self) -> dict[str, int]:
        return self._by(str(way) for table, way in self.tally.elements())

    @staticmethod
    def _by(keys: Iterable[str]) -> dict[str, int]:
        return dict(sorted(Counter(keys).items()))
