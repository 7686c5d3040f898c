"""What a change of one contract means for what leaves.

Belongs here: judgements of a contract's attributes, and of what comes and goes. Not here: fields (fields.py), approvals.
Every attribute of the model has its judge here; one without would count as widening (a test lists them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields as attributes
from datetime import timedelta

from publisher.contracts.diff.change import Change, Kind, compared
from publisher.contracts.diff.fields import Judged, column_changes, field_changes, new_field
from publisher.contracts.kgroups import groups_of
from publisher.contracts.model import Contract

FINENESS = ("hour", "minute", "second")
ELSEWHERE = frozenset({"entity", "file", "lines", "version", "fields", "columns", "withheld"})
"""Attributes that are names or places, or that have functions of their own below."""


def contract_changes(old: Contract, new: Contract) -> list[Change]:
    """Every difference between two contracts of an entity, judged."""
    changes = [*_attributes(old, new), *_fields(old, new), *_groups(old, new), *_columns(old, new), *_withheld(old, new)]
    return [*changes, *_version(old, new, changes)]


def new_entity(contract: Contract) -> list[Change]:
    """An entity that had no contract: everything about it leaves newly."""
    whole = Change(
        "widens", contract.entity, "", f"would newly leave: {contract.description or 'records of it'}", contract.file, 1
    )
    return [whole, *(_of_field(contract, "widens", field.name, new_field(contract, field)) for field in contract.fields)]


def gone_entity(contract: Contract) -> list[Change]:
    """An entity that loses its contract."""
    return [Change("narrows", contract.entity, "", "leaves no more: it has no contract", contract.file)]


def _of_field(contract: Contract, kind: Kind, name: str, says: str) -> Change:
    return Change(kind, contract.entity, name, says, contract.file, contract.line(f"fields.{name}"))


def _attributes(old: Contract, new: Contract) -> Iterator[Change]:
    for attribute in attributes(Contract):
        name = attribute.name
        was, now = getattr(old, name), getattr(new, name)
        if name in ELSEWHERE or was == now or (name == "subject_namespace" and old.subject != new.subject):
            continue
        judge = JUDGES.get(name)
        kind, says = judge(old, new) if judge else ("widens", f"{name} changes, and nothing here can say what that means")
        yield Change(kind, new.entity, PLACES.get(name, name), says, new.file, new.line(PLACES.get(name, name)))


def _fields(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = {f.name: f for f in old.fields}, {f.name: f for f in new.fields}
    for name, field in after.items():
        if name not in before:
            yield _of_field(new, "widens", name, new_field(new, field))
        else:
            yield from (_of_field(new, kind, name, says) for kind, says in field_changes(before[name], field))
    for name, field in before.items():
        if name not in after:
            yield Change("narrows", new.entity, name, f"leaves no more: {field.derivation.text}", new.file)
    if [name for name in after if name in before] != [name for name in before if name in after]:
        yield Change("neutral", new.entity, "", "has its fields in another order", new.file)


def _groups(old: Contract, new: Contract) -> Iterator[Change]:
    """A k-group's make-up: what is known of a combination counts for this very make-up only (risk/store.py), so under another one all begins anew.

    Also where its fields say less: a step less in the chain, or a field less in the combinations, and whoever was alone leaves with others, more finely.
    """
    # A former contract may have a pseudonym in a group, which is refused today and has no steps.
    coded = any(field.k_group and field.derivation.function == "pseudonym" for field in old.fields)
    before = {} if coded else {group.name: group.definition for group in groups_of(old)}
    for group in groups_of(new):
        if group.name in old.k_groups and before.get(group.name) != group.definition:
            says = (
                f"people are put into groups of at least {group.k} who say the same by other rules (the k-group {group.name}): somebody of whom little was "
                "said so far may leave in more detail, beside what left before, and stand out by the two together. Keep its fields, their order and their "
                "derivations, or look at the groups with `publisher risk --dry-run` and have it approved"
            )
            yield Change("widens", new.entity, "kGroup", says, new.file, new.line(f"fields.{group.fields[0].name}"))


def _columns(old: Contract, new: Contract) -> Iterator[Change]:
    read = {field.derivation.column for field in new.fields}
    for name, column in new.columns.items():
        place = new.line(f"columns.{name}")
        if name not in old.columns:
            how = "released in part" if name in read else "withheld"
            yield Change("neutral", new.entity, name, f"the platform has a new column, which is {how}", new.file, place)
        else:
            for kind, says in column_changes(old.columns[name], column, name in read):
                yield Change(kind, new.entity, name, says, new.file, place)
    for name in old.columns:
        if name not in new.columns:
            yield Change("neutral", new.entity, name, "the platform no longer has this column", new.file)


def _withheld(old: Contract, new: Contract) -> Iterator[Change]:
    for name in old.withheld:
        if name in new.columns and name not in new.withheld:
            says = "is withheld no more: something of it would leave"
            yield Change("widens", new.entity, name, says, new.file, new.line("withheld"))
    for name in new.withheld:
        if name in old.columns and name not in old.withheld:
            yield Change("narrows", new.entity, name, "is withheld from now on", new.file, new.line("withheld"))


def number_of(contract: Contract) -> tuple[int, ...]:
    """A contract's version, so that 1.10.0 comes after 1.9.0."""
    return tuple(int(part) for part in contract.version.split("."))


def _version(old: Contract, new: Contract, changes: list[Change]) -> Iterator[Change]:
    was, now = number_of(old), number_of(new)
    if now < was:
        says = (
            f"goes back from {old.version} to {new.version}: nobody could tell which content a version means. Write a higher one"
        )
        yield Change("widens", new.entity, "version", says, new.file, new.line("version"))
    elif now == was and any(change.kind != "neutral" for change in changes):
        says = f"stays {new.version} although the contract changes: readers could not tell the two apart. Write a higher one"
        yield Change("widens", new.entity, "version", says, new.file, new.line("version"))
    elif now > was:
        yield Change("neutral", new.entity, "version", f"{old.version} becomes {new.version}", new.file, new.line("version"))


def _longer(days: str, what: str, longer: str) -> Callable[[Contract, Contract], Judged]:
    def judge(old: Contract, new: Contract) -> Judged:
        was, now = getattr(old, days), getattr(new, days)
        says = f"{what} {now} days{_years(now)} instead of {was}{_years(was)}"
        return compared(now > was, now < was), says + (f": {longer}" if now > was else "")

    return judge


def _years(days: int) -> str:
    """` (20 years)` of what nobody counts in days."""
    return f" ({days / 365:.1f} years)".replace(".0 ", " ") if days >= 2 * 365 else ""


def _k(old: Contract, new: Contract) -> Judged:
    if new.k is None:
        return "widens", "k is gone: nothing keeps a group of fields from singling a person out"
    finer = (old.k or 0) > new.k
    what = "values would leave" if finer else "values leave only"
    people = f"{what} that as few as {new.k} people share, instead of {old.k or 'any number'}"
    return compared(finer, (old.k or 0) < new.k), people + (
        ": the fewer they are, the nearer somebody is to being one of them" if finer else ""
    )


def _precision(old: Contract, new: Contract) -> Judged:
    finer = FINENESS.index(new.precision) > FINENESS.index(old.precision)
    return compared(finer, not finer), f"the time of each event leaves to the {new.precision} instead of the {old.precision}"


def _key_version(old: Contract, new: Contract) -> Judged:
    says = f"all codes are made under key {new.key_version} instead of {old.key_version}: every row leaves anew, and joins with none of before"
    return compared(new.key_version < old.key_version, False), says


def _subject(old: Contract, new: Contract) -> Judged:
    if not new.subject:
        return "widens", "no person is named any more: an erasure would not find these events"
    return (
        "widens",
        "the way to the person changes: events would carry another code, and earlier ones may not be found by an erasure",
    )


def _renamed(old: Contract, new: Contract) -> Judged:
    if new.renamed_from == old.entity:
        return "neutral", f"is renamed from {old.entity}: the lake takes over what it holds under that name"
    if new.renamed_from is None:
        return "neutral", f"no longer says that it was renamed from {old.renamed_from}"
    return "widens", f"takes over what the lake holds of {new.renamed_from}"


def _minutes(span: timedelta) -> str:
    return f"{int(span.total_seconds() // 60)} minutes"


PLACES = {
    "precision": "committedAtPrecision",
    "subject_namespace": "subject",
    "key_column": "fields.id",
    "key_namespace": "fields.id",
    "retention_days": "retention",
    "erasure_days": "erasure",
    "key_version": "pseudonymKey",
    "renamed_from": "renamedFrom",
}
"""What an attribute is called in the file, where that differs."""

JUDGES: dict[str, Callable[[Contract, Contract], Judged]] = {
    "description": lambda old, new: ("neutral", "is described in other words"),
    "purpose": lambda old, new: (
        "widens",
        f"the purpose becomes: {new.purpose.rstrip('.')}, instead of: {old.purpose.rstrip('.')}. What was collected for one purpose may not serve another",
    ),
    "limitations": lambda old, new: (
        "widens",
        f"the limitations become: {new.limitations or 'none'}".rstrip(".") + f", instead of: {old.limitations or 'none'}",
    ),
    "owner": lambda old, new: ("neutral", f"{new.owner} answers for the data, instead of {old.owner}"),
    "table": lambda old, new: ("widens", f"the table {new.table} is read instead of {old.table}"),
    "key_column": lambda old, new: ("widens", f"the key comes from {new.key_column} instead of {old.key_column}"),
    "key_namespace": lambda old, new: ("widens", f"the key's codes join with {new.key_namespace} instead of {old.key_namespace}"),
    "subject": _subject,
    "subject_namespace": _subject,
    "precision": _precision,
    "freshness": lambda old, new: ("neutral", f"is fresh within {_minutes(new.freshness)} instead of {_minutes(old.freshness)}"),
    "retention_days": _longer("retention_days", "is kept for", "what left stays readable in the lake for so much longer"),
    "erasure_days": _longer(
        "erasure_days",
        "an erasure may take",
        "what left of a person who wants it gone stays readable in the lake for so much longer",
    ),
    "k": _k,
    "key_version": _key_version,
    "renamed_from": _renamed,
}
