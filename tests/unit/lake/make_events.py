"""Events for tests, built from the rules' domains and encoded by the publisher's own wire module.

Belongs here: valid events, deterministic from a number. Not here: broken ones (each test breaks one its own way).
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from lake_assets.transforms.fields import EntityRule, FieldRule
from publisher import wire

START = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)


def pseudonym(n: int) -> str:
    return hashlib.md5(f"key{n}".encode()).hexdigest()


def value_of(field: FieldRule, n: int) -> Any:
    """The n-th value of a field's domain; optional fields are null now and then."""
    if not field.required and n % 5 == 0:
        return None
    if field.type == "boolean":
        return n % 2 == 0
    if field.type == "integer":
        step = field.step or 1
        low, high = field.minimum or 0, field.maximum if field.maximum is not None else 10**9
        first = -(-low // step) * step
        return first + step * (n % ((high - first) // step + 1))
    if field.type == "date":
        return f"20{10 + n % 16:02d}-{1 + n % 12:02d}-01"
    if field.values is not None:
        return field.values[n % len(field.values)]
    candidates = (hashlib.md5(str(n).encode()).hexdigest(), ("SW", "E", "LS")[n % 3], f"C{n % 1000:03d}", "person")
    return next(text for text in candidates if re.fullmatch(str(field.pattern), text))


def event(
    rule: EntityRule, key: int, seq: int, *, op: str = "insert", salt: int = 0, at: datetime | None = None
) -> dict[str, Any]:
    """A valid event of `rule` as a dictionary in wire order; other `salt`, other contents."""
    n = seq * 7 + key + salt
    when = wire.cut_time(at or START + timedelta(minutes=seq % 100_000), "hour")
    built: dict[str, Any] = {"entity": rule.entity, "op": op, "key": pseudonym(key), "seq": seq}
    if rule.has_subject:
        built["subject"] = pseudonym(key + 1000)
    built |= {"committed_at": when, "contract": rule.versions[-1]}
    if op in rule.writes:
        record = {field.name: value_of(field, n) for field in rule.fields}
        built["record"] = record | {rule.fields[0].name: pseudonym(key)}
    return built


def line(built: dict[str, Any]) -> bytes:
    """The event's line, as the publisher writes it."""
    return wire.encode(
        entity=built["entity"],
        op=built["op"],
        key=built["key"],
        seq=built["seq"],
        committed_at=built["committed_at"],
        contract=built["contract"],
        subject=built.get("subject"),
        has_subject="subject" in built,
        record=built.get("record"),
    ).line


def signed(digest: int) -> int:
    """An unsigned 64-bit digest as Spark holds it."""
    return digest - 2**64 if digest >= 2**63 else digest
