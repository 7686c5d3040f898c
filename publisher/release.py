"""The release engine: builds what leaves from the contract. It never filters a row.

Belongs here: from a captured change to a released event. Not here: the derivations themselves (contracts/vocabulary/), reading the
outbox's form of a value (values.py), the form of the line (wire.py), where changes come from (outbox.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import Any, NamedTuple

import orjson

from publisher.contracts.kgroups import KGroup, coarsest, groups_of
from publisher.contracts.model import PSEUDONYM_PATTERN, CoarseTime, Contract, Field
from publisher.contracts.vocabulary import FUNCTIONS, Use
from publisher.errors import RuleBroken, Unreleasable
from publisher.keys import Keyring
from publisher.risk.steps import Steps
from publisher.values import reader
from publisher.wire import DELETES, GONE, OPS, ReleasedEvent, cut_time, encode

REMEMBERED = 65_536
"""Combinations of a k-group whose step is held in memory: what leaves of them, never what is in a column."""


class Change(NamedTuple):
    """A captured change, still inside the platform. `row` holds the contract's source columns as the outbox does."""

    entity: str
    op: str
    seq: int
    committed_at: datetime
    key: str
    subject: str | None
    row: Mapping[str, Any] | None


class _FieldPlan(NamedTuple):
    name: str
    required: bool
    of_null: bool | None
    derive: Callable[[Any], Any]


class _GroupPlan(NamedTuple):
    group: KGroup
    fields: tuple[str, ...]
    step: Callable[[tuple[Any, ...]], int]
    """The step of a combination: what its fields say as they are. The latest are remembered, since many rows share one."""


@dataclass(frozen=True, slots=True)
class _EntityPlan:
    contract: Contract
    fields: tuple[str, ...]
    columns: tuple[tuple[str, Callable[[Any], Any], tuple[_FieldPlan, ...]], ...]
    """Each source column with its reader and the fields that are derived from it."""
    subject_required: bool
    groups: tuple[_GroupPlan, ...]


class Release:
    """Releases changes of all contracted entities under one set of keys and one version of the coarsening."""

    def __init__(self, contracts: Mapping[str, Contract], keyring: Keyring, steps: Steps | None = None) -> None:
        self._keyring = keyring
        self._steps = steps or Steps()
        self._plans = {contract.entity: self._plan(contract, contracts) for contract in contracts.values()}
        # A row that was captured before its entity was renamed leaves under the new name.
        self._plans |= {c.renamed_from: self._plans[c.entity] for c in contracts.values() if c.renamed_from}

    def event(self, change: Change) -> ReleasedEvent:
        """Builds the event of a change.

        Raises Unreleasable, with the names of all fields at fault, when the contract does not let it out.
        """
        plan = self._plans.get(change.entity)
        if plan is not None and change.op == GONE:
            return _gone(plan.contract, change)
        if plan is None or change.op not in OPS:
            raise Unreleasable(change.entity, change.seq, "no contract names this entity, or the operation is unknown")
        contract, faults = plan.contract, dict[str, str]()
        key = self._pseudonym(contract.key_namespace, change.key, contract.fields[0].name, faults)
        subject = None
        if contract.subject_namespace is not None and change.subject is not None:
            subject = self._pseudonym(contract.subject_namespace, change.subject, "subject", faults)
        record, precision = None, None
        if change.op not in DELETES:
            record, precision = self._record(plan, change, key, faults)
            if plan.subject_required and change.subject is None:
                faults["subject"] = "no person was found for this row, so an erasure could not find it"
        if faults:
            raise Unreleasable(change.entity, change.seq, "; ".join(dict.fromkeys(faults.values())), tuple(faults))
        return encode(
            entity=contract.entity, op=change.op, key=key, seq=change.seq, contract=contract.version,
            committed_at=cut_time(change.committed_at, precision or contract.precision),
            subject=subject, has_subject=contract.subject_namespace is not None, record=record,
        )  # fmt: skip

    @property
    def keyring(self) -> Keyring:
        """The keys under which it releases."""
        return self._keyring

    def code(self, entity: str, key: str) -> str:
        """The pseudonym of a row's key."""
        return self._keyring.pseudonym(self._plans[entity].contract.key_namespace, key)

    def _pseudonym(self, namespace: str, value: str, name: str, faults: dict[str, str]) -> str:
        try:
            return self._keyring.pseudonym(namespace, value)
        except ValueError as error:
            faults[name] = _rule(error)
            return ""

    def members(self, change: Change) -> dict[str, tuple[KGroup, tuple[Any, ...]]]:
        """For each k-group of an entity, by name, the source columns' values of a row. Raises Unreleasable for a row that could not leave."""
        plan, faults = self._plans[change.entity], dict[str, str]()
        columns, _ = self._values(plan, change, faults)
        if faults:
            raise Unreleasable(change.entity, change.seq, "; ".join(dict.fromkeys(faults.values())), tuple(faults))
        groups = [planned.group for planned in plan.groups]
        return {group.name: (group, tuple(columns[field.derivation.column] for field in group.fields)) for group in groups}

    def digest(self, group: KGroup, combination: tuple[Any, ...]) -> bytes:
        """What stands for a combination (what a row says at step 0) in the platform's database."""
        return self._keyring.combination(orjson.dumps([group.entity, group.name, group.definition, *combination]).decode())

    def _record(
        self, plan: _EntityPlan, change: Change, key: str, faults: dict[str, str]
    ) -> tuple[dict[str, Any], CoarseTime | None]:
        """The record, and how far an insert's time may tell when the row was made, where a k-group limits that."""
        columns, values = self._values(plan, change, faults)
        named = plan.fields[0]
        if named in values and values[named] != key:
            faults.setdefault(named, "the row's key is not the key under which it was captured")
        if faults:
            return {}, None
        precision = None
        for group, fields, step_of in plan.groups:
            step = step_of(tuple([values[name] for name in fields]))
            for name, column, derive, of_null in group.coarser[step]:
                raw = columns[column]
                values[name] = None if derive is None else of_null if raw is None else derive(raw)
            if change.op == "insert":
                precision = coarsest([precision, group.insert_precisions[step]])
        return {name: values[name] for name in plan.fields}, precision

    def _values(self, plan: _EntityPlan, change: Change, faults: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The source columns' values, and what each field says of them as it is. What cannot be read or derived is in `faults`."""
        row = change.row or {}
        raws: dict[str, Any] = {}
        values: dict[str, Any] = {}
        for column, read, fields in plan.columns:
            try:
                raw = row[column]
                value = raws[column] = None if raw is None else read(raw)
            except KeyError:
                names = (field.name for field in fields)
                faults.update(dict.fromkeys(names, "captured without its column: run `publisher install` and backfill"))
                continue
            except ValueError as error:
                faults.update(dict.fromkeys((field.name for field in fields), _rule(error)))
                continue
            for name, required, of_null, derive in fields:
                try:
                    said = values[name] = of_null if value is None else derive(value)
                except ValueError as error:
                    faults[name] = _rule(error)
                    continue
                if said is None and required:
                    faults[name] = "required, and the row has no value"
        return raws, values

    def _plan(self, contract: Contract, contracts: Mapping[str, Contract]) -> _EntityPlan:
        by_column: dict[str, list[_FieldPlan]] = {}
        for field in contract.fields:
            of_null = FUNCTIONS[field.derivation.function].of_null
            planned = _FieldPlan(field.name, field.required, of_null, self._deriver(field, contract))
            by_column.setdefault(field.derivation.column, []).append(planned)
        columns = tuple(
            (name, reader(contract.columns[name], self._keyring.decrypt), tuple(fields)) for name, fields in by_column.items()
        )
        fields, groups = tuple(field.name for field in contract.fields), tuple(map(self._group_plan, groups_of(contract)))
        return _EntityPlan(contract, fields, columns, _always_has_subject(contract, contracts), groups)

    def _group_plan(self, group: KGroup) -> _GroupPlan:
        step = lru_cache(maxsize=REMEMBERED)(partial(self._step, group))
        return _GroupPlan(group, tuple(field.name for field in group.fields), step)

    def _step(self, group: KGroup, combination: tuple[Any, ...]) -> int:
        return self._steps.step(group, self.digest(group, combination))

    def _deriver(self, field: Field, contract: Contract) -> Callable[[Any], Any]:
        derivation = field.derivation
        if derivation.function == "pseudonym":
            namespace, pseudonym = derivation.args[0], self._keyring.pseudonym
            return lambda value: pseudonym(namespace, str(value))
        use = Use(contract.columns[derivation.column], derivation.args, field.options)
        return FUNCTIONS[derivation.function].derive(use)


def _always_has_subject(contract: Contract, contracts: Mapping[str, Contract]) -> bool:
    """Whether every step to the person is a column that is never null."""
    tables = {other.table: other for other in contracts.values()}
    steps = [tables[step.table].columns[step.column] for step in contract.subject if step.table in tables]
    return bool(steps) and len(steps) == len(contract.subject) and all(column.required for column in steps)


def _gone(contract: Contract, change: Change) -> ReleasedEvent:
    """The delete of a row of which only its code is known: nobody captured that it went. Its person is not known any more."""
    if not re.fullmatch(PSEUDONYM_PATTERN, change.key):
        raise Unreleasable(change.entity, change.seq, "the key of a row that is gone is no code")
    return encode(
        entity=contract.entity, op="delete", key=change.key, seq=change.seq, committed_at=cut_time(change.committed_at, contract.precision),
        contract=contract.version, subject=None, has_subject=contract.subject_namespace is not None, record=None,
    )  # fmt: skip


def _rule(error: ValueError) -> str:
    """The text of our own errors; a library's may hold the value."""
    return str(error) if isinstance(error, RuleBroken) else "not in the form that the contract declares"
