"""The closed vocabulary of derivations: every way in which a column may influence what leaves.

Belongs here: each function's types, domain, refusal rules and pure implementation. Not here: reading contracts (load.py),
decrypting and encoding (release.py). Nothing is evaluated: `transformLogic` is parsed and looked up in FUNCTIONS.

Derivations are pure. The same row gives the same record on any day, otherwise values would change without a write and no
digest of the table could ever agree with the lake's.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any, ClassVar

from publisher.contracts.model import ColumnType, Domain, FieldType, SourceColumn
from publisher.errors import RuleBroken

CALL = re.compile(r"([a-z_]+)\(\s*([a-z_][a-z0-9_]*)\s*((?:,\s*[A-Za-z0-9_.-]+\s*)*)\)")
NAMESPACE = re.compile(r"[a-z][a-z0-9_]*")
ENUM_VALUE = re.compile(r"[a-z0-9][a-z0-9_.-]*")
UK_POSTCODE = re.compile(r"([A-Z]{1,2})[0-9][0-9A-Z]? ?[0-9][A-Z]{2}")
FIRST_BIRTH_YEAR, LAST_BIRTH_YEAR = 1900, 2099
COPYABLE = frozenset({"public", "internal"})

Options = Mapping[str, Any]
Derive = Callable[[Any], "str | int | bool"]
"""From a column's non-null value to the field's value. Raises RuleBroken, whose text names the rule and no value."""


class Function(ABC):
    """One way to derive a field from a column.

    `reveal_rank` orders how much of the value can be seen: 0 nothing but its existence, 5 all of it.
    """

    name: ClassVar[str]
    signature: ClassVar[str]
    inputs: ClassVar[frozenset[ColumnType]]
    reveal_rank: ClassVar[int]
    of_null: ClassVar[bool | None] = None

    @abstractmethod
    def output(self, args: Sequence[str]) -> FieldType:
        """The field's type."""

    @abstractmethod
    def check(self, column: SourceColumn, args: Sequence[str], options: Options) -> list[tuple[str, str]]:
        """What is wrong with this use, as (message, remedy); empty when nothing is."""

    @abstractmethod
    def domain(self, args: Sequence[str], options: Options) -> Domain:
        """The values that can come out."""

    @abstractmethod
    def derive(self, args: Sequence[str], options: Options) -> Derive:
        """The function itself, with its arguments bound."""

    @abstractmethod
    def reveals(self, column: str, args: Sequence[str]) -> str:
        """What a reader of the field learns, in words for a person who is no engineer."""


class Copy(Function):
    name, signature, reveal_rank = "copy", "copy(column)", 5
    inputs = frozenset({"string", "boolean", "integer", "date"})

    def output(self, args: Sequence[str]) -> FieldType:
        return "string"  # overridden by the column's own type, see field_type()

    def check(self, column: SourceColumn, args: Sequence[str], options: Options) -> list[tuple[str, str]]:
        found = _no_args(self, args)
        if column.encrypted or column.classification not in COPYABLE:
            found.append(
                (
                    f"copy would release {column.name} as it is, and it is classified {column.classification}",
                    "Derive from it (present, band, truncate, …) or list it in withheld",
                )
            )
        if column.type == "string" and "pattern" not in options:
            found.append(
                ("copy of a text without a pattern would let any text leave", "Write logicalTypeOptions: {pattern: '^…$'}")
            )
        if column.type == "integer":
            found += _needs_range(options)
        return found

    def domain(self, args: Sequence[str], options: Options) -> Domain:
        if "pattern" in options:
            return Domain("pattern", pattern=str(options["pattern"]))
        if "minimum" in options:
            return _integer_domain(options)
        return Domain("boolean")  # overridden for dates, see domain_of()

    def derive(self, args: Sequence[str], options: Options) -> Derive:
        if "pattern" in options:
            return _matching(str(options["pattern"]))
        if "minimum" in options:
            return _within(options)
        return lambda value: value.isoformat() if isinstance(value, date) else value

    def reveals(self, column: str, args: Sequence[str]) -> str:
        return "the value itself"


class Present(Function):
    name, signature, reveal_rank = "present", "present(column)", 0
    inputs = frozenset({"string", "boolean", "integer", "date", "timestamp"})
    of_null = False

    def output(self, args: Sequence[str]) -> FieldType:
        return "boolean"

    def check(self, column: SourceColumn, args: Sequence[str], options: Options) -> list[tuple[str, str]]:
        return _no_args(self, args)

    def domain(self, args: Sequence[str], options: Options) -> Domain:
        return Domain("boolean")

    def derive(self, args: Sequence[str], options: Options) -> Derive:
        return lambda value: bool(value.strip()) if isinstance(value, str) else True

    def reveals(self, column: str, args: Sequence[str]) -> str:
        return "only whether there is one: yes or no"


class Pseudonym(Function):
    name, signature, reveal_rank = "pseudonym", "pseudonym(column, namespace)", 1
    inputs = frozenset({"string", "integer"})

    def output(self, args: Sequence[str]) -> FieldType:
        return "string"

    def check(self, column: SourceColumn, args: Sequence[str], options: Options) -> list[tuple[str, str]]:
        found = []
        if len(args) != 1 or not NAMESPACE.fullmatch(args[0]):
            found.append(("pseudonym takes one namespace", f"Write pseudonym({column.name}, customer)"))
        if column.natural_identifier:
            found.append(
                (
                    f"{column.name} is a natural identifier: all of its possible values can be hashed in minutes should the key leak",
                    "Release present(…) or a band of it, and a pseudonym of the surrogate id",
                )
            )
        elif not column.surrogate:
            found.append(
                (
                    f"a pseudonym is for surrogate ids, and {column.name} is not tagged as one",
                    "Tag the source column `surrogate` if the platform made the id up; else derive something else",
                )
            )
        return found

    def domain(self, args: Sequence[str], options: Options) -> Domain:
        return Domain("pattern", pattern="^[0-9a-f]{32}$")

    def derive(self, args: Sequence[str], options: Options) -> Derive:
        raise NotImplementedError("a pseudonym needs the platform's key: release.py binds it")

    def reveals(self, column: str, args: Sequence[str]) -> str:
        return "a code that stands for it, the same each time, which only the platform can lead back"


class BirthBand(Function):
    name, signature, reveal_rank = "birth_band", "birth_band(column, years)", 2
    inputs = frozenset({"date"})

    def output(self, args: Sequence[str]) -> FieldType:
        return "string"

    def check(self, column: SourceColumn, args: Sequence[str], options: Options) -> list[tuple[str, str]]:
        if len(args) != 1 or args[0] not in {"5", "10", "20", "25", "50"}:
            return [("birth_band takes a width of 5, 10, 20, 25 or 50 years", f"Write birth_band({column.name}, 10)")]
        return []

    def domain(self, args: Sequence[str], options: Options) -> Domain:
        width = int(args[0])
        return Domain("enum", values=tuple(f"{y}-{y + width - 1}" for y in range(FIRST_BIRTH_YEAR, LAST_BIRTH_YEAR + 1, width)))

    def derive(self, args: Sequence[str], options: Options) -> Derive:
        width = int(args[0])

        def band(value: date) -> str:
            if not FIRST_BIRTH_YEAR <= value.year <= LAST_BIRTH_YEAR:
                raise RuleBroken(f"a year of birth outside {FIRST_BIRTH_YEAR} to {LAST_BIRTH_YEAR}")
            start = value.year - value.year % width
            return f"{start}-{start + width - 1}"

        return band

    def reveals(self, column: str, args: Sequence[str]) -> str:
        return f"the {args[0]} years in which it falls, such as {1980}-{1980 + int(args[0]) - 1}"


class Band(Function):
    """Edges are the first value of each band: band(x, 0, 500) gives "<0", "0-499" and "500+"."""

    name, signature, reveal_rank = "band", "band(column, edge, …)", 2
    inputs = frozenset({"integer"})

    def output(self, args: Sequence[str]) -> FieldType:
        return "string"

    def check(self, column: SourceColumn, args: Sequence[str], options: Options) -> list[tuple[str, str]]:
        if not _rising_integers(args):
            return [(f"{self.name} takes whole numbers that rise", f"Write {self.name}({column.name}, 0, 500, 1000)")]
        return []

    def labels(self, args: Sequence[str]) -> tuple[str, ...]:
        edges = [int(a) for a in args]
        middle = [f"{low}-{high - 1}" for low, high in pairwise(edges)]
        return (f"<{edges[0]}", *middle, f"{edges[-1]}+")

    def domain(self, args: Sequence[str], options: Options) -> Domain:
        return Domain("enum", values=self.labels(args))

    def derive(self, args: Sequence[str], options: Options) -> Derive:
        edges, labels = [int(a) for a in args], self.labels(args)
        return lambda value: labels[bisect_right(edges, value)]

    def reveals(self, column: str, args: Sequence[str]) -> str:
        return f"the band in which it lies: {', '.join(self.labels(args))}"


class MoneyBand(Band):
    """Takes pence, has edges and labels in pounds: money_band(x, 0, 500) gives "<0", "0-500" and "500+", each without its upper end."""

    name, signature = "money_band", "money_band(column, pounds, …)"

    def labels(self, args: Sequence[str]) -> tuple[str, ...]:
        middle = [f"{low}-{high}" for low, high in pairwise(args)]
        return (f"<{args[0]}", *middle, f"{args[-1]}+")

    def derive(self, args: Sequence[str], options: Options) -> Derive:
        edges, labels = [int(a) * 100 for a in args], self.labels(args)
        return lambda value: labels[bisect_right(edges, value)]

    def reveals(self, column: str, args: Sequence[str]) -> str:
        return f"the band in pounds in which it lies: {', '.join(self.labels(args))}"


class LengthBand(Band):
    name, signature, reveal_rank = "length_band", "length_band(column, edge, …)", 1
    inputs = frozenset({"string"})

    def derive(self, args: Sequence[str], options: Options) -> Derive:
        of_length = super().derive(args, options)
        return lambda value: of_length(len(value))

    def reveals(self, column: str, args: Sequence[str]) -> str:
        return f"how long it is, in bands of characters: {', '.join(self.labels(args))}"


class Rounded(Function):
    name, signature, reveal_rank = "rounded", "rounded(column, step)", 4
    inputs = frozenset({"integer"})

    def output(self, args: Sequence[str]) -> FieldType:
        return "integer"

    def check(self, column: SourceColumn, args: Sequence[str], options: Options) -> list[tuple[str, str]]:
        found = _needs_range(options)
        if len(args) != 1 or not args[0].isdigit() or int(args[0]) < 2:
            found.append(("rounded takes one step of 2 or more", f"Write rounded({column.name}, 100)"))
        return found

    def domain(self, args: Sequence[str], options: Options) -> Domain:
        return _integer_domain(options, step=int(args[0]))

    def derive(self, args: Sequence[str], options: Options) -> Derive:
        step, within = int(args[0]), _within(options)
        return lambda value: within((value + step // 2) // step * step)

    def reveals(self, column: str, args: Sequence[str]) -> str:
        return f"the number, rounded to the nearest {int(args[0]):,}"


class Truncate(Function):
    name, signature, reveal_rank = "truncate", "truncate(column, day|month)", 3
    inputs = frozenset({"date", "timestamp"})

    def output(self, args: Sequence[str]) -> FieldType:
        return "date"

    def check(self, column: SourceColumn, args: Sequence[str], options: Options) -> list[tuple[str, str]]:
        if list(args) not in (["day"], ["month"]):
            return [("truncate takes day or month", f"Write truncate({column.name}, day)")]
        return []

    def domain(self, args: Sequence[str], options: Options) -> Domain:
        return Domain("date", pattern="^[0-9]{4}-[0-9]{2}-01$" if args[0] == "month" else None)

    def derive(self, args: Sequence[str], options: Options) -> Derive:
        month = args[0] == "month"

        def cut(value: date) -> str:
            day = value.astimezone(UTC).date() if isinstance(value, datetime) else value
            return (day.replace(day=1) if month else day).isoformat()

        return cut

    def reveals(self, column: str, args: Sequence[str]) -> str:
        return {"day": "the day, without the time", "month": "the month, without the day"}[args[0]]


class PostcodeArea(Function):
    name, signature, reveal_rank = "postcode_area", "postcode_area(column)", 2
    inputs = frozenset({"string"})

    def output(self, args: Sequence[str]) -> FieldType:
        return "string"

    def check(self, column: SourceColumn, args: Sequence[str], options: Options) -> list[tuple[str, str]]:
        return _no_args(self, args)

    def domain(self, args: Sequence[str], options: Options) -> Domain:
        return Domain("pattern", pattern="^[A-Z]{1,2}$")

    def derive(self, args: Sequence[str], options: Options) -> Derive:
        def area(value: str) -> str:
            match = UK_POSTCODE.fullmatch(value.strip().upper())
            if match is None:
                raise RuleBroken("not a full UK postcode")
            return match[1]

        return area

    def reveals(self, column: str, args: Sequence[str]) -> str:
        return "the postcode's area of one or two letters, such as SW: about half a million people"


class OneOf(Function):
    name, signature, reveal_rank = "one_of", "one_of(column, value, …)", 5
    inputs = frozenset({"string"})

    def output(self, args: Sequence[str]) -> FieldType:
        return "string"

    def check(self, column: SourceColumn, args: Sequence[str], options: Options) -> list[tuple[str, str]]:
        if len(args) < 2 or len(set(args)) != len(args) or not all(ENUM_VALUE.fullmatch(a) for a in args):
            return [("one_of takes two or more different lower-case words", f"Write one_of({column.name}, open, closed)")]
        return []

    def domain(self, args: Sequence[str], options: Options) -> Domain:
        return Domain("enum", values=tuple(args))

    def derive(self, args: Sequence[str], options: Options) -> Derive:
        allowed = frozenset(args)

        def pick(value: str) -> str:
            if value not in allowed:
                raise RuleBroken("not one of the values that the contract lists")
            return value

        return pick

    def reveals(self, column: str, args: Sequence[str]) -> str:
        return f"which of these it is: {', '.join(args)}"


FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in (
        Copy(), Present(), Pseudonym(), BirthBand(), Band(), MoneyBand(), LengthBand(), Rounded(), Truncate(), PostcodeArea(), OneOf(),
    )
}  # fmt: skip
TODAY = frozenset({"age", "age_band", "now", "today", "current_date", "days_since", "days_until", "months_since"})
"""Names that a reader may reach for, and that would make a value change without a write."""


def field_type(function: Function, args: Sequence[str], column: SourceColumn) -> FieldType:
    """The type that leaves; `copy` keeps the column's."""
    if function.name == "copy" and column.type != "timestamp":
        return column.type
    return function.output(args)


def domain_of(function: Function, args: Sequence[str], options: Options, column: SourceColumn) -> Domain:
    """The domain that leaves; `copy` keeps the column's."""
    if function.name == "copy" and column.type == "date":
        return Domain("date")
    return function.domain(args, options)


def _no_args(function: Function, args: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"{function.name} takes a column and nothing else", f"Write {function.signature}")] if args else []


def _needs_range(options: Options) -> list[tuple[str, str]]:
    low, high = options.get("minimum"), options.get("maximum")
    if isinstance(low, int) and isinstance(high, int) and low < high:
        return []
    return [("a number needs a range, so that the lake can check it", "Write logicalTypeOptions: {minimum: 0, maximum: 1000000}")]


def _rising_integers(args: Sequence[str]) -> bool:
    if not args or not all(re.fullmatch(r"-?[0-9]+", a) for a in args):
        return False
    edges = [int(a) for a in args]
    return edges == sorted(set(edges))


def _integer_domain(options: Options, step: int | None = None) -> Domain:
    return Domain("integer", minimum=options["minimum"], maximum=options["maximum"], step=step)


def _within(options: Options) -> Callable[[int], int]:
    low, high = options["minimum"], options["maximum"]

    def bounded(value: int) -> int:
        if not low <= value <= high:
            raise RuleBroken(f"outside the contract's range of {low} to {high}")
        return value

    return bounded


def _matching(pattern: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def matched(value: str) -> str:
        if not compiled.fullmatch(value):
            raise RuleBroken("does not match the contract's pattern")
        return value

    return matched
