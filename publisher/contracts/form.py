"""Which keys a contract has, level by level: those of the standard that something here acts on or a reader needs, and no others.

Belongs here: the table of keys and its check. Not here: the types of values (schema.py), meaning (build.py).

The standard is wide, and leaves some levels open. A key that nobody acts on is a promise that nobody keeps, so it is refused.
"""

from __future__ import annotations

from typing import Any

from publisher.contracts.source import ContractSource, Where, shown

_TEXT = dict.fromkeys(("businessName", "description", "tags", "authoritativeDefinitions"))

LEVELS: dict[str, dict[str, str | None]] = {
    "contract": {
        **dict.fromkeys(("apiVersion", "kind", "id", "name", "version", "status", "domain", "tenant", "tags")),
        **dict.fromkeys(("authoritativeDefinitions", "contractCreatedTs")),
        "description": "description", "team": "team", "slaProperties": "sla", "schema": "object",
    },
    "description": dict.fromkeys(("purpose", "usage", "limitations", "authoritativeDefinitions")),
    "team": dict.fromkeys(("id", "name", "description", "tags", "authoritativeDefinitions")),
    "sla": dict.fromkeys(("id", "property", "value", "unit", "driver", "description")),
    "event": {
        **_TEXT, **dict.fromkeys(("id", "name", "logicalType", "physicalType", "dataGranularityDescription")),
        "customProperties": "custom", "properties": "field",
    },
    "table": {**_TEXT, **dict.fromkeys(("id", "name", "logicalType", "physicalType", "physicalName")), "properties": "column"},
    "field": {
        **_TEXT, **dict.fromkeys(("id", "name", "primaryKey", "logicalType", "logicalTypeOptions", "required", "classification")),
        **dict.fromkeys(("transformSourceObjects", "transformLogic", "transformDescription")),
        "enum": "enum", "customProperties": "custom",
    },
    "column": {
        **_TEXT, **dict.fromkeys(("id", "name", "logicalType", "physicalType", "required", "classification")),
        "relationships": "relationship",
    },
    "custom": dict.fromkeys(("property", "value", "description")),
    "enum": dict.fromkeys(("value", "label", "description")),
    "relationship": dict.fromkeys(("type", "to")),
}  # fmt: skip
"""Of each level its keys, each with the level of what it holds."""

CUSTOM = {"event": ("committedAtPrecision", "k", "pseudonymKey", "renamedFrom", "subject", "withheld"), "field": ("kGroup",)}
"""The custom properties of each level: what the standard has no word for."""


def check_keys(source: ContractSource) -> set[Where]:
    """Adds a problem for every key that has no place; gives back the levels looked at."""
    seen: set[Where] = set()
    _check_level(source, source.data, (), "contract", seen)
    return seen


def _check_level(source: ContractSource, value: Any, where: Where, level: str, seen: set[Where]) -> None:
    if isinstance(value, list):
        for index, item in enumerate(value):
            _check_level(source, item, (*where, index), level, seen)
        return
    if not isinstance(value, dict):
        return
    if level == "object":
        level = "table" if value.get("physicalType") == "table" else "event"
    seen.add(where)
    known = LEVELS[level]
    for key, inner in value.items():
        if key not in known:
            _refuse(source, (*where, key), key, known)
            continue
        if key == "customProperties":
            _check_custom(source, inner, (*where, key), level)
        if deeper := known[key]:
            _check_level(source, inner, (*where, key), deeper, seen)


def _refuse(source: ContractSource, where: Where, key: str, known: dict[str, str | None]) -> None:
    if key == "examples":
        source.problem(where, "examples are refused: they invite real values", "Describe the form in `description`")
    else:
        source.problem(where, f"unknown key {shown(key)}", f"Remove it, or write one of: {', '.join(sorted(known))}")


def _check_custom(source: ContractSource, entries: Any, where: Where, level: str) -> None:
    seen = set()
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        name = entry.get("property") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            continue  # schema.py says so
        if name not in CUSTOM[level]:
            source.problem((*where, index), f"unknown custom property {shown(name)}", f"Write one of: {', '.join(CUSTOM[level])}")
        elif name in seen:
            source.problem((*where, index), f"the custom property {name} stands twice", "Keep one of the two")
        seen.add(name)
