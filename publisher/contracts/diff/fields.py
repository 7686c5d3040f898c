"""What a change of one field, or of one source column, means for what leaves.

Belongs here: judgements of a field's and a column's attributes. Not here: the order of derivations (derivations.py), contracts as a
whole (entities.py). Every attribute of the model has its judge here; one without would count as widening (a test lists them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields as attributes

from publisher.contracts.columns import CLASSIFICATIONS
from publisher.contracts.diff.change import Kind, compared
from publisher.contracts.diff.derivations import is_coarser
from publisher.contracts.model import Contract, Field, SourceColumn

Judged = tuple[Kind, str]


def field_changes(old: Field, new: Field) -> Iterator[Judged]:
    """Every difference of a field, judged."""
    for attribute in attributes(Field):
        was, now = getattr(old, attribute.name), getattr(new, attribute.name)
        if was == now:
            continue
        judge = FIELD_JUDGES.get(attribute.name)
        judged = judge(old, new) if judge else ("widens", f"{attribute.name} changes, and nothing here can say what that means")
        if judged is not None:
            yield judged


def column_changes(old: SourceColumn, new: SourceColumn, read: bool) -> Iterator[Judged]:
    """Every difference of a source column, judged; `read` says whether a field is derived from it."""
    for attribute in attributes(SourceColumn):
        was, now = getattr(old, attribute.name), getattr(new, attribute.name)
        if was == now:
            continue
        judge = COLUMN_JUDGES.get(attribute.name)
        kind = judge(old, new, read) if judge else "widens"
        goes = f"the source column's {COLUMN_WORDS.get(attribute.name, attribute.name)} goes from {_word(was)} to {_word(now)}"
        if attribute.name in COLUMN_TURNS:
            goes = COLUMN_TURNS[attribute.name][bool(now)]
        means = COLUMN_MEANS.get(attribute.name, _unknown)
        yield kind, f"{goes}: {means(new)}" if kind == "widens" else goes


def new_field(contract: Contract, field: Field) -> str:
    """What a field that was not there before lets out."""
    return (
        f"would newly leave: {field.derivation.reveals}, of {contract.table}.{field.derivation.column} ({field.derivation.text})"
    )


def classification_change(was: str, now: str) -> Kind:
    """A lower classification lets more people see the same."""
    if was not in CLASSIFICATIONS or now not in CLASSIFICATIONS:
        return "widens"
    lower = CLASSIFICATIONS.index(now) < CLASSIFICATIONS.index(was)
    return compared(lower, not lower)


def _derivation(old: Field, new: Field) -> Judged | None:
    was, now = old.derivation, new.derivation
    if was.text == now.text:
        return None if was.domain == now.domain else _domain(old, new)
    if was.function == now.function == "one_of" and was.column == now.column:
        return _listed(was.args, now.args)
    coarser = is_coarser(new, old)
    elsewhere = f", of {_column_of(old)}" if was.column != now.column else ""
    says = f"of {_column_of(new)} would leave: {now.reveals}. So far: {was.reveals}{elsewhere} ({was.text} becomes {now.text})"
    return compared(not coarser, coarser), says


def _listed(was: tuple[str, ...], now: tuple[str, ...]) -> Judged:
    """Two lists of values of one column: what is told is the difference, since most of them stay."""
    newly, gone = [each for each in now if each not in was], [each for each in was if each not in now]
    if newly:
        no_more = f" (no more: {', '.join(gone)})" if gone else ""
        return "widens", f"may newly be: {', '.join(newly)}{no_more}; the others stay"
    if gone:
        return "narrows", f"may be no more: {', '.join(gone)}; the others stay"
    return "neutral", "has its values in another order"


def _column_of(field: Field) -> str:
    """`customers.email`."""
    column = field.derivation.column
    return next((each for each in field.sources if each.endswith(f".{column}")), column)


def _domain(old: Field, new: Field) -> Judged | None:
    """The same call with other options: a wider range or another pattern."""
    was, now = old.derivation.domain, new.derivation.domain
    if was.kind == now.kind == "integer" and None not in (was.minimum, was.maximum, now.minimum, now.maximum):
        inside = (now.minimum or 0) >= (was.minimum or 0) and (now.maximum or 0) <= (was.maximum or 0)
        says = f"numbers from {now.minimum} to {now.maximum} leave, instead of {was.minimum} to {was.maximum}"
        return compared(not inside, inside), says
    return "widens", f"texts of the pattern {now.pattern} leave, instead of {was.pattern}"


def _classification(old: Field, new: Field) -> Judged:
    kind = classification_change(old.classification, new.classification)
    more = "fewer people may see it"
    if kind == "widens":
        more = (
            f"whoever may see what is {new.classification} would see {new.derivation.reveals}; "
            f"so far only who may see what is {old.classification}"
        )
    return kind, f"the classification goes from {old.classification} to {new.classification}: {more}"


def _k_group(old: Field, new: Field) -> Judged:
    if old.k_group is None:
        return "narrows", f"joins the group {new.k_group}: it leaves only as finely as enough people share it"
    return "widens", f"leaves the group {old.k_group}: nothing keeps it from singling a person out"


def _tags(old: Field, new: Field) -> Judged:
    lost = sorted(set(old.tags) - set(new.tags))
    if lost:
        return "widens", f"loses the tags {', '.join(lost)}, by which someone may guard it"
    return "neutral", "has other tags"


FIELD_JUDGES: dict[str, Callable[[Field, Field], Judged | None]] = {
    "derivation": _derivation,
    "classification": _classification,
    "k_group": _k_group,
    "tags": _tags,
    "domain": lambda old, new: None,  # follows from the derivation and the group
    "options": lambda old, new: None,  # judged by the domain that follows from them
    "sources": lambda old, new: None,  # always the derivation's column
    "type": lambda old, new: (
        "widens",
        f"is of the type {new.type} instead of {old.type}, which the lake's column cannot become: give the field a new name",
    ),
    "required": lambda old, new: ("neutral", "is always there" if new.required else "may be missing"),
    "description": lambda old, new: ("neutral", "is described in other words"),
}


def _word(value: object) -> str:
    return str(value or "none")


def _unknown(new: SourceColumn) -> str:
    return "nothing here can say what that means for what leaves"


def _less_classified(new: SourceColumn) -> str:
    """A column's classification is the floor of its fields', and a guard of what lets the value itself out."""
    tags = [word for word, tagged in (("encrypted", new.encrypted), ("natural-identifier", new.natural_identifier)) if tagged]
    whom = f"whoever may see what is {new.classification}"
    if tags:
        kept = (
            f"only its tag{'s' if len(tags) > 1 else ''} {' and '.join(tags)} keep{'' if len(tags) > 1 else 's'} the value itself"
        )
        return f"what is derived from it may then be shown to {whom}, and {kept} from leaving by copy, one_of or truncate"
    return f"copy, one_of and truncate may then let its value out to {whom}"


def _not_encrypted(new: SourceColumn) -> str:
    kept = "" if not new.natural_identifier else ", once it is no natural identifier"
    return f"the publisher takes it as it stands, without a key, so its value lies open in the outbox, and copy, rounded and truncate may then let it out{kept}"


COLUMN_WORDS = {"references": "pointer to another table's key", "physical_type": "type in the database"}
COLUMN_TURNS = {
    "encrypted": ("the application would no longer encrypt it", "the application encrypts it from now on"),
    "required": ("the source column may be empty", "the source column is always there"),
    "natural_identifier": ("it would no longer count as a natural identifier", "it counts as a natural identifier from now on"),
    "surrogate": ("it no longer counts as an id that the platform made up", "it would count as an id that the platform made up"),
}
"""Of what is yes or no: in words, when it becomes no, and when it becomes yes."""
COLUMN_MEANS: dict[str, Callable[[SourceColumn], str]] = {
    "type": lambda new: "its values are read in another way, so its fields may say something that nobody has looked at",
    "encrypted": _not_encrypted,
    "classification": _less_classified,
    "natural_identifier": lambda new: (
        "copy, rounded, truncate and one_of may then let its value out, and pseudonym may make codes of it that can be guessed, since it points to a person"
    ),
    "surrogate": lambda new: (
        "pseudonym may then make codes of it; if it means anything outside, whoever has the key finds its values by trying them"
    ),
}
"""What may leave, or be seen, where a column's attribute widens."""
COLUMN_JUDGES: dict[str, Callable[[SourceColumn, SourceColumn, bool], Kind]] = {
    "type": lambda old, new, read: "widens" if read else "neutral",
    "physical_type": lambda old, new, read: "neutral",
    "encrypted": lambda old, new, read: compared(not new.encrypted, new.encrypted),
    "required": lambda old, new, read: "neutral",
    "classification": lambda old, new, read: classification_change(old.classification, new.classification),
    "natural_identifier": lambda old, new, read: compared(not new.natural_identifier, new.natural_identifier),
    "surrogate": lambda old, new, read: compared(new.surrogate, not new.surrogate),
    "description": lambda old, new, read: "neutral",
    "references": lambda old, new, read: "neutral",
}
