"""A gold table as data: what its SQL file says, and what follows from it.

Belongs here: shapes. Not here: reading files (load.py), running them (engine.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

SUPPRESSED = "suppressed"
COUNTED_ON = "counted_on"
REFRESH = "_refresh"

ReadKind = Literal["value", "influence"]


@dataclass(frozen=True)
class SmallestCell:
    """`<count> < <below> suppresses <measures> within <margin> counting <measures>`: rows about fewer than `below` people show no
    measure.

    `within` names the columns for each value of which somebody may know the total (`all`, here (): the table's total).
    There further rows are emptied too, until what is hidden adds up to `below` people, so that no row can be computed as the
    rest. `counting` names the measures that count people of the row (whole numbers), or are a share of its `count` (fractions):
    they tell, beside the count itself, how many people lie between two refreshes.
    """

    count: str
    below: int
    suppresses: tuple[str, ...]
    within: tuple[str, ...] | None = None
    counting: tuple[str, ...] = ()


@dataclass(frozen=True)
class Header:
    """The comment lines at the top of a gold file. `lines` says where each key stands."""

    description: str
    owner: str
    freshness: timedelta
    grain: tuple[str, ...]
    smallest_cell: SmallestCell | None
    columns: Mapping[str, str]
    lines: Mapping[str, int]
    no_cell_because: str = ""
    """Why a table that reads of people has no smallest cell."""


@dataclass(frozen=True)
class GoldColumn:
    """`type` is Spark's name, or None where the SQL alone does not say."""

    name: str
    type: str | None
    description: str


@dataclass(frozen=True)
class Read:
    """A column that an output column depends on.

    A `value` read goes into the column's expression; an `influence` read decides which rows do (filters, joins, groups).
    `steps` are the expressions or clauses on the way, the source's first.
    """

    table: str
    column: str
    kind: ReadKind
    steps: tuple[str, ...]


@dataclass(frozen=True)
class GoldTable:
    """One SQL file. `dependencies` are `silver/<name>` and `gold/<name>`; `reads` is by output column."""

    name: str
    path: Path
    sql: str
    header: Header
    dependencies: tuple[str, ...]
    columns: tuple[GoldColumn, ...]
    reads: Mapping[str, tuple[Read, ...]]

    @property
    def key(self) -> str:
        return f"gold/{self.name}"
