"""Schemas of Delta tables as SQL.

Belongs here: a StructType as DDL, table properties, what a wider schema adds. Not here: running any of it (tables.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from resources.errors import SchemaConflict

if TYPE_CHECKING:
    from pyspark.sql.types import StructField, StructType

INDEXED = ("_seq", "_seq_from", "_seq_to", "_batch", "_committed_at", "_valid_from", "_valid_to")
"""The columns whose minima and maxima may stand in the log. No column of a record: those are people's data."""


IDS_KEPT_DAYS = 30
"""How long a table remembers which batches it has. Far beyond any client that was left behind; after half of it nobody relies on it
(bronze/load.py), so it need not be for good: each checkpoint of a log writes every id anew."""

FILES_KEPT_DAYS = 7
"""How long a file stays that no version needs any more: so far back reach time travel and RESTORE (care/vacuum.py)."""

UPKEEP = {
    # A MERGE marks the rows that it replaces, instead of writing every file anew that holds one.
    "delta.enableDeletionVectors": "true",
    "delta.setTransactionRetentionDuration": f"interval {IDS_KEPT_DAYS} days",
    "delta.deletedFileRetentionDuration": f"interval {FILES_KEPT_DAYS} days",
}
"""The properties that decide what a table grows to, for new tables; care/properties.py gives them to those that were made before."""


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A SQL string: for names, paths and descriptions; never for data."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def column_ddl(field: StructField) -> str:
    required = "" if field.nullable else " NOT NULL"
    comment = (field.metadata or {}).get("comment")
    described = f" COMMENT {literal(comment)}" if comment else ""
    return f"{quoted(field.name)} {field.dataType.simpleString()}{required}{described}"


def columns_ddl(fields: Iterable[StructField]) -> str:
    return ", ".join(map(column_ddl, fields))


def table_properties(schema: StructType, partition_by: Sequence[str], extra: Mapping[str, str]) -> dict[str, str]:
    """The properties of a new table: statistics of technical columns only, and what keeps it small."""
    indexed = [name for name in INDEXED if name in schema.fieldNames() and name not in partition_by]
    statistics = {"delta.dataSkippingStatsColumns": ",".join(indexed)}
    if not indexed:
        statistics = {"delta.dataSkippingNumIndexedCols": "0"}
    return {**statistics, **UPKEEP, **extra}


def properties_sql(properties: Mapping[str, str]) -> str:
    return ", ".join(f"{literal(name)} = {literal(value)}" for name, value in sorted(properties.items()))


def added_columns(table: str, has: StructType, wants: StructType) -> list[StructField]:
    """The fields of `wants` that the table lacks. Raises SchemaConflict if one that it has is of another type."""
    present = {field.name: field for field in has.fields}
    for field in wants.fields:
        if field.name in present and present[field.name].dataType != field.dataType:
            there = present[field.name].dataType.simpleString()
            raise SchemaConflict(table, field.name, there, field.dataType.simpleString())
    return [field for field in wants.fields if field.name not in present]
