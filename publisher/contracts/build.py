"""Makes the typed Contract of one file, and says what in that file alone does not fit.

Belongs here: the contract as a whole. Not here: the standard's form (schema.py), one field or column (fields.py, columns.py), what needs
all contracts (across.py) or the database (database.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from publisher.contracts.columns import SQL_NAME, build_columns
from publisher.contracts.cut import COMPARE, cut_table
from publisher.contracts.fields import build_fields
from publisher.contracts.form import CUSTOM
from publisher.contracts.model import Contract, Field, SourceColumn, SubjectStep
from publisher.contracts.problems import Problem
from publisher.contracts.source import ContractSource, Where, shown

VERSION = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")
ENTITY = re.compile(r"[a-z][a-z0-9_]{0,40}")
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "y": timedelta(days=365)}
PERIODS = {"freshness": ("m", "h", "d"), "retention": ("d", "y"), "erasure": ("d", "y")}
LONGEST = timedelta(days=365 * 100)
SMALLEST_K = 2
MOST_KEYS = 1_000_000


class _Objects(NamedTuple):
    """The two schema objects of a contract: the record that leaves and the platform's table."""

    event: dict[str, Any]
    at_event: Where
    table: dict[str, Any]
    at_table: Where


def build_contract(source: ContractSource) -> Contract | None:
    """The contract, or None where problems (added to `source`) leave none to build."""
    before = len(source.problems)
    objects = _objects(source)
    if objects is None:
        return None
    entity, table = objects.event["name"], objects.table["physicalName"]
    _check_head(source, objects, entity)
    columns = build_columns(source, objects.at_table, objects.table)
    cut = cut_table(source, objects.event, objects.table, objects.at_table, columns)
    fields = build_fields(source, objects.at_event, objects.event, table, columns, cut=cut)
    custom = {entry["property"]: (index, entry["value"]) for index, entry in enumerate(objects.event.get("customProperties", []))}
    places = {name: (*objects.at_event, "customProperties", index) for name, (index, _) in custom.items()}
    values = {name: value for name, (_, value) in custom.items()}
    withheld = _withheld(source, places.get("withheld", objects.at_event), values.get("withheld"), columns, fields, cut)
    subject = _subject(source, places.get("subject", objects.at_event), values.get("subject"), table)
    precision = values.get("committedAtPrecision", "minute")
    if precision not in ("second", "minute", "hour"):
        source.problem(places["committedAtPrecision"], "committedAtPrecision is unknown", "Write second, minute or hour")
    k = None if cut else _k(source, places.get("k", objects.at_event), values.get("k"), fields)
    key_version = values.get("pseudonymKey", 1)
    if type(key_version) is not int or not 1 <= key_version <= MOST_KEYS:
        source.problem(places["pseudonymKey"], "pseudonymKey is no version of a key", "Write a whole number from 1, such as 2")
    renamed_from = values.get("renamedFrom")
    if renamed_from is not None and not (isinstance(renamed_from, str) and ENTITY.fullmatch(renamed_from)):
        source.problem(places["renamedFrom"], "renamedFrom is no name of an entity", "Write the name that the entity had before")
    periods = _periods(source)
    if not cut and (len(fields) == len(objects.event.get("properties", [])) or not fields):
        _check_key(source, objects, fields, columns)
    if len(source.problems) > before:
        return None
    data = source.data
    return Contract(
        entity=entity, version=data["version"], file=source.file, table=table, columns=columns, fields=tuple(fields),
        description=objects.event["description"], purpose=data["description"]["purpose"],
        limitations=data["description"].get("limitations", ""), owner=data["team"]["name"], withheld=withheld,
        key_column=fields[0].derivation.column, key_namespace=fields[0].derivation.args[0], subject=subject, subject_namespace=None,
        precision=precision, freshness=periods["freshness"], retention_days=periods["retention"].days,
        erasure_days=periods["erasure"].days, k=k, key_version=key_version, renamed_from=renamed_from, lines=_lines(source, objects, places),
    )  # fmt: skip


def _objects(source: ContractSource) -> _Objects | None:
    placed = [(("schema", index), entry) for index, entry in enumerate(source.data.get("schema", []))]
    events = [p for p in placed if p[1].get("physicalType") == "event"]
    tables = [p for p in placed if p[1].get("physicalType") == "table"]
    if len(events) != 1 or len(tables) != 1 or len(placed) != 2:
        remedy = "Write two: the record that leaves (physicalType: event) and the platform's table (physicalType: table)"
        cut = f", and this one has {len(placed)}: the file may be cut off" if len(placed) < 2 else ""
        if len(placed) == 2 and not placed[1][1].get("properties"):
            cut = ", and the second of this one has no columns: the file may be cut off"
        source.problem(("schema",), f"a contract has two schema objects{cut}", remedy + (f". {COMPARE}" if cut else ""))
        return None
    if not SQL_NAME.fullmatch(tables[0][1].get("physicalName", "")):
        cut = "" if tables[0][1].get("properties") else ", and has no columns: the file may be cut off"
        remedy = "Write physicalName: its name" + (f". {COMPARE}" if cut else "")
        source.problem((*tables[0][0], "physicalName"), f"the platform's table is not named{cut}", remedy)
        return None
    return _Objects(events[0][1], events[0][0], tables[0][1], tables[0][0])


def contradictions(contract: Contract) -> Iterator[Problem]:
    """What one contract says against itself. Released ones are not asked: they cannot be mended any more."""
    if contract.erasure_days > contract.retention_days:
        message = "an erasure may take no longer than anything is kept"
        remedy = f"Write at most {contract.retention_days} days"
        yield Problem(contract.file, contract.line("erasure"), f"{contract.entity}.erasure", message, remedy)


def _check_head(source: ContractSource, objects: _Objects, entity: str) -> None:
    data = source.data
    if not ENTITY.fullmatch(entity) or entity.endswith("_history"):
        remedy = "Write lower case with underscores, not ending in _history: that is the name of a table of the lake"
        source.problem((*objects.at_event, "name"), "not a usable name of an entity", remedy)
    if source.file != f"{entity}.yaml":
        source.problem((*objects.at_event, "name"), "the file is named otherwise than its entity", "Name the file <entity>.yaml")
    elif data.get("name") != entity:
        source.problem(("name",), "the contract is named otherwise than its entity", "Write the entity's name in both places")
    if not VERSION.fullmatch(data["version"]):
        source.problem(("version",), "not a semantic version", "Write version: 1.0.0")
    if data.get("status") != "active":
        source.problem(("status",), "only an active contract releases anything", "Write status: active, or remove the file")
    for where, holder, key, remedy in (
        (("description", "purpose"), data.get("description"), "purpose", "Say what the data is for"),
        (("team", "name"), data.get("team"), "name", "Write team: {name: who answers for the data}"),
        ((*objects.at_event, "description"), objects.event, "description", "Say what one record is"),
    ):
        if not (isinstance(holder, dict) and holder.get(key)):
            source.problem(where, f"{key} is missing", remedy)


def _check_key(source: ContractSource, objects: _Objects, fields: Sequence[Field], columns: Mapping[str, SourceColumn]) -> None:
    place: Where = (*objects.at_event, "properties", 0)
    named = [entry for entry in objects.event.get("properties", []) if entry.get("primaryKey")]
    first = fields[0] if fields else None
    if (
        len(named) != 1
        or first is None
        or not (first.primary_key and first.name == "id" and first.derivation.function == "pseudonym")
    ):
        remedy = "Let the first property be id, with primaryKey: true and transformLogic: pseudonym(id, …), and no other a key"
        source.problem(place, "the key must be one pseudonym named id, and stand first", remedy)
    elif not first.required or not columns[first.derivation.column].required:
        source.problem(place, "the key may be null", "Write required: true for the key and for its column")


def _withheld(
    source: ContractSource, where: Where, names: Any, columns: Mapping[str, SourceColumn], fields: Sequence[Field], cut: bool
) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        remedy = "Write the custom property `withheld` with a list of columns, or [] if none is"
        source.problem(where, "withheld is missing or no list", remedy)
        return ()
    read = {field.derivation.column: field.name for field in fields}
    for index, name in enumerate(names):
        if name not in columns and not cut:
            source.problem(
                where, f"withheld names {shown(name)}, which the table does not have", "Remove it, or correct its spelling"
            )
        elif name in read:
            source.problem(
                where, f"{shown(name)} is withheld, and {shown(read[name])} reads it", "Remove it from withheld, or the field"
            )
        if name in names[:index]:
            source.problem(where, f"withheld names {shown(name)} twice", "Keep one of the two")
    if not source.problems:  # a field that could not be built would make its column look forgotten
        for name in columns:
            if name not in read and name not in names:
                remedy = "Release something of it through a property, or add it to withheld"
                source.problem(where, f"the column {shown(name)} is neither released nor withheld", remedy)
    return tuple(names)


def _subject(source: ContractSource, where: Where, path: Any, table: str) -> tuple[SubjectStep, ...]:
    if path == "none":
        return ()
    steps = [step.split(".") for step in path] if isinstance(path, list) and all(isinstance(s, str) for s in path) else []
    if not steps or any(len(step) != 2 for step in steps):
        remedy = "Write the custom property `subject`: the way to the person, as in [plans.debt_id, debts.customer_id], or none"
        source.problem(where, "no data subject is named", remedy)
    elif steps[0][0] != table:
        source.problem(where, "the subject's path begins at another table", f"Begin with a column of {shown(table)}")
    return tuple(SubjectStep(*step) for step in steps if len(step) == 2)


def _k(source: ContractSource, where: Where, k: Any, fields: Sequence[Field]) -> int | None:
    grouped = [field.name for field in fields if field.k_group]
    if k is None and not grouped:
        return None
    if type(k) is not int or k < SMALLEST_K:
        remedy = "Write the custom property `k`: the smallest number of people that may share the values of a group, such as 10"
        source.problem(where, "k is missing or below 2", remedy)
        return None
    if not grouped:
        source.problem(where, "k protects no field", "Give the fields that together could single a person out a kGroup")
    return k


def _periods(source: ContractSource) -> dict[str, timedelta]:
    periods: dict[str, timedelta] = {}
    for index, entry in enumerate(source.data.get("slaProperties", [])):
        where: Where = ("slaProperties", index)
        name, value, unit = entry["property"], entry["value"], entry.get("unit")
        if name not in PERIODS:
            source.problem(where, f"unknown service level {shown(name)}", f"Write one of: {', '.join(PERIODS)}")
        elif name in periods:
            source.problem(where, f"{name} stands twice", "Keep one of the two")
        elif type(value) is not int or value < 1 or unit not in PERIODS[name] or value > LONGEST // UNITS[unit]:
            source.problem(where, f"{name} is no period", f"Write a whole value and a unit: {' or '.join(PERIODS[name])}")
            periods[name] = timedelta()
        else:
            periods[name] = value * UNITS[unit]
    for name, units in PERIODS.items():
        if name not in periods:
            remedy = f"Write {{property: {name}, value: 30, unit: {units[-1] if name == 'freshness' else 'd'}}}"
            source.problem(("slaProperties",), f"{name} is missing", remedy)
    return periods


def _lines(source: ContractSource, objects: _Objects, places: Mapping[str, Where]) -> dict[str, int]:
    # What may be left out stands nowhere then: a diff that says that it is gone points to the object in which it stood.
    lines = dict.fromkeys(CUSTOM["event"], source.line(objects.at_event)) | {name: source.line(at) for name, at in places.items()}
    for name, where in (
        ("version", ("version",)),
        ("owner", ("team", "name")),
        ("description", (*objects.at_event, "description")),
    ):
        lines[name] = source.line(where)
    for name in ("purpose", "limitations"):
        lines[name] = source.line(("description", name))
    for index, entry in enumerate(source.data["slaProperties"]):
        lines[entry["property"]] = source.line(("slaProperties", index))
    lines["table"] = source.line((*objects.at_table, "physicalName"))
    for kind, at, entry in (("fields", objects.at_event, objects.event), ("columns", objects.at_table, objects.table)):
        for index, prop in enumerate(entry.get("properties", [])):
            lines[f"{kind}.{prop['name']}"] = source.line((*at, "properties", index))
    return lines
