"""What leaves: the fields of a contract, each with its derivation.

Belongs here: one field held against its source column. Not here: the contract as a whole (build.py), the derivations (vocabulary/).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from publisher.contracts.columns import CLASSIFICATIONS, check_classification
from publisher.contracts.model import Derivation, Domain, Field, SourceColumn
from publisher.contracts.source import ContractSource, Where, shown
from publisher.contracts.vocabulary import FUNCTIONS, TODAY, Use, called_name, parse_call, united

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def build_fields(
    source: ContractSource, where: Where, event: Mapping[str, Any], table: str, columns: Mapping[str, SourceColumn], *, cut: bool
) -> list[Field]:
    """Every field that can be built, with problems for those that cannot. Of a table that was `cut` off, no column is missed once more."""
    fields: dict[str, Field] = {}
    for index, entry in enumerate(event.get("properties", [])):
        place: Where = (*where, "properties", index)
        name = entry["name"]
        if not NAME.fullmatch(name):
            source.problem(place, "not a plain field name", "Fields are lower case with underscores, and begin with a letter")
        if name in fields:
            source.problem(place, "the field stands twice", "Keep one of the two")
        if not entry.get("description"):
            source.problem(place, "description is missing", "Say in a sentence what the field means")
        classified = check_classification(source, place, entry)
        built = _derivation(source, place, entry, table, columns, cut)
        if built is None:
            continue
        derivation, use = built
        _check_fit(source, place, entry, derivation, use)
        if classified:
            _check_classification(source, place, entry, derivation, use.column)
        group = _k_group(source, place, entry)
        fields[name] = Field(
            name=name, type=FUNCTIONS[derivation.function].output(use), required=entry.get("required", False), derivation=derivation,
            domain=_domain(derivation, use, group), options=use.options, sources=tuple(entry["transformSourceObjects"]) if "transformSourceObjects" in entry else (),
            classification=entry.get("classification", ""), description=entry.get("description", ""), tags=tuple(entry.get("tags", ())),
            k_group=group, primary_key=entry.get("primaryKey", False),
        )  # fmt: skip
    return list(fields.values())


def _derivation(
    source: ContractSource, place: Where, entry: Mapping[str, Any], table: str, columns: Mapping[str, SourceColumn], cut: bool
) -> tuple[Derivation, Use] | None:
    where: Where = (*place, "transformLogic")
    text = entry.get("transformLogic", "")
    name, call = called_name(text), parse_call(text)
    if name in TODAY:
        remedy = (
            "Release birth_band(date_of_birth, 10) or truncate(created_at, month), and derive what depends on the day in gold"
        )
        source.problem(where, f"{name} depends on the day on which it is computed", remedy)
        return None
    if name is not None and name not in FUNCTIONS:
        known = ", ".join(function.signature for function in FUNCTIONS.values())
        source.problem(where, f"the vocabulary has no function {name}", f"Write one of: {known}")
        return None
    if call is None:
        source.problem(where, "transformLogic is missing or cannot be read", "Write one call of a column, such as present(email)")
        return None
    if entry.get("transformSourceObjects") != [f"{table}.{call.column}"]:
        message = "transformSourceObjects differs from the column that transformLogic reads"
        source.problem(
            (*place, "transformSourceObjects"), message, f"Write transformSourceObjects: [{shown(table)}.{call.column}]"
        )
    column = columns.get(call.column)
    if column is None:
        if cut:
            return None
        source.problem(where, f"the platform's table has no column {call.column}", f"It has: {', '.join(map(shown, columns))}")
        return None
    function, use = FUNCTIONS[call.function], Use(column, call.args, entry.get("logicalTypeOptions", {}))
    refusals = function.check(use)
    for message, remedy in refusals:
        source.problem(where, message, remedy)
    if refusals:
        return None
    return Derivation(function.name, column.name, call.args, str(call), function.domain(use), function.reveals(use)), use


def _check_fit(source: ContractSource, place: Where, entry: Mapping[str, Any], derivation: Derivation, use: Use) -> None:
    function = FUNCTIONS[derivation.function]
    if entry.get("logicalType") != function.output(use):
        message = f"logicalType does not fit {function.name}"
        source.problem((*place, "logicalType"), message, f"Write logicalType: {function.output(use)}")
    if entry.get("required") and not use.column.required and function.of_null is None:
        remedy = f"Drop `required`, or mark the column {use.column.name} as required if the database says NOT NULL"
        source.problem((*place, "required"), f"required, but {use.column.name} may be null", remedy)
    if "enum" in entry:
        _check_enum(source, place, entry["enum"], derivation.domain)


def _domain(derivation: Derivation, use: Use, group: str | None) -> Domain:
    """What the field may hold; in a k-group, coarser values besides."""
    return united([rung.domain for rung in FUNCTIONS[derivation.function].ladder(use)]) if group else derivation.domain


def _check_enum(source: ContractSource, place: Where, listed: list[Mapping[str, Any]], domain: Domain) -> None:
    if domain.values is None:
        source.problem((*place, "enum"), "enum lists values, and transformLogic lets others out", "Remove enum, or use one_of")
    elif {str(value["value"]) for value in listed} != set(domain.values):
        remedy = f"Remove enum, or list: {', '.join(domain.values)}"
        source.problem((*place, "enum"), "enum differs from the values that transformLogic lets out", remedy)


def _check_classification(
    source: ContractSource, place: Where, entry: Mapping[str, Any], derivation: Derivation, column: SourceColumn
) -> None:
    if column.classification not in CLASSIFICATIONS:
        return
    lowest = max(0, CLASSIFICATIONS.index(column.classification) - FUNCTIONS[derivation.function].lowers)
    if CLASSIFICATIONS.index(entry["classification"]) < lowest:
        message = (
            f"would show {derivation.reveals} of {column.name}, which is {column.classification}, to whoever may see what is "
            f"{entry['classification']}; {derivation.function} hides too little for that"
        )
        source.problem((*place, "classification"), message, f"Write classification: {CLASSIFICATIONS[lowest]}")


def _k_group(source: ContractSource, place: Where, entry: Mapping[str, Any]) -> str | None:
    for index, custom in enumerate(entry.get("customProperties", [])):
        if custom["property"] == "kGroup":
            if isinstance(custom["value"], str) and NAME.fullmatch(custom["value"]):
                return custom["value"]
            source.problem((*place, "customProperties", index), "kGroup is no plain word", "Write value: person")
    return None
