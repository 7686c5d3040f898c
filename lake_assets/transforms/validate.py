"""The reference of what bronze accepts: one JSON value in, its canonical line or one named reason out.

Belongs here: splitting a raw line into JSON values and judging each. Not here: Spark (`strict.py` runs this in it), contracts
(`rules.py` turns them into rules), single values (`fields.py`).
Imports the standard library only: both are sent by value to Spark's Python workers, where this project need not be installed.

Nothing that leaves this module holds a value: a rejection carries a reason, names of fields, a digest and a length.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lake_assets.transforms.fields import (
    MAX_INTEGER_DIGITS,
    MAX_SEQ,
    MISSING_FIELD,
    OUT_OF_RANGE,
    OUTSIDE_DOMAIN,
    WRONG_TYPE,
    EntityRule,
    FieldRule,
    Number,
    Rules,
    judge_field,
    rule_named,
)

NOT_JSON = "not JSON"
INVALID_UTF8 = "invalid UTF-8"
TOO_LARGE = "too large"
TOO_DEEP = "nested too deeply"
NOT_AN_OBJECT = "not an object"
DUPLICATED_KEY = "duplicated key"
UNKNOWN_ENTITY = "unknown entity"
UNKNOWN_OP = "unknown operation"
UNKNOWN_VERSION = "unknown contract version"
UNKNOWN_FIELD = "unknown field"
DISAGREES = "envelope and record disagree"

MAX_VALUE_BYTES = 1 << 20
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,39}")
_SPACE = re.compile(r"[ \t\r\n]*")
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class Accepted:
    """A valid event, as the publisher would have written it. `entity` is its present name, which the line's may not be."""

    entity: str
    line: str


@dataclass(frozen=True)
class Rejected:
    """A value that bronze refuses: why, in which fields, and how to recognise its bytes in the raw object."""

    reason: str
    fields: tuple[str, ...]
    entity: str | None
    seq: int | None
    digest: str
    length: int


def as_row(outcome: Accepted | Rejected) -> dict[str, Any]:
    """An outcome as a flat row; what it does not have is left out."""
    row = dict(vars(outcome))
    return row if isinstance(outcome, Accepted) else {**row, "fields": list(outcome.fields)}


@dataclass(frozen=True)
class _Problem:
    reason: str
    fields: tuple[str, ...] = ()


def judge_line(raw: bytes, rules: Rules, limit: int = MAX_VALUE_BYTES) -> Iterator[Accepted | Rejected]:
    """Judges each JSON value of a raw line, in order; blank lines hold none.

    What follows the first place that is not JSON is one value: where the next one would begin is anybody's guess.
    """
    # Bytes that are not UTF-8 survive as lone surrogates, so that only the value that holds them is lost.
    text = raw.decode("utf-8", "surrogateescape")
    decoder = _Decoder()
    position = _skip_space(text, 0)
    while position < len(text):
        value, end, problem = decoder.decode(text, position)
        piece = text[position:end]
        yield _judge_value(piece.encode("utf-8", "surrogateescape"), piece, value, problem, decoder.repeated, rules, limit)
        position = _skip_space(text, end)


def _skip_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


class _Decoder:
    """A strict JSON decoder that remembers repeated keys and never builds a huge number."""

    def __init__(self) -> None:
        self.repeated: list[str] = []
        self._json = json.JSONDecoder(
            object_pairs_hook=self._pairs,
            parse_int=lambda text: int(text) if len(text) <= MAX_INTEGER_DIGITS else Number(text),
            parse_float=Number,
            parse_constant=self._constant,
        )

    def decode(self, text: str, position: int) -> tuple[Any, int, _Problem | None]:
        """The value at `position` and where it ends; on a problem it ends with the line."""
        self.repeated.clear()
        try:
            value, end = self._json.raw_decode(text, position)
        except RecursionError:
            return None, len(text), _Problem(TOO_DEEP)
        except ValueError:
            return None, len(text), _Problem(NOT_JSON)
        return value, end, None

    def _pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            seen: set[str] = set()
            for name, _ in pairs:
                if name in seen:
                    self.repeated.append(name)
                seen.add(name)
        return found

    @staticmethod
    def _constant(text: str) -> Any:
        raise ValueError("NaN and Infinity are not JSON")


def _judge_value(
    raw: bytes, text: str, value: Any, problem: _Problem | None, repeated: list[str], rules: Rules, limit: int
) -> Accepted | Rejected:
    if len(raw) > limit:
        problem = _Problem(TOO_LARGE)
    elif _ESCAPED_BYTE.search(text):
        problem = _Problem(INVALID_UTF8)
    elif problem is None and not isinstance(value, dict):
        problem = _Problem(NOT_AN_OBJECT)
    elif problem is None and repeated:
        problem = _Problem(DUPLICATED_KEY, _names(repeated))
    elif problem is None:
        rule = rule_named(rules, value["entity"]) if isinstance(value.get("entity"), str) else None
        form = None if rule is None else _form(value, rule)
        # Of no version under that name: all else that is wrong is said first, in the same order.
        problem = judge_event(value, form or (rule and replace(rule, versions=())))
        if problem is None and rule is not None and form is not None:
            return Accepted(rule.entity, canonical(value, form))
    entity, seq = _readable(value)
    assert problem is not None
    return Rejected(problem.reason, problem.fields, entity, seq, hashlib.sha256(raw).hexdigest(), len(raw))


def _readable(value: Any) -> tuple[str | None, int | None]:
    if not isinstance(value, dict):
        return None, None
    entity, seq = value.get("entity"), value.get("seq")
    return (
        entity if isinstance(entity, str) and _NAME.fullmatch(entity) else None,
        seq if isinstance(seq, int) and not isinstance(seq, bool) and 0 < seq <= MAX_SEQ else None,
    )


def _names(names: Iterable[str]) -> tuple[str, ...]:
    """Names fit to be stored: an object's key can hold a person's value, so only what looks like a column's name."""
    return tuple(sorted({name if _NAME.fullmatch(name) else "?" for name in names}))


def _form(value: dict[str, Any], rule: EntityRule) -> EntityRule | None:
    """The rule of the very version that an event names, under the name that the entity had in it."""
    return next((form for form in rule.forms if form.entity == value["entity"] and value.get("contract") in form.versions), None)


def judge_event(value: dict[str, Any], rule: EntityRule | None) -> _Problem | None:
    """The first thing in which an event breaks the rule of its version, with all fields that do, or None."""
    for name in ("entity", "op", "contract"):
        if value.get(name) is None:
            return _Problem(MISSING_FIELD, (name,))
        if not isinstance(value[name], str):
            return _Problem(WRONG_TYPE, (name,))
    if rule is None:
        return _Problem(UNKNOWN_ENTITY, ("entity",))
    if value["contract"] not in rule.versions:
        return _Problem(UNKNOWN_VERSION, ("contract",))
    writes = value["op"] in rule.writes
    if not writes and value["op"] not in rule.deletes:
        return _Problem(UNKNOWN_OP, ("op",))
    allowed = {*rule.envelope, *(("record",) if writes else ())}
    if unknown := set(value) - allowed:
        return _Problem(UNKNOWN_FIELD, _names(unknown))
    envelope = [rule.key, rule.seq, rule.committed_at]
    if rule.has_subject and (writes or value.get("subject") is not None):
        envelope.append(rule.subject)
    return _judge_fields(value, envelope) or (_judge_record(value, rule) if writes else None)


def _judge_record(value: dict[str, Any], rule: EntityRule) -> _Problem | None:
    record = value.get("record")
    if record is None:
        return _Problem(MISSING_FIELD, ("record",))
    if not isinstance(record, dict):
        return _Problem(WRONG_TYPE, ("record",))
    if unknown := set(record) - {field.name for field in rule.fields}:
        return _Problem(UNKNOWN_FIELD, _names(unknown))
    if problem := _judge_fields(record, rule.fields):
        return problem
    key = rule.fields[0].name
    if record[key] != value["key"]:
        return _Problem(DISAGREES, ("key", key))
    if rule.seq_field is not None and record[rule.seq_field] != value["seq"]:
        return _Problem(DISAGREES, ("seq", rule.seq_field))
    return None


def _judge_fields(values: dict[str, Any], fields: Sequence[FieldRule]) -> _Problem | None:
    broken: dict[str, list[str]] = {}
    for field in fields:
        reason = judge_field(values.get(field.name), field)
        if reason is not None:
            broken.setdefault(reason, []).append(field.name)
    for reason in (MISSING_FIELD, WRONG_TYPE, OUT_OF_RANGE, OUTSIDE_DOMAIN):
        if reason in broken:
            return _Problem(reason, tuple(broken[reason]))
    return None


def canonical(value: dict[str, Any], rule: EntityRule) -> str:
    """An accepted event as the publisher writes it: no spaces, wire order, every field of the contract, explicit nulls."""
    event: dict[str, Any] = {name: value.get(name) for name in rule.envelope}
    if value["op"] in rule.writes:
        event["record"] = {field.name: value["record"].get(field.name) for field in rule.fields}
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))
