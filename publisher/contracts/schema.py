"""Holds a contract against the Open Data Contract Standard 3.2.0.

Belongs here: the standard's JSON schema, and its errors in plain words. Not here: which of its keys we use (form.py), meaning (build.py).
Messages are made of names and rules only: a contract may by mistake hold a real value, and an error must not repeat it.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any, cast

from jsonschema import Draft201909Validator, validators
from jsonschema.exceptions import ValidationError

from publisher.contracts.form import check_keys
from publisher.contracts.source import ContractSource, Where, shown

API_VERSION = "v3.2.0"
UNKNOWN_KEY = "additionalProperties"
EMPTY = frozenset({"type", "enum", "const"})
IN_WORDS = {
    "array": "a list",
    "object": "keys with values",
    "string": "a text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}
TO_WRITE = {
    "array": "Write a list: [one, two], or lines that begin with -",
    "string": "Put it in quotes",
    "boolean": "Write true or false",
}
BELONGS = {
    "version": "such as 1.0.0",
    "classification": "public, internal, confidential or restricted",
    "transformLogic": "one call of a column, such as present(email)",
    "transformSourceObjects": "the column that transformLogic reads, as in [customers.email]",
    "logicalType": "string, boolean, integer, date or timestamp",
    "physicalType": "event, table, or a column's type in the database",
    "name": "a plain name",
    "description": "what it means",
    "schema": "the record that leaves, and the platform's table",
    "properties": "the fields, or the columns",
}
"""What belongs to a key that was left empty; of any other, its type is told."""


@cache
def odcs_schema() -> dict[str, Any]:
    """The standard's JSON schema, as its Python package ships it."""
    text = resources.files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def _validator() -> Any:
    """`unevaluatedProperties` is left out: form.py is stricter, names the key, and it took two thirds of the time."""
    closed_by_form = {"unevaluatedProperties": lambda *_: iter(())}
    return validators.extend(Draft201909Validator, closed_by_form)(odcs_schema())  # type: ignore[no-untyped-call]


def check_form(source: ContractSource) -> None:
    """Adds a problem for everything that the standard or this project does not know."""
    levels = check_keys(source)
    for error in _validator().iter_errors(source.data):
        for leaf in _leaves(error):
            where: Where = tuple(leaf.absolute_path)
            if where == ("apiVersion",) and leaf.validator == "enum":
                continue  # below: only one version is ours
            if leaf.validator == UNKNOWN_KEY and where in levels:
                continue  # check_keys has said it, and names the key
            if "then" in leaf.absolute_schema_path and not _typed(source.data, where):
                continue  # the rules of every type would speak at once
            if leaf.instance is None and leaf.validator in EMPTY:
                source.problem(where, *_empty(where, leaf))
            else:
                source.problem(where, _message(leaf), _remedy(leaf))
    version = source.data.get("apiVersion", API_VERSION)
    if isinstance(version, str) and version != API_VERSION:
        source.problem(("apiVersion",), "another version of the standard", f"Write apiVersion: {API_VERSION}")


def _typed(data: Any, where: Where) -> bool:
    """Whether the property around a position has a logicalType."""
    typed = True
    for step in where:
        data = data[step]
        if isinstance(data, dict) and "name" in data:
            typed = "logicalType" in data
    return typed


def _leaves(error: ValidationError) -> list[ValidationError]:
    """The error that says most: the one deepest inside an anyOf or oneOf rather than the choice that failed."""
    if error.context and error.validator in {"anyOf", "oneOf"}:
        return _leaves(max(error.context, key=lambda inner: len(inner.absolute_path)))
    return [error]


def _empty(where: Where, error: ValidationError) -> tuple[str, str]:
    """Of a key that ends at its colon: what a type or a list of values says of it sounds as if something stood there."""
    key = shown(where[-1]) if where and isinstance(where[-1], str) else "an entry"
    kind = IN_WORDS.get(str(error.validator_value), "a value") if error.validator == "type" else "a value"
    return f"{key} has no value", f"Write one ({BELONGS.get(key, kind)}); the file may be half written"


def _message(error: ValidationError) -> str:
    rule, expected = error.validator, cast("Any", error.validator_value)
    if rule == "required" and isinstance(error.instance, dict):
        return f"{', '.join(key for key in expected if key not in error.instance)} is missing"
    if rule == UNKNOWN_KEY:
        known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
        unknown = [shown(key) for key in error.instance if key not in known] if isinstance(error.instance, dict) else []
        return f"unknown key {', '.join(unknown)}"
    if rule == "type":
        return f"must be {IN_WORDS.get(str(expected), str(expected))}"
    if rule in {"enum", "const"}:
        return "is none of the values that the standard allows"
    return f"breaks the standard's rule `{rule}`"


def _remedy(error: ValidationError) -> str:
    rule, expected = error.validator, cast("Any", error.validator_value)
    if rule == "type":
        return TO_WRITE.get(str(expected), f"Write {IN_WORDS.get(str(expected), str(expected))}")
    if rule == "enum":
        return f"Write one of: {', '.join(map(str, expected))}"
    if rule == "required":
        return "Add it"
    if rule == UNKNOWN_KEY:
        return "Remove it, or correct its spelling"
    return "Write it as the Open Data Contract Standard 3.2.0 says"
