"""Which columns each output column of a query depends on: by value, and by influence.

Belongs here: the walk through a query's scopes. Not here: what stands behind a silver column (lineage), whether a query is allowed
(check.py), how an expression is written (words.py).

A column in an expression is a *value* read, also within CASE or a FILTER. What decides which rows reach the expression is an
*influence*: WHERE, JOIN … ON, HAVING, GROUP BY of an aggregate, PARTITION BY of a window. A `count(*)` reads the key of what
it counts. sqlglot's own `lineage` follows values only, and a figure's privacy hangs on the filters just as much.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

from lake_assets.gold.model import Read, ReadKind
from lake_assets.gold.words import clause_text, describe, sql_text


@dataclass(frozen=True)
class Leaf:
    """A column of a table at the end of a way, with the steps from it outwards."""

    table: str
    column: str
    kind: ReadKind
    steps: tuple[str, ...] = ()


def table_key(table: exp.Table) -> str:
    """`silver/customers` of `silver.customers`."""
    return f"{table.db}/{table.name}"


def reads_of(query: exp.Query, tables: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[Read, ...]]:
    """By output column, in order. `query` is qualified: every column names its source."""
    root = build_scope(query)
    if root is None:
        return {}
    reader = _Reader(tables)
    return {name: _merged(reader.output(root, name)) for name in query.named_selects}


def _merged(leaves: tuple[Leaf, ...]) -> tuple[Read, ...]:
    """One Read for each column and kind, values first; a longer way to the same column adds its steps."""
    found: dict[tuple[str, str, ReadKind], list[str]] = {}
    for leaf in sorted(leaves, key=lambda leaf: leaf.kind == "influence"):
        steps = found.setdefault((leaf.table, leaf.column, leaf.kind), [])
        steps += [step for step in leaf.steps if step not in steps]
    return tuple(Read(table, column, kind, tuple(steps)) for (table, column, kind), steps in found.items())


class _Reader:
    def __init__(self, tables: Mapping[str, Mapping[str, str]]) -> None:
        self._tables = tables
        self._outputs: dict[tuple[int, str, str], tuple[Leaf, ...]] = {}
        self._rows: dict[int, tuple[Leaf, ...]] = {}

    def output(self, scope: Scope, name: str, called: str | None = None) -> tuple[Leaf, ...]:
        """What an output column of a scope depends on; `called` is its name in the union that it is part of."""
        key = (id(scope), name, called or name)
        if key not in self._outputs:
            self._outputs[key] = tuple(dict.fromkeys(self._output(scope, name, called or name)))
        return self._outputs[key]

    def _output(self, scope: Scope, name: str, called: str) -> Iterator[Leaf]:
        if scope.set_operation_scopes:
            position = _names(scope).index(name)
            for part in scope.set_operation_scopes:
                yield from self.output(part, _names(part)[position], called)
            return
        select = scope.expression
        if not isinstance(select, exp.Select):  # a table function: all that goes in can come out
            yield from self._of_expression(scope.parent or scope, select)
            return
        projection = next(each for each in select.selects if each.alias_or_name == name)
        step = describe(projection.unalias(), called)
        leaves = list(self._of_expression(scope, projection))
        aggregates = projection.find(exp.AggFunc) is not None
        if aggregates and not any(leaf.kind == "value" for leaf in leaves):
            leaves += self._identity(scope)  # the sum of a constant counts rows
        for leaf in leaves:
            yield _with_step(leaf, step) if leaf.kind == "value" else leaf
        if aggregates and (grouped := select.args.get("group")) is not None:
            yield from self._clause(scope, grouped)
        used = {column.table for column in projection.find_all(exp.Column)}
        for join in select.args.get("joins") or ():
            if join.alias_or_name in used and _adds_columns_only(scope, join, self._tables):
                yield from self._join(scope, join)
        yield from self.rows(scope)

    def rows(self, scope: Scope) -> tuple[Leaf, ...]:
        """What decides which rows a scope has."""
        if id(scope) not in self._rows:
            self._rows[id(scope)] = ()  # a recursive scope adds nothing of its own
            self._rows[id(scope)] = tuple(dict.fromkeys(self._row_influences(scope)))
        return self._rows[id(scope)]

    def _row_influences(self, scope: Scope) -> Iterator[Leaf]:
        for part in scope.set_operation_scopes or ():
            yield from self.rows(part)
        select = scope.expression
        if not isinstance(select, exp.Select):
            return
        for name in ("where", "having", "qualify"):
            if (clause := select.args.get(name)) is not None:
                yield from self._clause(scope, clause)
        if (order := select.args.get("order")) is not None and select.args.get("limit") is not None:
            yield from self._clause(scope, order)
        apart = set()
        for join in select.args.get("joins") or ():
            if _adds_columns_only(scope, join, self._tables):
                apart.add(join.alias_or_name)
            else:
                yield from self._join(scope, join)
        for name, (_, source) in scope.selected_sources.items():
            if isinstance(source, Scope) and name not in apart:
                yield from self.rows(source)

    def _join(self, scope: Scope, join: exp.Join) -> Iterator[Leaf]:
        if (on := join.args.get("on")) is not None:
            yield from self._clause(scope, on, f"join on {sql_text(on, qualified=True)}")

    def _clause(self, scope: Scope, clause: exp.Expr, text: str | None = None) -> Iterator[Leaf]:
        step = text or clause_text(clause)
        for leaf in self._of_expression(scope, clause):
            yield Leaf(leaf.table, leaf.column, "influence", leaf.steps if leaf.kind == "influence" else (step,))

    def _of_expression(self, scope: Scope, node: exp.Expr) -> Iterator[Leaf]:
        if isinstance(node, exp.Column):
            yield from self._of_column(scope, node)
        elif isinstance(node, exp.Query):
            yield from self._of_subquery(scope, node)
        elif isinstance(node, exp.Window):
            yield from self._of_expression(scope, node.this)
            for name in ("partition_by", "order"):
                parts = node.args.get(name) or []
                for part in parts if isinstance(parts, list) else parts.expressions:
                    yield from self._clause(scope, part, f"over ({name.removesuffix('_by')} by {sql_text(part)})")
        elif isinstance(node, exp.Count) and isinstance(node.this, exp.Star):
            yield from self._identity(scope)
        else:
            for child in node.iter_expressions():
                yield from self._of_expression(scope, child)

    def _of_column(self, scope: Scope, column: exp.Column) -> Iterator[Leaf]:
        at: Scope | None = scope
        while at is not None and column.table not in at.sources:
            at = at.parent  # a correlated subquery reads its outer query
        source = at.sources[column.table] if at is not None else None
        if isinstance(source, exp.Table):
            yield Leaf(table_key(source), column.name, "value")
        elif isinstance(source, Scope):
            yield from self.output(source, column.name)

    def _of_subquery(self, scope: Scope, query: exp.Query) -> Iterator[Leaf]:
        inner = next((each for each in scope.subquery_scopes if each.expression is query.unnest()), None)
        if inner is not None:
            for name in _names(inner):
                yield from self.output(inner, name)

    def _identity(self, scope: Scope) -> Iterator[Leaf]:
        """The columns that tell the rows of a scope's FROM apart: what `count(*)` counts."""
        select = scope.expression
        optional = {join.alias_or_name for join in select.args.get("joins") or () if join.side in ("LEFT", "FULL")}
        for name, (_, source) in scope.selected_sources.items():
            if name in optional:
                continue
            if isinstance(source, exp.Table):
                columns = self._tables.get(table_key(source))
                if columns:
                    yield Leaf(table_key(source), next(iter(columns)), "value")
            else:
                yield from self._row_identity(source)

    def _row_identity(self, scope: Scope) -> Iterator[Leaf]:
        for part in scope.set_operation_scopes or ():
            yield from self._row_identity(part)
        select = scope.expression
        if not isinstance(select, exp.Select):
            return
        grouped = select.args.get("group")
        if grouped is not None:
            yield from self._of_expression(scope, grouped)
        elif select.args.get("distinct") is not None:
            for projection in select.selects:
                yield from self._of_expression(scope, projection)
        else:
            yield from self._identity(scope)


def _adds_columns_only(scope: Scope, join: exp.Join, tables: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether a LEFT JOIN finds at most one row, so that it decides nothing about which rows there are.

    It does where the equalities of ON cover the other side's key: a table's first column, a query's GROUP BY or DISTINCT.
    """
    on = join.args.get("on")
    if join.side != "LEFT" or on is None:
        return False
    name = join.alias_or_name
    equal = set()
    for part in on.flatten() if isinstance(on, exp.And) else [on]:
        if isinstance(part, exp.EQ):
            equal |= {side.name for side in (part.this, part.expression) if isinstance(side, exp.Column) and side.table == name}
    source = scope.sources.get(name)
    if isinstance(source, exp.Table):
        columns = tables.get(table_key(source))
        return bool(columns) and next(iter(columns or ())) in equal
    select = source.expression if isinstance(source, Scope) else None
    if not isinstance(select, exp.Select):
        return False
    if (group := select.args.get("group")) is not None:
        keys = {each.sql() for each in group.expressions}
        named = {each.alias_or_name for each in select.selects if each.unalias().sql() in keys}
        return len(named) == len(keys) and named <= equal
    return select.args.get("distinct") is not None and set(select.named_selects) <= equal


def _names(scope: Scope) -> list[str]:
    return list(scope.expression.named_selects) if isinstance(scope.expression, exp.Query) else []


def _with_step(leaf: Leaf, step: str | None) -> Leaf:
    return leaf if step is None else Leaf(leaf.table, leaf.column, leaf.kind, (*leaf.steps, step))
