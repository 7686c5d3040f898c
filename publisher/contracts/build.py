"""Makes the typed Contract of one file, and says what in that file alone does not fit.

Belongs here: what can be decided from one contract. Not here: the standard's form (schema.py), what needs all contracts or the
database (check.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from publisher.contracts.model import Contract, Derivation, Domain, Field, SourceColumn, SubjectStep
from publisher.contracts.source import ContractSource, Where
from publisher.contracts.vocabulary import CALL, FUNCTIONS, TODAY, domain_of, field_type

CLASSIFICATIONS = ("public", "internal", "confidential", "restricted")
COLUMN_TYPES = ("string", "boolean", "integer", "date", "timestamp")
SOURCE_TAGS = ("encrypted", "surrogate-id", "natural-identifier")
VERSION = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")
ENTITY = re.compile(r"[a-z][a-z0-9_]*")
FIELD = re.compile(r"[a-z][a-z0-9_]*")
PERIODS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "y": timedelta(days=365)}


def build_contract(source: ContractSource) -> Contract | None:
    """The contract, or None where problems (added to `source`) leave none to build."""
    before = len(source.problems)
    data = source.data
    released, platform = _objects(source)
    if released is None or platform is None:
        return None
    entity, table = str(released[1].get("name")), str(platform[1].get("physicalName"))
    if not ENTITY.fullmatch(entity):
        source.problem(released[0], entity, "an entity is named in lower case with underscores", "Rename it")
    if source.file != f"{entity}.yaml":
        source.problem(released[0], entity, "the file is named otherwise than its entity", f"Rename it to {entity}.yaml")
    version = str(data.get("version", ""))
    if not VERSION.fullmatch(version):
        source.problem(("version",), "version", "not a semantic version", "Write version: 1.0.0")
    columns = _columns(source, *platform)
    fields = _fields(source, released, table, columns)
    custom = {str(entry["property"]): entry.get("value") for entry in released[1].get("customProperties", [])}
    withheld = _withheld(source, released[0], custom.get("withheld"), columns, fields, entity)
    subject = _subject(source, released[0], custom.get("subject"), entity)
    precision = custom.get("committedAtPrecision", "minute")
    if precision not in ("second", "minute", "hour"):
        source.problem(released[0], entity, "committedAtPrecision is unknown", "Write second, minute or hour")
    sla = {name: _period(source, name, entity) for name in ("freshness", "retention", "erasure")}
    keys = [field for field in fields if field.primary_key]
    if len(keys) != 1 or keys[0] is not fields[0] or keys[0].derivation.function != "pseudonym":
        remedy = "Let the first property be primaryKey: true with transformLogic: pseudonym(id, …)"
        source.problem(released[0], entity, "the key must be one pseudonym, and stand first", remedy)
    if len(source.problems) > before:
        return None
    description = data.get("description", {})
    team = data.get("team", {})
    return Contract(
        entity=entity, version=version, file=source.file, table=table, columns=columns, fields=tuple(fields),
        description=str(released[1].get("description", "")), purpose=str(description.get("purpose", "")),
        limitations=str(description.get("limitations", "")), owner=str(team.get("name", "")),
        withheld=withheld, key_column=keys[0].derivation.column, key_namespace=keys[0].derivation.args[0],
        subject=subject, subject_namespace=None, precision=precision, freshness=sla["freshness"],
        retention_days=sla["retention"].days, erasure_days=sla["erasure"].days,
    )  # fmt: skip


Placed = tuple[Where, dict[str, Any]]


def _objects(source: ContractSource) -> tuple[Placed | None, Placed | None]:
    """The released record and the platform's table: the two schema objects of a contract, told apart by physicalType."""
    objects = [o for o in source.data.get("schema", []) if isinstance(o, dict)]
    placed = [(("schema", index), o) for index, o in enumerate(objects)]
    released = [p for p in placed if p[1].get("physicalType") == "event"]
    platform = [p for p in placed if p[1].get("physicalType") == "table"]
    if len(released) != 1 or len(platform) != 1 or len(objects) != 2:
        remedy = "Write two: the record that leaves (physicalType: event) and the platform's table (physicalType: table)"
        source.problem(("schema",), "schema", "a contract has two schema objects", remedy)
        return None, None
    if not platform[0][1].get("physicalName"):
        source.problem(platform[0][0], "physicalName", "the platform's table is not named", "Write physicalName: its name")
        return None, None
    for where, required, remedy in (
        (("description", "purpose"), source.data.get("description", {}).get("purpose"), "Say what the data is for"),
        (("team", "name"), source.data.get("team", {}).get("name") if isinstance(source.data.get("team"), dict) else None, "Name the owner"),
        ((*released[0][0], "description"), released[0][1].get("description"), "Say what a record is"),
    ):
        if not required:
            source.problem(where, ".".join(map(str, where)), "is missing", remedy)
    return released[0], platform[0]


def _columns(source: ContractSource, where: Where, table: Mapping[str, Any]) -> dict[str, SourceColumn]:
    columns: dict[str, SourceColumn] = {}
    for index, entry in enumerate(table.get("properties", [])):
        place: Where = (*where, "properties", index)
        name, tags = str(entry.get("name")), tuple(entry.get("tags", ()))
        if name in columns:
            source.problem(place, name, "the column stands twice", "Keep one")
        if entry.get("logicalType") not in COLUMN_TYPES:
            source.problem(place, name, "no usable logicalType", f"Write one of {', '.join(COLUMN_TYPES)}")
        if entry.get("classification") not in CLASSIFICATIONS:
            source.problem(place, name, "no usable classification", f"Write one of {', '.join(CLASSIFICATIONS)}")
        for tag in tags:
            if tag not in SOURCE_TAGS:
                source.problem(place, name, "unknown tag", f"A source column may have: {', '.join(SOURCE_TAGS)}")
        columns[name] = SourceColumn(
            name=name, type=entry.get("logicalType", "string"), physical_type=str(entry.get("physicalType", "")),
            encrypted="encrypted" in tags, required=bool(entry.get("required", False)),
            classification=str(entry.get("classification")), natural_identifier="natural-identifier" in tags,
            surrogate="surrogate-id" in tags, description=str(entry.get("description", "")),
        )  # fmt: skip
    return columns


def _fields(source: ContractSource, released: Placed, table: str, columns: dict[str, SourceColumn]) -> list[Field]:
    fields: list[Field] = []
    for index, entry in enumerate(released[1].get("properties", [])):
        place: Where = (*released[0], "properties", index)
        name = str(entry.get("name"))
        if not FIELD.fullmatch(name):
            source.problem(place, name, "a field is named in lower case with underscores", "Rename it")
        if any(field.name == name for field in fields):
            source.problem(place, name, "the field stands twice", "Keep one")
        if entry.get("classification") not in CLASSIFICATIONS:
            source.problem(place, name, "no usable classification", f"Write one of {', '.join(CLASSIFICATIONS)}")
        if not entry.get("description"):
            source.problem(place, name, "description is missing", "Say in a sentence what the field means")
        derivation = _derivation(source, (*place, "transformLogic"), name, entry, table, columns)
        if derivation is None:
            continue
        function, column = FUNCTIONS[derivation.function], columns[derivation.column]
        expected = field_type(function, derivation.args, column)
        if entry.get("logicalType") != expected:
            source.problem(place, name, f"logicalType does not fit {derivation.function}", f"Write logicalType: {expected}")
        if entry.get("required") and not column.required and function.of_null is None:
            remedy = f"Drop `required`, or mark {table}.{column.name} as required if the database says NOT NULL"
            source.problem(place, name, f"required, but {column.name} may be null", remedy)
        custom = {str(c["property"]): c.get("value") for c in entry.get("customProperties", [])}
        fields.append(
            Field(
                name=name, type=expected, required=bool(entry.get("required", False)), derivation=derivation, options=entry.get("logicalTypeOptions", {}),
                sources=tuple(entry.get("transformSourceObjects", ())), classification=str(entry.get("classification")),
                description=str(entry.get("description", "")), tags=tuple(entry.get("tags", ())),
                k_group=custom.get("kGroup"), primary_key=bool(entry.get("primaryKey", False)),
            )  # fmt: skip
        )
    return fields


def _derivation(
    source: ContractSource, where: Where, name: str, entry: Mapping[str, Any], table: str, columns: dict[str, SourceColumn]
) -> Derivation | None:
    text = str(entry.get("transformLogic", ""))
    called = re.match(r"\s*([A-Za-z_]+)\s*\(", text)
    if called and called[1] not in FUNCTIONS:
        if called[1] in TODAY:
            remedy = "Release birth_band or truncate(…, month), and derive what depends on the day in gold"
            source.problem(where, name, f"{called[1]} depends on the day it is computed", remedy)
        else:
            known = ", ".join(function.signature for function in FUNCTIONS.values())
            source.problem(where, name, "unknown function", f"The vocabulary has: {known}")
        return None
    match = CALL.fullmatch(text.strip())
    if match is None:
        source.problem(where, name, "transformLogic is missing or unreadable", "Write one call, such as present(email)")
        return None
    function, column_name = FUNCTIONS[match[1]], match[2]
    args = tuple(arg.strip() for arg in match[3].split(",")[1:])
    if tuple(entry.get("transformSourceObjects", ())) != (f"{table}.{column_name}",):
        remedy = f"Write transformSourceObjects: [{table}.{column_name}]"
        source.problem(where, name, "transformSourceObjects differs from the columns that transformLogic reads", remedy)
    column = columns.get(column_name)
    if column is None:
        source.problem(where, name, f"the platform's table has no column {column_name}", f"It has: {', '.join(columns)}")
        return None
    if column.type not in function.inputs:
        remedy = f"{function.name} takes {' or '.join(sorted(function.inputs))}"
        source.problem(where, name, f"{column_name} is of type {column.type}", remedy)
        return None
    options = entry.get("logicalTypeOptions", {})
    wrong = function.check(column, args, options)
    for message, remedy in wrong:
        source.problem(where, name, message, remedy)
    if wrong:
        return None
    domain: Domain = domain_of(function, args, options, column)
    canonical = f"{function.name}({', '.join((column_name, *args))})"
    return Derivation(function.name, column_name, args, canonical, domain, function.reveals(column_name, args))


def _withheld(
    source: ContractSource, where: Where, names: Any, columns: dict[str, SourceColumn], fields: list[Field], entity: str
) -> tuple[str, ...]:
    if not isinstance(names, list):
        source.problem(where, entity, "withheld is missing", "Add the custom property `withheld`: a list, [] if nothing is")
        return ()
    read = {field.derivation.column: field.name for field in fields}
    for name in names:
        if name not in columns:
            source.problem(where, entity, f"withheld names {name}, which the table does not have", "Remove it")
        if name in read:
            source.problem(where, entity, f"{name} is withheld, and {read[name]} reads it", "Keep one of the two")
    for name in columns:
        if name not in read and name not in names:
            remedy = "Release something of it through a property, or add it to withheld"
            source.problem(where, f"{entity}.{name}", "the column is neither released nor withheld", remedy)
    return tuple(names)


def _subject(source: ContractSource, where: Where, path: Any, entity: str) -> tuple[SubjectStep, ...]:
    if path == "none":
        return ()
    steps = [step.split(".") for step in path] if isinstance(path, list) and all(isinstance(s, str) for s in path) else []
    if not steps or any(len(step) != 2 for step in steps):
        remedy = "Add the custom property `subject`: the way to the person, [plans.debt_id, debts.customer_id], or none"
        source.problem(where, entity, "no data subject is named", remedy)
        return ()
    return tuple(SubjectStep(table, column) for table, column in steps)


def _period(source: ContractSource, name: str, entity: str) -> timedelta:
    for index, entry in enumerate(source.data.get("slaProperties", [])):
        if isinstance(entry, dict) and entry.get("property") == name:
            value, unit = entry.get("value"), entry.get("unit")
            if isinstance(value, int) and value > 0 and unit in PERIODS:
                return value * PERIODS[str(unit)]
            source.problem(("slaProperties", index), name, "not a period", "Write value: 15 and unit: m, h, d or y")
            return timedelta()
    source.problem(("slaProperties",), entity, f"{name} is missing", f"Add property: {name} with value and unit (m, h, d, y)")
    return timedelta()
