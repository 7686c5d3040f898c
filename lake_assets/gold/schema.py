"""The columns that gold may read: silver's, in SQL's terms.

Belongs here: silver's tables as sqlglot and an analyst name them, and which contract field stands behind a column. Not here: silver's
columns themselves (transforms/schemas.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lake_assets.transforms import schemas
from publisher.contracts import Contract, Field

TYPES: Final = {"string": "STRING", "boolean": "BOOLEAN", "integer": "BIGINT", "date": "DATE", "timestamp": "TIMESTAMP"}

Columns = dict[str, str]
"""Column → Spark type, in order."""


def silver_tables(contracts: Mapping[str, Contract]) -> dict[str, Columns]:
    """`silver/<entity>` and `silver/<entity>_history` with their columns."""
    tables: dict[str, Columns] = {}
    for entity, contract in contracts.items():
        tables[f"silver/{entity}"] = {name: TYPES[kind] for name, kind, _ in schemas.silver(contract)}
        tables[f"silver/{entity}_history"] = {name: TYPES[kind] for name, kind, _ in schemas.history(contract)}
    return tables


def silver_field(contracts: Mapping[str, Contract], table: str, column: str) -> Field | None:
    """The contract's field behind a silver column; None for the lake's own columns."""
    contract = silver_contract(contracts, table)
    return next((field for field in contract.fields if field.name == column), None) if contract else None


def silver_contract(contracts: Mapping[str, Contract], table: str) -> Contract | None:
    """The contract behind a silver table; None for any other table."""
    if not table.startswith("silver/"):
        return None
    return contracts.get(table.removeprefix("silver/").removesuffix("_history"))
