"""Reads the outbox's form of a value: as psycopg or JSON give it, encrypted or not, to the type that the contract declares.

Belongs here: types and ciphertext's text forms. Not here: keys (keys.py), what is derived of a value (contracts/vocabulary/).
Raises RuleBroken, or another ValueError, for a value of another form. Only the text of RuleBroken is known to hold no value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from publisher.contracts.model import SourceColumn
from publisher.errors import RuleBroken

_WHOLE = re.compile(r"-?[0-9]{1,19}")


def reader(column: SourceColumn, decrypt: Callable[[bytes], str]) -> Callable[[Any], Any]:
    """The reader of a column's values that are not null."""
    typed = _TYPES[column.type]
    if not column.encrypted:
        return typed
    if column.type == "string":  # nothing else comes out of it
        return lambda value: decrypt(_ciphertext(value))
    return lambda value: typed(decrypt(_ciphertext(value)))


def _ciphertext(value: Any) -> bytes:
    if isinstance(value, str) and value[:2] == "\\x":
        return bytes.fromhex(value[2:])
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise RuleBroken("encrypted by contract, but holds no ciphertext")


def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    raise RuleBroken("not a whole number")


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
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
