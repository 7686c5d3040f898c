"""Is a contract only the first half of one? A copy or a save that was broken off ends anywhere, also at the end of a line.

Belongs here: a table that ends before its last column. Not here: text that ends within a line (check.py), keys without a value (schema.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from publisher.contracts.model import SourceColumn
from publisher.contracts.source import ContractSource, Where, shown
from publisher.contracts.vocabulary import parse_call

MANY, FEW = 2, 4
"""So many columns that are missing are no slip of the pen any more; so few of them are named."""

COMPARE = "Compare it with its last version in git"


def cut_table(
    source: ContractSource,
    event: Mapping[str, Any],
    table: Mapping[str, Any],
    at_table: Where,
    columns: Mapping[str, SourceColumn],
) -> bool:
    """Whether several columns that the contract names are not in the table: said once, since half a file would say it of each of them."""
    calls = [parse_call(str(entry.get("transformLogic", ""))) for entry in event.get("properties", [])]
    withheld = [entry["value"] for entry in event.get("customProperties", []) if entry["property"] == "withheld"]
    names = [call.column for call in calls if call] + [
        n for each in withheld if isinstance(each, list) for n in each if isinstance(n, str)
    ]
    missing = [name for name in dict.fromkeys(names) if name not in columns]
    if columns and len(missing) < MANY:
        return False
    if columns:
        last = (*at_table, "properties", len(table["properties"]) - 1)
        few = f" ({', '.join(map(shown, missing))})" if len(missing) <= FEW else ""
        what = f"{len(missing)} columns that the contract reads or withholds are not in it{few}"
        message = f"the table ends after {shown(list(columns)[-1])}, and {what}: the file may be cut off"
        source.problem(last, message, f"{COMPARE}, or add the columns")
    return True
