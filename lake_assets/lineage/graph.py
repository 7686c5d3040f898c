"""The graph of columns, from the platform's tables to gold's figures.

Belongs here: nodes, edges, and questions about them. Not here: building it (build.py), words and pages (words.py, page.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

LAYERS = ("platform", "bronze", "silver", "gold")

EdgeKind = Literal["value", "influence"]


@dataclass(frozen=True, order=True)
class ColumnRef:
    """A column of an asset: `platform/customers` and `email`, written `platform/customers.email`."""

    asset: str
    column: str

    @classmethod
    def parse(cls, text: str) -> ColumnRef:
        """Raises ValueError for a text without a dot."""
        asset, dot, column = text.rpartition(".")
        if not dot:
            raise ValueError(f"{text} is not <layer>/<name>.<column>")
        return cls(asset, column)

    @property
    def layer(self) -> str:
        return self.asset.partition("/")[0]

    def __str__(self) -> str:
        return f"{self.asset}.{self.column}"


@dataclass(frozen=True)
class Column:
    """A node. `classification` and `encrypted` are the platform's; `withheld` columns never leave.

    `told` is how finely the envelope's time can tell a time that no field has so fine: `minute`, or empty where it tells nothing.
    """

    ref: ColumnRef
    type: str | None
    description: str
    classification: str = ""
    encrypted: bool = False
    withheld: bool = False
    technical: bool = False
    told: str = ""


@dataclass(frozen=True)
class Edge:
    """`target` depends on `source`: by its value, or by what it does to the rows (`influence`).

    `steps` says how, the source's side first; `reveals` says in plain words what is left of the source's value.
    """

    source: ColumnRef
    target: ColumnRef
    kind: EdgeKind
    steps: tuple[str, ...]
    reveals: str = ""


@dataclass(frozen=True)
class Asset:
    """A table: who owns it, and notes (grain, smallest cell) as pairs of label and text."""

    key: str
    description: str
    owner: str = ""
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def layer(self) -> str:
        return self.key.partition("/")[0]


@dataclass(frozen=True)
class Lineage:
    """Everything, in the order in which a reader meets it: layers, then names, then columns as the tables have them."""

    assets: tuple[Asset, ...]
    columns: dict[ColumnRef, Column]
    edges: tuple[Edge, ...]

    @cached_property
    def _into(self) -> dict[ColumnRef, list[Edge]]:
        return _grouped((edge.target, edge) for edge in self.edges)

    @cached_property
    def _out_of(self) -> dict[ColumnRef, list[Edge]]:
        return _grouped((edge.source, edge) for edge in self.edges)

    def of(self, asset: str) -> list[Column]:
        """An asset's columns, in order."""
        return [column for ref, column in self.columns.items() if ref.asset == asset]

    def into(self, ref: ColumnRef) -> tuple[Edge, ...]:
        """What a column depends on directly."""
        return tuple(self._into.get(ref, ()))

    def out_of(self, ref: ColumnRef) -> tuple[Edge, ...]:
        """What depends on a column directly."""
        return tuple(self._out_of.get(ref, ()))

    def upstream(self, asset: str, column: str, *, influence: bool = True) -> tuple[Edge, ...]:
        """Every edge on the way to a column, the nearest first. Raises KeyError for a column that there is not."""
        return self._reach(asset, column, influence, forward=False)

    def downstream(self, asset: str, column: str, *, influence: bool = True) -> tuple[Edge, ...]:
        """Every edge that leads on from a column, the nearest first."""
        return self._reach(asset, column, influence, forward=True)

    def origins(self, asset: str, column: str, *, influence: bool = False) -> list[ColumnRef]:
        """The platform's columns behind a column."""
        found = {edge.source for edge in self.upstream(asset, column, influence=influence) if edge.source.layer == "platform"}
        return sorted(found)

    def paths(self, start: str, end: str, *, influence: bool = True) -> list[tuple[Edge, ...]]:
        """All ways from one column to another, each as its edges in order; empty where none leads there."""
        first, last = ColumnRef.parse(start), ColumnRef.parse(end)
        for ref in (first, last):
            if ref not in self.columns:
                raise KeyError(f"there is no column {ref}")
        return list(self._ways(first, last, influence, frozenset({first})))

    def _ways(self, at: ColumnRef, last: ColumnRef, influence: bool, seen: frozenset[ColumnRef]) -> Iterator[tuple[Edge, ...]]:
        for edge in self.out_of(at):
            if edge.target in seen or not (influence or edge.kind == "value"):
                continue
            if edge.target == last:
                yield (edge,)
            for rest in self._ways(edge.target, last, influence, seen | {edge.target}):
                yield (edge, *rest)

    def _reach(self, asset: str, column: str, influence: bool, *, forward: bool) -> tuple[Edge, ...]:
        start = ColumnRef(asset, column)
        if start not in self.columns:
            raise KeyError(f"there is no column {start}")
        found: dict[Edge, None] = {}
        seen, waiting = {start}, [start]
        while waiting:
            at = waiting.pop(0)
            for edge in self.out_of(at) if forward else self.into(at):
                if not influence and edge.kind == "influence":
                    continue
                found[edge] = None
                further = edge.target if forward else edge.source
                if further not in seen:
                    seen.add(further)
                    waiting.append(further)
        return tuple(found)


def _grouped(pairs: Iterable[tuple[ColumnRef, Edge]]) -> dict[ColumnRef, list[Edge]]:
    grouped: dict[ColumnRef, list[Edge]] = {}
    for ref, edge in pairs:
        grouped.setdefault(ref, []).append(edge)
    return grouped
