"""Derivations that keep the value, replace it one to one, or say only that it is there.

Belongs here: copy, one_of, pseudonym, present. Not here: what makes a value coarser (numbers.py, coarse.py).
"""

from __future__ import annotations

import re
from datetime import date

from publisher.contracts.model import PSEUDONYM_PATTERN, Domain, FieldType, SourceColumn
from publisher.contracts.patterns import refusal
from publisher.contracts.vocabulary.base import RANGE, Derive, Function, Refusal, Use, check_range, no_arguments, within
from publisher.errors import RuleBroken

NAMESPACE = re.compile(r"[a-z][a-z0-9_]*")
LISTED_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
COPYABLE = frozenset({"public", "internal"})


class Copy(Function):
    name, signature, reveal_rank = "copy", "copy(column)", 5
    inputs = frozenset({"string", "boolean", "integer", "date"})
    of_encrypted = of_natural_identifier = False

    def options(self, column: SourceColumn) -> frozenset[str]:
        return {"string": frozenset({"pattern"}), "integer": RANGE}.get(column.type, frozenset())

    def refuse_column(self, column: SourceColumn) -> list[Refusal]:
        refused = super().refuse_column(column)
        if not refused and column.classification not in COPYABLE:
            message = f"{self.would_let_out(column)}, and it is classified {column.classification}"
            return [(message, "Derive from it (present, band, truncate, …) or list it in withheld")]
        return refused

    def check_arguments(self, use: Use) -> list[Refusal]:
        column, found = use.column, no_arguments(self, use)
        if column.type == "integer":
            found += check_range(use.options)
        if column.type == "string":
            remedy = (
                "Write logicalTypeOptions: {pattern: '^[A-Z]{2}[0-9]{1,6}$'}, from characters, classes and bounded repetitions"
            )
            if "pattern" not in use.options:
                found.append(("copy of a text without a pattern would let any text leave", remedy))
            elif reason := refusal(str(use.options["pattern"])):
                found.append((reason, remedy))
        return found

    def output(self, use: Use) -> FieldType:
        return "date" if use.column.type == "timestamp" else use.column.type

    def domain(self, use: Use) -> Domain:
        if use.column.type == "string":
            return Domain("pattern", pattern=str(use.options["pattern"]))
        if use.column.type == "integer":
            return Domain("integer", minimum=use.options["minimum"], maximum=use.options["maximum"])
        return Domain("date" if use.column.type == "date" else "boolean")

    def derive(self, use: Use) -> Derive:
        if use.column.type == "string":
            return _matching(str(use.options["pattern"]))
        if use.column.type == "integer":
            return within(use.options)
        return date.isoformat if use.column.type == "date" else bool

    def reveals(self, use: Use) -> str:
        return "the value itself"


class OneOf(Function):
    name, signature, reveal_rank = "one_of", "one_of(column, value, …)", 5
    inputs = frozenset({"string"})
    of_natural_identifier = False

    def check_arguments(self, use: Use) -> list[Refusal]:
        if len(use.args) < 2 or len(set(use.args)) != len(use.args) or not all(LISTED_VALUE.fullmatch(a) for a in use.args):
            remedy = f"Write one_of({use.column.name}, open, closed): letters, digits, _ . and -"
            return [("one_of takes two or more different plain words", remedy)]
        return []

    def output(self, use: Use) -> FieldType:
        return "string"

    def domain(self, use: Use) -> Domain:
        return Domain("enum", values=tuple(use.args))

    def derive(self, use: Use) -> Derive:
        allowed = frozenset(use.args)

        def pick(value: str) -> str:
            if value not in allowed:
                raise RuleBroken("not one of the values that the contract lists")
            return value

        return pick

    def reveals(self, use: Use) -> str:
        return f"which of these it is: {', '.join(use.args)}"


class Pseudonym(Function):
    name, signature, reveal_rank, lowers = "pseudonym", "pseudonym(column, namespace)", 1, 1
    inputs = frozenset({"string", "integer"})
    of_encrypted = False
    lets_out, and_then = (
        "a code of each row's {column} leave",
        "whoever has the key of codes could find its values by trying them",
    )

    def refuse_column(self, column: SourceColumn) -> list[Refusal]:
        if column.natural_identifier:
            message = (
                f"{column.name} is a natural identifier: all its possible values can be hashed in minutes should the key leak"
            )
            return [(message, "Release present(…) or a band of it, and a pseudonym of the surrogate id")]
        if not column.surrogate:
            remedy = "Tag the source column `surrogate-id` if the platform made the id up; else derive something else"
            return [(f"a pseudonym is for surrogate ids, and {column.name} is not tagged as one", remedy)]
        return super().refuse_column(column)

    def check_arguments(self, use: Use) -> list[Refusal]:
        if len(use.args) != 1 or not NAMESPACE.fullmatch(use.args[0]):
            return [("pseudonym takes one namespace", f"Write pseudonym({use.column.name}, customer)")]
        return []

    def output(self, use: Use) -> FieldType:
        return "string"

    def domain(self, use: Use) -> Domain:
        return Domain("pattern", pattern=PSEUDONYM_PATTERN)

    def derive(self, use: Use) -> Derive:
        raise NotImplementedError("a pseudonym needs the platform's key: release.py binds it")

    def reveals(self, use: Use) -> str:
        return "a code that stands for it, the same each time, which only the platform can lead back"


class Present(Function):
    name, signature, reveal_rank, lowers = "present", "present(column)", 0, 2
    inputs = frozenset({"string", "boolean", "integer", "date", "timestamp"})
    of_null = False

    def check_arguments(self, use: Use) -> list[Refusal]:
        return no_arguments(self, use)

    def output(self, use: Use) -> FieldType:
        return "boolean"

    def domain(self, use: Use) -> Domain:
        return Domain("boolean")

    def derive(self, use: Use) -> Derive:
        return lambda value: bool(value.strip()) if isinstance(value, str) else True

    def reveals(self, use: Use) -> str:
        return "only whether there is one: yes or no"


def _matching(pattern: str) -> Derive:
    compiled = re.compile(pattern)

    def matched(value: str) -> str:
        if not compiled.fullmatch(value):
            raise RuleBroken("does not match the contract's pattern")
        return value

    return matched
