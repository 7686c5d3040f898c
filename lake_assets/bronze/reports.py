"""The latest reports on k-groups: how many people share what leaves of them.

Belongs here: reading `ops/risk`. Not here: making reports (publisher/risk/), loading them (`load.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lake_assets.raw.session import interpreted
from resources.spark import from_micros, spark_errors
from resources.tables import LakeTables


@dataclass(frozen=True)
class RiskReport:
    """One k-group at one time. All but names and time are numbers of people, or of groups of them."""

    group: str
    computed_at: datetime
    k: int
    people: int
    groups: int
    smallest: int
    silent: int
    people_below_k: int


def reports_of(tables: LakeTables, batches: Sequence[int] | None = None) -> list[RiskReport]:
    """The newest report of each k-group, of those that these batches brought or of all. Raises SparkFailed."""
    those = "" if batches is None else f"WHERE _batch IN ({', '.join(str(int(batch)) for batch in batches)})"
    newest = f"""
        SELECT concat(of, '.', kgroup) AS name, unix_micros(computed_at) AS at, k, people, groups, smallest, silent, people_below_k
        FROM {tables.sql_name("ops", "risk")} {those}
        QUALIFY row_number() OVER (PARTITION BY of, kgroup ORDER BY computed_at DESC) = 1 ORDER BY name"""  # noqa: S608 (names and numbers)
    with interpreted(tables.spark), spark_errors("reading risk reports"):
        rows = tables.spark.sql(newest).collect()
    return [
        RiskReport(row.name, from_micros(row.at), row.k, row.people, row.groups, row.smallest, row.silent, row.people_below_k)
        for row in rows
    ]
