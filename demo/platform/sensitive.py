"""Which columns hold what must not leave, and how their values are written as text.

Belongs here: what the contracts say of it. The contracts are the only list: what they withhold or call encrypted is sensitive. Not here: values
(people.py, canaries.py), reading them from the database (traffic/needles.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple

from publisher.contracts import Contract


class Sensitive(NamedTuple):
    """A sensitive column; `type` is a contract's word for what the application keeps in it."""

    table: str
    column: str
    type: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


def sensitive_columns(contracts: Mapping[str, Contract]) -> tuple[Sensitive, ...]:
    """Every column that a contract withholds or says is encrypted, in the contracts' order."""
    return tuple(_of(contracts))


def _of(contracts: Mapping[str, Contract]) -> Iterator[Sensitive]:
    for contract in contracts.values():
        for column in contract.columns.values():
            if column.encrypted or column.name in contract.withheld:
                yield Sensitive(contract.table, column.name, column.type)


def text_of(value: object) -> str:
    """As it is searched for: dates in ISO 8601, moments in UTC to the microsecond, whole numbers in plain digits."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value.isoformat() if isinstance(value, date) else str(value)
