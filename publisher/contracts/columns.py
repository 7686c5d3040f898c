"""The platform's table as a contract declares it.

Belongs here: source columns, their types and tags. Not here: what is released of them (fields.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from publisher.contracts.model import SourceColumn
from publisher.contracts.source import ContractSource, Where

CLASSIFICATIONS = ("public", "internal", "confidential", "restricted")
TAGS = ("encrypted", "surrogate-id", "natural-identifier")
SQL_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
REFERENCE = re.compile(r"[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*")
PHYSICAL = {
    "integer": ("smallint", "integer", "bigint"),
    "string": ("text", "varchar", "character varying", "char", "character", "citext", "uuid"),
    "boolean": ("boolean",),
    "date": ("date",),
    "timestamp": ("timestamptz", "timestamp with time zone"),
}
"""The PostgreSQL types that the publisher can read as each logical type. A time without a zone is none."""


def build_columns(source: ContractSource, where: Where, table: Mapping[str, Any]) -> dict[str, SourceColumn]:
    """Every column of the table, with problems for those that cannot be used."""
    columns: dict[str, SourceColumn] = {}
    for index, entry in enumerate(table.get("properties", [])):
        place: Where = (*where, "properties", index)
        column = _column(entry)
        if column.name in columns:
            source.problem(place, "the column stands twice", "Keep one of the two")
        _check(source, place, entry, column)
        columns[column.name] = column
    if not columns:
        source.problem(
            where, "the platform's table has no columns: the file may be cut off", "List every column under properties"
        )
    return columns


def _column(entry: Mapping[str, Any]) -> SourceColumn:
    tags, pointers = entry.get("tags", ()), entry.get("relationships", ())
    return SourceColumn(
        name=entry["name"], type=entry.get("logicalType", "string"), physical_type=entry.get("physicalType", ""),
        encrypted="encrypted" in tags, required=entry.get("required", False), classification=entry.get("classification", ""),
        natural_identifier="natural-identifier" in tags, surrogate="surrogate-id" in tags, description=entry.get("description", ""),
        references=str(pointers[0].get("to")) if pointers else None,
    )  # fmt: skip


def _check(source: ContractSource, place: Where, entry: Mapping[str, Any], column: SourceColumn) -> None:
    if not SQL_NAME.fullmatch(column.name):
        source.problem(place, "not a plain column name", "Columns are lower case with underscores, at most 63 characters")
    if entry.get("logicalType") not in PHYSICAL:
        source.problem((*place, "logicalType"), "no usable logicalType", f"Write one of {', '.join(PHYSICAL)}")
    else:
        _check_physical(source, place, column)
    check_classification(source, place, entry)
    for tag in entry.get("tags", ()):
        if tag not in TAGS:
            source.problem((*place, "tags"), "unknown tag", f"A source column may have: {', '.join(TAGS)}")
    if column.surrogate and column.natural_identifier:
        message = "an id is either made up by the platform or natural"
        source.problem((*place, "tags"), message, "Keep surrogate-id or natural-identifier")
    if "relationships" in entry and not (
        column.references and len(entry["relationships"]) == 1 and REFERENCE.fullmatch(column.references)
    ):
        source.problem((*place, "relationships"), "a column points to one key", "Write relationships: [{to: debts.id}]")


def _check_physical(source: ContractSource, place: Where, column: SourceColumn) -> None:
    physical = re.sub(r"\s*\(.*\)$", "", column.physical_type)
    if column.encrypted and physical != "bytea":
        message = "encrypted, but of a type that holds no ciphertext"
        source.problem((*place, "physicalType"), message, "Write physicalType: bytea, or drop the tag encrypted")
    elif not column.encrypted and physical not in PHYSICAL[column.type]:
        known = ", ".join(PHYSICAL[column.type])
        extra = ", or tag it encrypted" if physical == "bytea" else ""
        message = f"physicalType is missing or does not fit logicalType {column.type}"
        source.problem((*place, "physicalType"), message, f"Write one of {known}{extra}")


def check_classification(source: ContractSource, place: Where, entry: Mapping[str, Any]) -> bool:
    """Whether a field or column has one of the four classifications."""
    if entry.get("classification") in CLASSIFICATIONS:
        return True
    source.problem((*place, "classification"), "no usable classification", f"Write one of {', '.join(CLASSIFICATIONS)}")
    return False
