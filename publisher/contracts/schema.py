"""Holds a contract against the Open Data Contract Standard 3.2.0 and against the few keys that are ours.

Belongs here: form. Not here: meaning (build.py, check.py). Messages are made of names and rules only: a contract may by mistake
hold a real value, and an error must not repeat it.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from jsonschema import Draft201909Validator
from jsonschema.exceptions import ValidationError

from publisher.contracts.source import ContractSource, Where

API_VERSION = "v3.2.0"
OBJECT_PROPERTIES = {"withheld", "subject", "committedAtPrecision", "k"}
FIELD_PROPERTIES = {"kGroup"}
REFUSED = {"examples": "it invites real values"}


@cache
def odcs_schema() -> dict[str, Any]:
    """The standard's JSON schema, as its Python package ships it."""
    text = resources.files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def _validator() -> Draft201909Validator:
    return Draft201909Validator(odcs_schema())


def check_form(source: ContractSource) -> None:
    """Adds a problem for everything that the standard or this project does not know."""
    for error in _validator().iter_errors(source.data):
        for leaf in _leaves(error):
            where: Where = tuple(leaf.absolute_path)
            source.problem(where, _name(source.data, where), _message(leaf), _remedy(leaf))
    for key in source.data:
        if key not in odcs_schema()["properties"]:
            source.problem((key,), str(key), "the standard has no such key", "Remove it, or correct its spelling")
    if source.data.get("apiVersion") not in (API_VERSION, None):
        source.problem(("apiVersion",), "apiVersion", "another version of the standard", f"Write apiVersion: {API_VERSION}")
    _walk_own(source, source.data, ())


def _walk_own(source: ContractSource, value: Any, where: Where) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in REFUSED:
                source.problem((*where, key), str(key), f"{key} is refused: {REFUSED[key]}", "Describe the form in `description`")
            if key == "customProperties":
                _check_custom(source, inner, (*where, key))
            _walk_own(source, inner, (*where, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _walk_own(source, inner, (*where, index))


def _check_custom(source: ContractSource, entries: Any, where: Where) -> None:
    if where[:1] != ("schema",):
        known: set[str] = set()
    else:
        known = FIELD_PROPERTIES if "properties" in where else OBJECT_PROPERTIES
    names = [entry.get("property") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    for index, name in enumerate(names):
        if name not in known:
            allowed = ", ".join(sorted(known)) or "none"
            source.problem((*where, index), _name(source.data, where), "unknown custom property", f"Allowed here: {allowed}")
        elif name in names[:index]:
            source.problem((*where, index), _name(source.data, where), f"custom property {name} stands twice", "Keep one")


def _leaves(error: ValidationError) -> list[ValidationError]:
    """The errors that say most: those inside anyOf and if/then rather than the branch that failed."""
    if error.context and error.validator in {"anyOf", "oneOf"}:
        deepest = max(error.context, key=lambda inner: len(inner.absolute_path))
        return _leaves(deepest)
    return [error]


def _message(error: ValidationError) -> str:
    rule, instance = error.validator, error.instance
    expected: Any = error.validator_value
    if rule == "required" and isinstance(instance, dict):
        return f"missing {', '.join(k for k in expected if k not in instance)}"
    if rule in {"additionalProperties", "unevaluatedProperties"} and isinstance(instance, dict):
        known = set(error.schema.get("properties", {})) if isinstance(error.schema, dict) else set()
        unknown = [k for k in instance if f"'{k}'" in error.message and k not in known]
        return f"unknown key {', '.join(map(str, unknown)) or ''}".strip()
    if rule == "type":
        return f"must be of type {expected}"
    if rule == "enum":
        return "is none of the values that the standard allows"
    return f"breaks the standard's rule `{rule}`"


def _remedy(error: ValidationError) -> str:
    expected: Any = error.validator_value
    if error.validator == "enum":
        return f"Write one of: {', '.join(map(str, expected))}"
    if error.validator == "required":
        return "Add it"
    if error.validator in {"additionalProperties", "unevaluatedProperties"}:
        return "Remove it, or correct its spelling"
    return "See the Open Data Contract Standard 3.2.0"


def _name(data: Any, where: Where) -> str:
    """`entity.field` of a position where the file names them, else its keys."""
    names: list[str] = []
    for step in where:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            names.append(str(step))
            break
        if isinstance(data, dict) and isinstance(data.get("name"), str):
            names.append(data["name"])
    return ".".join(names) or ".".join(str(step) for step in where)
