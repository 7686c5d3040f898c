"""The fast path of bronze: which raw lines are, byte for byte, what the publisher writes, told by Spark alone.

Belongs here: the language of canonical lines as one regular expression a version of an entity, and the predicates on parsed values that an expression
cannot say. Not here: lines that are written differently (`validate.py` judges those).

Sound by construction: the expression fixes every byte outside the values (so no key is repeated, missing, unknown or out of order, and
nothing follows), and each value's form, that a date exists among it; ranges, and patterns that could reach over a value's end, are asked of the
parsed value. It may refuse what `validate.py` accepts, never the reverse.
"""

from __future__ import annotations

import re
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as sf

from lake_assets.transforms.fields import MAX_SEQ, PLAIN, EntityRule, FieldRule, Rules
from lake_assets.transforms.validate import MAX_VALUE_BYTES
from publisher.contracts.model import PSEUDONYM_PATTERN

_INTEGER = "(?:0|-?[1-9][0-9]{0,17})"
"""One digit fewer than 64 bits hold, so that none is too large to be parsed as a number; a longer one is judged by the validator."""

_LEAP = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DATE = (
    "(?!0000)(?:[0-9]{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    f"|{_LEAP}-02-29)"
)
_TIME = _DATE + "T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"
_NARROWED = re.compile(r"\^(?:\[(?:[0-9]-[0-9]|[0-9-])+\](?:\{[0-9]+\})?|[0-9TZ:-])+\$")
"""Patterns of dates and times that can be asked before the value's quote: nothing in them matches one."""


def line_pattern(rule: EntityRule) -> str:
    """The regular expression of an entity's canonical lines, for Java and Python alike."""
    record = ",".join(_member(field, r"\1" if field is rule.fields[0] else None) for field in rule.fields)
    writes = _envelope(rule, rule.writes, nullable_subject=False, group=True) + r',"record":\{' + record + r"\}"
    forms = [writes]
    if rule.deletes:
        forms.append(_envelope(rule, rule.deletes, nullable_subject=True, group=False))
    return r"\A\{" + rf'"entity":"{rule.entity}",(?:' + "|".join(forms) + r")\}\z"


def _envelope(rule: EntityRule, ops: tuple[str, ...], *, nullable_subject: bool, group: bool) -> str:
    key = _quoted(rule.key)
    parts = [
        '"op":"(?:' + "|".join(ops) + ')"',
        f'"key":({key})' if group else f'"key":{key}',
        _member(rule.seq),
    ]
    if rule.has_subject:
        subject = _quoted(rule.subject)
        parts.append(f'"subject":(?:{subject}|null)' if nullable_subject else f'"subject":{subject}')
    parts += [_member(rule.committed_at), '"contract":"(?:' + "|".join(map(re.escape, rule.versions)) + ')"']
    return ",".join(parts)


def _member(field: FieldRule, form: str | None = None) -> str:
    form = form or _form(field)
    return f'"{field.name}":' + (form if field.required else f"(?:{form}|null)")


def _form(field: FieldRule) -> str:
    if field.type == "integer":
        return _INTEGER
    if field.type == "boolean":
        return "(?:true|false)"
    return _quoted(field)


def _quoted(field: FieldRule) -> str:
    if field.type in ("date", "timestamp"):
        narrowed = f'(?={field.pattern.strip("^$")}")' if field.pattern and not _has_open_pattern(field) else ""
        return f'"{narrowed}{_DATE if field.type == "date" else _TIME}"'
    if field.values is not None:
        return '"(?:' + "|".join(map(re.escape, field.values)) + ')"'
    if field.pattern == PSEUDONYM_PATTERN:
        return f'"{PSEUDONYM_PATTERN.strip("^$")}"'
    return f'"{PLAIN.pattern}"'


def parsed_schema(rules: Rules) -> str:
    """The union of what is asked of all entities' parsed lines, of all versions: one parse serves them all.

    Only that, and numbers as numbers: to give a number or a boolean as text Spark makes a JSON writer for each, and to parse every field so
    took more than two thirds of the time that a line's check took.
    """
    asked: dict[str, str] = {}
    for form in (form for rule in rules.values() for form in rule.forms):
        for field in form.fields:
            if _is_asked(field, form):
                kind = "BIGINT" if field.type == "integer" else "STRING"
                asked[field.name] = kind if asked.get(field.name, kind) == kind else "STRING"
    record = ", ".join(f"`{name}`: {kind}" for name, kind in asked.items())
    return f"seq BIGINT, committed_at STRING, record STRUCT<{record}>"


def _is_asked(field: FieldRule, rule: EntityRule) -> bool:
    return field.name == rule.seq_field or field.type == "integer" or _has_open_pattern(field)


def _has_open_pattern(field: FieldRule) -> bool:
    """Whether a field's pattern is not part of the expression."""
    if field.pattern in (None, PSEUDONYM_PATTERN):
        return False
    return field.type not in ("date", "timestamp") or not _NARROWED.fullmatch(str(field.pattern))


def entity_of(line: Column) -> Column:
    """The entity that a canonical line names; the empty text for any other line."""
    return sf.regexp_extract(line, r'\A\{"entity":"([a-z_][a-z0-9_]*)"', 1)


def present_name(entity: Column, rules: Rules) -> Column:
    """The name that an entity has now, of the one that a line names."""
    former = {form.entity: rule.entity for rule in rules.values() for form in rule.former if form.entity != rule.entity}
    for was, now in former.items():
        entity = sf.when(entity == was, now).otherwise(entity)
    return entity


def is_canonical(line: Column, entity: Column, parsed: Column, rules: Rules) -> Column:
    """Whether a line is an event of `entity`, exactly as the publisher writes it and inside its domains. Never null."""
    by_name: dict[str, list[Column]] = {}
    for rule in rules.values():
        # The version in force first: a line of it is asked no more, so former ones cost those lines nothing.
        for form in rule.forms:
            matches = line.rlike(line_pattern(form)) & reduce(Column.__and__, _predicates(parsed, form), sf.lit(True))
            by_name.setdefault(form.entity, []).append(matches)
    outcome: Column = sf.lit(False)
    for name, forms in by_name.items():
        outcome = sf.when(entity == name, reduce(Column.__or__, forms)).otherwise(outcome)
    return sf.coalesce((sf.octet_length(line) <= MAX_VALUE_BYTES) & outcome, sf.lit(False))


def _predicates(parsed: Column, rule: EntityRule) -> list[Column]:
    found = [_allows(parsed["seq"], rule.seq), _allows(parsed["committed_at"], rule.committed_at)]
    found += [_allows(parsed["record"][field.name], field) for field in rule.fields if _is_asked(field, rule)]
    if rule.seq_field is not None:
        found.append(parsed["record"][rule.seq_field].try_cast("bigint") == parsed["seq"])
    return [predicate for predicate in found if predicate is not None]


def _allows(value: Column, field: FieldRule) -> Column | None:
    """What the expression left open of a field; a null passes, since the expression knows where one may stand."""
    checks: list[Column] = []
    if field.type == "integer":
        low = -MAX_SEQ - 1 if field.minimum is None else field.minimum
        value = value.try_cast("bigint")  # a name that is text in another entity is parsed as text
        checks.append(value.between(low, MAX_SEQ if field.maximum is None else field.maximum))
        if field.step:
            checks.append(value % field.step == 0)
    elif _has_open_pattern(field):
        checks.append(value.rlike(rf"\A(?:{field.pattern})\z"))
    if not checks:
        return None
    return value.isNull() | sf.coalesce(reduce(Column.__and__, checks), sf.lit(False))
