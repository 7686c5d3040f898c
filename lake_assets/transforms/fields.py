"""What one value of an event may be, and what the events of an entity look like.

Belongs here: rules as data, and judging a single value. Not here: JSON and whole events (`validate.py`), contracts (`rules.py`). Sent to
Spark's workers with `validate.py`: the standard library only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

MISSING_FIELD = "missing required field"
WRONG_TYPE = "wrong type"
OUT_OF_RANGE = "out of range"
OUTSIDE_DOMAIN = "outside domain"

MAX_SEQ = (1 << 63) - 1
MAX_INTEGER_DIGITS = 20

DATE = re.compile(r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}")
TIMESTAMP = re.compile(r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
PLAIN = re.compile(r"[ !#-\[\]-~]*")
"""What any text of a contract is made of: printable ASCII without quote and backslash, so that JSON writes it one way only."""


@dataclass(frozen=True)
class FieldRule:
    """What one value may be. `type` is string, boolean, integer, date or timestamp; the rest narrows it."""

    name: str
    type: str
    required: bool = True
    values: tuple[str, ...] | None = None
    pattern: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    step: int | None = None


@dataclass(frozen=True)
class EntityRule:
    """What an event of one entity looks like on the wire. The first of `fields` repeats the envelope's key.

    `former` say the same of released versions that look otherwise, the newest first: each event is judged by the version that it names. A
    former one may be of another name, which the entity had then.
    """

    entity: str
    versions: tuple[str, ...]
    writes: tuple[str, ...]
    deletes: tuple[str, ...]
    has_subject: bool
    key: FieldRule
    subject: FieldRule
    seq: FieldRule
    committed_at: FieldRule
    fields: tuple[FieldRule, ...]
    seq_field: str | None = None
    former: tuple[EntityRule, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    """Of what the publisher tells of entities: the names that some had, each with the one that it has now."""

    @property
    def forms(self) -> tuple[EntityRule, ...]:
        """The rule of every version, the one in force first."""
        return (self, *self.former)

    @property
    def envelope(self) -> tuple[str, ...]:
        """The names of the envelope, in wire order, without `record`."""
        subject = ("subject",) if self.has_subject else ()
        return ("entity", "op", "key", "seq", *subject, "committed_at", "contract")


Rules = dict[str, EntityRule]
"""By the name that an entity has now."""


def rule_named(rules: Rules, name: str) -> EntityRule | None:
    """The rule of the entity that has this name, or had it."""
    known = rules.get(name)
    return known or next((rule for rule in rules.values() if any(form.entity == name for form in rule.former)), None)


class Number:
    """A number that is no contract integer: a fraction, an exponent, or more digits than any integer here has."""

    def __init__(self, text: str) -> None:
        digits = text.lstrip("-")
        self.integral = digits.isdigit()


def judge_field(value: Any, rule: FieldRule) -> str | None:
    """The reason that a field's value is refused, or None."""
    if value is None:
        return MISSING_FIELD if rule.required else None
    if rule.type == "boolean":
        return None if isinstance(value, bool) else WRONG_TYPE
    if rule.type == "integer":
        return _judge_integer(value, rule)
    if not isinstance(value, str):
        return WRONG_TYPE
    return None if _in_domain(value, rule) else OUTSIDE_DOMAIN


def _in_domain(text: str, rule: FieldRule) -> bool:
    if rule.type == "date" and not _is_date(text):
        return False
    if rule.type == "timestamp" and not _is_timestamp(text):
        return False
    if not PLAIN.fullmatch(text) or (rule.values is not None and text not in rule.values):
        return False
    return rule.pattern is None or re.compile(rule.pattern, re.ASCII).fullmatch(text) is not None


def _judge_integer(value: Any, rule: FieldRule) -> str | None:
    if isinstance(value, Number):
        return OUT_OF_RANGE if value.integral else WRONG_TYPE
    if not isinstance(value, int) or isinstance(value, bool):
        return WRONG_TYPE
    low = -MAX_SEQ - 1 if rule.minimum is None else rule.minimum
    high = MAX_SEQ if rule.maximum is None else rule.maximum
    if not low <= value <= high:
        return OUT_OF_RANGE
    return OUTSIDE_DOMAIN if rule.step and value % rule.step else None


def _is_date(text: str) -> bool:
    if not DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_timestamp(text: str) -> bool:
    if not TIMESTAMP.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
