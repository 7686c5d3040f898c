"""Derivations that make a number coarser: bands and rounding.

Belongs here: band, money_band, length_band, rounded. Not here: dates and places (coarse.py).
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

from publisher.contracts.model import Domain, FieldType, SourceColumn
from publisher.contracts.vocabulary.base import (
    LARGEST_INTEGER,
    RANGE,
    WHOLE_NUMBER,
    Derive,
    Function,
    Refusal,
    Rung,
    Use,
    check_range,
    rising_integers,
    within,
)

PENCE = "_pence"
"""The end of a column's name that says its unit: whoever reads of such an amount is told pounds."""


class Band(Function):
    """Edges are the first value of each band: band(x, 0, 500) gives "<0", "0-499" and "500+"."""

    name, signature, reveal_rank, lowers = "band", "band(column, edge, …)", 2, 1
    inputs = frozenset({"integer"})
    narrowest = 2
    unit = 1
    """How many of the column's units one unit of an edge is."""

    def check_arguments(self, use: Use) -> list[Refusal]:
        edges, remedy = rising_integers(use.args), f"Write {self.name}({use.column.name}, 0, 500, 1000)"
        if edges is None:
            return [(f"{self.name} takes whole numbers that rise", remedy)]
        if any(high - low < self.narrowest for low, high in pairwise(edges)):
            return [("a band of a single value is the value itself", remedy)]
        return []

    def labels(self, edges: list[int]) -> tuple[str, ...]:
        return (f"<{edges[0]}", *(f"{low}-{high - 1}" for low, high in pairwise(edges)), f"{edges[-1]}+")

    def output(self, use: Use) -> FieldType:
        return "string"

    def domain(self, use: Use) -> Domain:
        return Domain("enum", values=self.labels(self.edges(use)))

    def derive(self, use: Use) -> Derive:
        return self.between(self.edges(use))

    def between(self, edges: list[int]) -> Derive:
        """The band of a value between these edges."""
        labels, units = self.labels(edges), [edge * self.unit for edge in edges]
        return lambda value: labels[bisect_right(units, value)]

    def ladder(self, use: Use) -> tuple[Rung, ...]:
        """Every second edge goes, until one is left."""
        edges = [self.edges(use)]
        while len(edges[-1]) > 1:
            edges.append(edges[-1][::2])
        return tuple(
            Rung(f"{len(each) + 1} bands", self.between(each), Domain("enum", values=self.labels(each))) for each in edges
        )

    def reveals(self, use: Use) -> str:
        return f"the band in which it lies: {', '.join(self.labels(self.edges(use)))}"

    def edges(self, use: Use) -> list[int]:
        """The edges of a use that has passed the check."""
        return [int(arg) for arg in use.args]


class MoneyBand(Band):
    """Takes pence, has edges and labels in pounds: money_band(x, 0, 500) gives "<0", "0-500" and "500+", each without its upper end."""

    name, signature = "money_band", "money_band(column, pounds, …)"
    narrowest = 1
    unit = 100

    def labels(self, edges: list[int]) -> tuple[str, ...]:
        return (f"<{edges[0]}", *(f"{low}-{high}" for low, high in pairwise(edges)), f"{edges[-1]}+")

    def reveals(self, use: Use) -> str:
        return f"the band in pounds in which it lies: {', '.join(self.labels(self.edges(use)))}"


class LengthBand(Band):
    """Bands of a text's length in characters."""

    name, signature, reveal_rank = "length_band", "length_band(column, edge, …)", 1
    inputs = frozenset({"string"})

    def between(self, edges: list[int]) -> Derive:
        of_length = super().between(edges)
        return lambda value: of_length(len(value))

    def reveals(self, use: Use) -> str:
        edges = self.edges(use)
        labels = self.labels(edges)[1 if edges[0] <= 0 else 0 :]  # no text is shorter than nothing
        return f"how long it is, in bands of characters: {', '.join(labels)}"


class Rounded(Function):
    """The nearest multiple of a step; halves go up."""

    name, signature, reveal_rank = "rounded", "rounded(column, step)", 4
    inputs = frozenset({"integer"})
    of_encrypted = of_natural_identifier = False
    lets_out = "each row's {column} leave as a rounded number"

    def options(self, column: SourceColumn) -> frozenset[str]:
        return RANGE

    def check_arguments(self, use: Use) -> list[Refusal]:
        if len(use.args) != 1 or not WHOLE_NUMBER.fullmatch(use.args[0]) or not 2 <= int(use.args[0]) <= LARGEST_INTEGER:
            return [("rounded takes one step of 2 or more", f"Write rounded({use.column.name}, 100)")]
        return check_range(use.options, int(use.args[0]))

    def output(self, use: Use) -> FieldType:
        return "integer"

    def domain(self, use: Use) -> Domain:
        return Domain("integer", minimum=use.options["minimum"], maximum=use.options["maximum"], step=int(use.args[0]))

    def derive(self, use: Use) -> Derive:
        step, bounded = int(use.args[0]), within(use.options)
        return lambda value: bounded((value + step // 2) // step * step)

    def reveals(self, use: Use) -> str:
        step = int(use.args[0])
        if use.column.name.endswith(PENCE):
            return f"the amount, rounded to the nearest £{step / 100:,.2f}".removesuffix(".00")
        return f"the number, rounded to the nearest {step:,}"
