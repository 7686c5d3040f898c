"""The columns that gold may read, derived from the contracts.

Belongs here: names and Spark types of silver's tables, and which contract field stands behind a column. Not here: how silver is
made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from publisher.contracts import Contract, Field

TYPES: Final = {"string": "STRING", "boolean": "BOOLEAN", "integer": "BIGINT", "date": "DATE"}
CURRENT: Final = {"_key": "STRING", "_seq": "BIGINT", "_subject": "STRING", "_committed_at": "TIMESTAMP"}
HISTORY: Final = {
    "_op": "STRING",
    "_seq_from": "BIGINT",
    "_seq_to": "BIGINT",
    "_valid_from": "TIMESTAMP",
    "_valid_to": "TIMESTAMP",
    "_is_current": "BOOLEAN",
}

Columns = dict[str, str]
"""Column → Spark type, in order."""


def silver_tables(contracts: Mapping[str, Contract]) -> dict[str, Columns]:
    """`silver/<entity>` and `silver/<entity>_history` with their columns."""
    tables: dict[str, Columns] = {}
    for entity, contract in contracts.items():
        fields = {field.name: TYPES[field.type] for field in contract.fields}
        tables[f"silver/{entity}"] = fields | CURRENT
        tables[f"silver/{entity}_history"] = fields | CURRENT | HISTORY
    return tables


def silver_field(contracts: Mapping[str, Contract], table: str, column: str) -> Field | None:
    """The contract's field behind a silver column; None for the lake's own columns."""
    entity = table.removeprefix("silver/").removesuffix("_history")
    contract = contracts.get(entity)
    if contract is None or not table.startswith("silver/"):
        return None
    return next((field for field in contract.fields if field.name == column), None)
