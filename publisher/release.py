"""The release engine: builds what leaves from the contract. It never filters a row.

Belongs here: from a captured change to a released event. Not here: the derivations themselves (contracts/vocabulary.py), the
form of the line (wire.py), where changes come from (outbox.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from publisher.contracts.model import Contract, Field, SourceColumn
from publisher.contracts.vocabulary import FUNCTIONS
from publisher.errors import RuleBroken, Unreleasable
from publisher.keys import Keyring
from publisher.wire import DELETES, OPS, ReleasedEvent, cut_time, encode


@dataclass(frozen=True, slots=True)
class Change:
    """A captured change, still inside the platform. `row` holds the contract's source columns as the outbox does."""

    entity: str
    op: str
    seq: int
    committed_at: datetime
    key: str
    subject: str | None
    row: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class _FieldPlan:
    name: str
    column: str
    required: bool
    of_null: bool | None
    derive: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _EntityPlan:
    contract: Contract
    read: tuple[tuple[str, Callable[[Any], Any]], ...]
    fields: tuple[_FieldPlan, ...]


class Release:
    """Releases changes of all contracted entities under one set of keys."""

    def __init__(self, contracts: Mapping[str, Contract], keyring: Keyring) -> None:
        self._keyring = keyring
        self._plans = {contract.entity: self._plan(contract) for contract in contracts.values()}

    def event(self, change: Change) -> ReleasedEvent:
        """Builds the event of a change.

        Raises Unreleasable, with the names of all fields at fault, when the contract does not let it out.
        """
        plan = self._plans.get(change.entity)
        if plan is None or change.op not in OPS:
            raise Unreleasable(change.entity, change.seq, "no contract names this entity, or the operation is unknown")
        contract = plan.contract
        record = None
        if change.op not in DELETES:
            if change.row is None:
                raise Unreleasable(change.entity, change.seq, "captured without a row")
            record = self._record(plan, change, change.row)
        subject = None
        if contract.subject_namespace is not None and change.subject is not None:
            subject = self._keyring.pseudonym(contract.subject_namespace, change.subject)
        return encode(
            entity=change.entity, op=change.op, key=self._keyring.pseudonym(contract.key_namespace, change.key), seq=change.seq,
            committed_at=cut_time(change.committed_at, contract.precision), contract=contract.version, subject=subject,
            has_subject=contract.subject_namespace is not None, record=record,
        )  # fmt: skip

    def _record(self, plan: _EntityPlan, change: Change, row: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        faults: dict[str, str] = {}
        for column, read in plan.read:
            try:
                raw = row[column]
                values[column] = None if raw is None else read(raw)
            except KeyError:
                faults[column] = "captured without this column: run `publisher install` and backfill"
            except ValueError as error:
                faults[column] = _rule(error)
        record: dict[str, Any] = {}
        for field in plan.fields:
            if field.column in faults:
                continue
            value = values[field.column]
            try:
                record[field.name] = field.of_null if value is None else field.derive(value)
            except ValueError as error:
                faults[field.name] = _rule(error)
                continue
            if record[field.name] is None and field.required:
                faults[field.name] = "required, and the row has no value"
        if faults:
            reasons = "; ".join(dict.fromkeys(faults.values()))
            raise Unreleasable(change.entity, change.seq, reasons, tuple(faults)) from None
        return record

    def _plan(self, contract: Contract) -> _EntityPlan:
        read = tuple((name, self._reader(contract.columns[name])) for name in contract.source_columns)
        fields = tuple(
            _FieldPlan(field.name, field.derivation.column, field.required, FUNCTIONS[field.derivation.function].of_null, self._deriver(field))
            for field in contract.fields
        )
        return _EntityPlan(contract, read, fields)

    def _deriver(self, field: Field) -> Callable[[Any], Any]:
        derivation = field.derivation
        if derivation.function == "pseudonym":
            namespace, pseudonym = derivation.args[0], self._keyring.pseudonym
            return lambda value: pseudonym(namespace, str(value))
        return FUNCTIONS[derivation.function].derive(derivation.args, field.options)

    def _reader(self, column: SourceColumn) -> Callable[[Any], Any]:
        """From the outbox's form of a value to the column's declared type."""
        typed = _TYPES[column.type]
        if not column.encrypted:
            return typed
        decrypt = self._keyring.decrypt
        return lambda value: typed(decrypt(_ciphertext(value)))


def _ciphertext(value: Any) -> bytes:
    if isinstance(value, str) and value.startswith("\\x"):
        return bytes.fromhex(value[2:])
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise RuleBroken("encrypted by contract, but holds no ciphertext")


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise RuleBroken("not a whole number")
    try:
        return int(value)
    except ValueError:
        raise RuleBroken("not a whole number") from None


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise RuleBroken("not a boolean")


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise RuleBroken("not a text")


def _date(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value)
    except (ValueError, TypeError):
        raise RuleBroken("not a date") from None


def _timestamp(value: Any) -> datetime:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (ValueError, TypeError):
        raise RuleBroken("not a time") from None
    if moment.tzinfo is None:
        raise RuleBroken("a time without its zone: the column must be timestamptz")
    return moment


_TYPES: dict[str, Callable[[Any], Any]] = {
    "integer": _integer, "boolean": _boolean, "string": _string, "date": _date, "timestamp": _timestamp,
}  # fmt: skip


def _rule(error: ValueError) -> str:
    """The text of our own errors; a library's may hold the value."""
    return str(error) if isinstance(error, RuleBroken) else "not in the form that the contract declares"
