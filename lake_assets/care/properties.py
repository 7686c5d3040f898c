"""Tables that were made before their upkeep was thought of: they get the properties that new ones are made with.

Belongs here: which tables lack what. Not here: the properties (resources/table_schema.py), having the lake to oneself (assets/care.py).

What an operator has set stays, but for what this lake itself set once: transaction ids for ten years.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lake_assets.silver.current import OpenTables
from resources.delta_log import DeltaLogs, Table
from resources.delta_snapshot import snapshots
from resources.table_schema import UPKEEP
from resources.table_upkeep import set_properties

FORMER = {"delta.setTransactionRetentionDuration": "interval 3650 days"}
"""What new tables were given once, and should have no longer."""


def lacking(logs: DeltaLogs, tables: Iterable[Table]) -> dict[Table, dict[str, str]]:
    """Of each table the properties that it should have and has not."""
    found = {table: _lacks(seen.properties) for table, seen in snapshots(logs, tables).items()}
    return {table: lacks for table, lacks in found.items() if lacks}


def give(open_tables: OpenTables, wanted: Mapping[Table, Mapping[str, str]]) -> None:
    """Sets the properties. Nobody else is at work: a change of properties fails whoever writes to the table. Raises SparkFailed; repeated, it goes on."""
    for (layer, name), properties in wanted.items():
        with open_tables(f"properties/{layer}/{name}") as tables:
            set_properties(tables, layer, name, properties)


def _lacks(has: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in UPKEEP.items() if name not in has or has[name] == FORMER.get(name)}
