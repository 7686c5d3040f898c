"""What every derivation is: the frame that the vocabulary's functions fill.

Belongs here: the frame, the refusals that hold for all functions, helpers that several share. Not here: any one function.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from publisher.contracts.model import ColumnType, Domain, FieldType, SourceColumn
from publisher.errors import RuleBroken

LARGEST_INTEGER = 2**53
"""Beyond it, readers that hold JSON numbers as doubles see another number."""

WHOLE_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,15}")

Refusal = tuple[str, str]
"""What is wrong with a use of a function, and what to write instead."""

Derive = Callable[[Any], "str | int | bool"]
"""From a column's non-null value to the field's value. Raises RuleBroken, whose text names the rule and no value."""


@dataclass(frozen=True)
class Use:
    """One use of a function: of which column, with which arguments and `logicalTypeOptions`."""

    column: SourceColumn
    args: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rung:
    """One step of a ladder: what a field of a k-group gives where its group needs it coarser."""

    says: str
    derive: Derive
    domain: Domain


class Function(ABC):
    """One way to derive a field from a column.

    `reveal_rank` orders how much of the value can be seen: 0 nothing but its existence, 5 all of it. `lowers` is by how many
    steps the field's classification may lie under the column's. `of_null` is what an absent value gives.
    """

    name: ClassVar[str]
    signature: ClassVar[str]
    inputs: ClassVar[frozenset[ColumnType]]
    reveal_rank: ClassVar[int]
    lowers: ClassVar[int] = 0
    of_null: ClassVar[bool | None] = None
    of_encrypted: ClassVar[bool] = True
    of_natural_identifier: ClassVar[bool] = True
    lets_out: ClassVar[str] = "each row's {column} leave as it is"
    """What a use of a column that is refused would do, in words."""
    and_then: ClassVar[str] = "it would stand readable in the lake"

    def check(self, use: Use) -> list[Refusal]:
        """What is wrong with this use; empty when nothing is."""
        column = use.column
        if column.type not in self.inputs:
            takes = " or ".join(sorted(self.inputs))
            return [(f"{column.name} is of type {column.type}", f"{self.name} takes {takes}: use another function")]
        if refused := self.refuse_column(column):
            return refused
        idle = ", ".join(sorted(set(use.options) - self.options(column)))
        found = [(f"logicalTypeOptions has {idle}, and {self.name} does not act on it", f"Remove {idle}")] if idle else []
        return found + self.check_arguments(use)

    def refuse_column(self, column: SourceColumn) -> list[Refusal]:
        """Why this column may not go through the function, whatever the arguments."""
        if (column.encrypted and not self.of_encrypted) or (column.natural_identifier and not self.of_natural_identifier):
            kind = "the application encrypts it"
            if column.natural_identifier:
                kind = f"it is a natural identifier{' (encrypted by the application)' if column.encrypted else ''}"
            remedy = f"Derive something coarser from it, such as present({column.name}), or list it in withheld"
            return [(f"{self.would_let_out(column)}, and {kind}: {self.and_then}", remedy)]
        return []

    def would_let_out(self, column: SourceColumn) -> str:
        """`copy(email) would let each row's email leave as it is`."""
        more = ", …" if "," in self.signature else ""
        return f"{self.name}({column.name}{more}) would let {self.lets_out.format(column=column.name)}"

    def options(self, column: SourceColumn) -> frozenset[str]:
        """The `logicalTypeOptions` that the function acts on."""
        return frozenset()

    @abstractmethod
    def check_arguments(self, use: Use) -> list[Refusal]:
        """What is wrong with the arguments and options of a use whose column fits."""

    @abstractmethod
    def output(self, use: Use) -> FieldType:
        """The field's type."""

    @abstractmethod
    def domain(self, use: Use) -> Domain:
        """The values that can come out."""

    @abstractmethod
    def derive(self, use: Use) -> Derive:
        """The function itself, with its arguments bound."""

    def ladder(self, use: Use) -> tuple[Rung, ...]:
        """From what the field says to what it says at its coarsest; below the last rung it says nothing.

        Each rung is a function of the one above it: who sees two of them learns no more than the finer one tells. And no value of a rung can
        be taken for one of another, so that nobody counts a year's people as those of its January.
        """
        return (Rung("as it is", self.derive(use), self.domain(use)),)

    @abstractmethod
    def reveals(self, use: Use) -> str:
        """What a reader of the field learns, in words for a person who is no engineer."""


def united(domains: Sequence[Domain]) -> Domain:
    """The values of all of them. A finite list stays one; beside a pattern it becomes part of it."""
    first = domains[0]
    if all(domain == first for domain in domains):
        return first
    if all(domain.kind == "enum" for domain in domains):
        return Domain("enum", values=tuple(dict.fromkeys(value for domain in domains for value in domain.values or ())))
    forms = [
        domain.pattern.removeprefix("^").removesuffix("$") if domain.pattern else "|".join(map(re.escape, domain.values or ()))
        for domain in domains
    ]
    return Domain("pattern", pattern=f"^(?:{'|'.join(forms)})$")


def no_arguments(function: Function, use: Use) -> list[Refusal]:
    """Refuses any argument beside the column."""
    if use.args:
        return [(f"{function.name} takes a column and nothing else", f"Write {function.name}({use.column.name})")]
    return []


def rising_integers(args: Sequence[str]) -> list[int] | None:
    """The arguments as whole numbers that rise; None where they are not."""
    if not args or not all(WHOLE_NUMBER.fullmatch(arg) for arg in args):
        return None
    edges = [int(arg) for arg in args]
    rise = edges == sorted(set(edges)) and max(-edges[0], edges[-1]) <= LARGEST_INTEGER
    return edges if rise else None


RANGE = frozenset({"minimum", "maximum"})


def check_range(options: Mapping[str, Any], step: int = 1) -> list[Refusal]:
    """Refuses a number without a range that the lake can check."""
    low, high = options.get("minimum"), options.get("maximum")
    if type(low) is not int or type(high) is not int:
        return [
            (
                "a number needs a range, so that the lake can check it",
                f"Write logicalTypeOptions: {{minimum: 0, maximum: {1000 * step}}}",
            )
        ]
    if low >= high:
        return [("minimum is not below maximum", "Exchange them, or write the range that the column has")]
    if max(-low, high) > LARGEST_INTEGER:
        return [
            (
                "the range goes beyond 2^53, where JSON readers lose digits",
                f"Stay within -{LARGEST_INTEGER} and {LARGEST_INTEGER}",
            )
        ]
    if low % step or high % step:
        return [(f"minimum and maximum are no multiples of the step {step}", "Round them, or values near them could not leave")]
    return []


def within(options: Mapping[str, Any]) -> Callable[[int], int]:
    """Lets a number through that lies in the contract's range."""
    low, high = options["minimum"], options["maximum"]

    def bounded(value: int) -> int:
        if not low <= value <= high:
            raise RuleBroken(f"outside the contract's range of {low} to {high}")
        return value

    return bounded
