"""The fast path of bronze: which raw lines are, byte for byte, what the publisher writes, told by Spark alone.

Belongs here: the language of canonical lines as one regular expression a version of an entity, and the predicates on parsed values that an expression
cannot say. Not here: lines that are written differently (`validate.py` judges those).

Sound by construction: the expression fixes every byte outside the values (so no key is repeated, missing, unknown or out of order, and
nothing follows), and each value's form; domains that are no finite list or fixed form are asked of the parsed value. It may refuse what
`validate.py` accepts, never the reverse.
"""

from __future__ import annotations

import re
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as sf

from lake_assets.transforms.fields import MAX_SEQ, PLAIN, EntityRule, FieldRule, Rules
from lake_assets.transforms.validate import MAX_VALUE_BYTES
from publisher.contracts.model import PSEUDONYM_PATTERN

_INTEGER = "(?:0|-?[1-9][0-9]{0,18})"
_DATE = "(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = _DATE + "T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"


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
    if field.type == "date":
        return f'"{_DATE}"'
    if field.type == "timestamp":
        return f'"{_TIME}"'
    if field.values is not None:
        return '"(?:' + "|".join(map(re.escape, field.values)) + ')"'
    if field.pattern == PSEUDONYM_PATTERN:
        return f'"{PSEUDONYM_PATTERN.strip("^$")}"'
    return f'"{PLAIN.pattern}"'


def parsed_schema(rules: Rules) -> str:
    """The union of all entities' lines, of all versions, with every value as text: one parse serves them all."""
    names = dict.fromkeys(field.name for rule in rules.values() for form in rule.forms for field in form.fields)
    record = ", ".join(f"`{name}`: STRING" for name in names)
    return f"entity STRING, seq STRING, committed_at STRING, record STRUCT<{record}>"


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
    found += [_allows(parsed["record"][field.name], field) for field in rule.fields]
    if rule.seq_field is not None:
        found.append(parsed["record"][rule.seq_field] == parsed["seq"])
    return [predicate for predicate in found if predicate is not None]


def _allows(text: Column, field: FieldRule) -> Column | None:
    """What the expression left open of a field; a null passes, since the expression knows where one may stand."""
    checks: list[Column] = []
    if field.type == "integer":
        number = text.try_cast("bigint")
        low = -MAX_SEQ - 1 if field.minimum is None else field.minimum
        checks.append(number.between(low, MAX_SEQ if field.maximum is None else field.maximum))
        if field.step:
            checks.append(number % field.step == 0)
    elif field.type in ("date", "timestamp"):
        checks.append(text.try_cast(field.type).isNotNull())
    if field.pattern is not None and field.pattern != PSEUDONYM_PATTERN:
        checks.append(text.rlike(rf"\A(?:{field.pattern})\z"))
    if not checks:
        return None
    return text.isNull() | sf.coalesce(reduce(Column.__and__, checks), sf.lit(False))
