"""Holds a gold query against what it may read.

Belongs here: one function a rule, each giving problems with line and remedy. Not here: what the header promises (promises.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, traverse_scope

from lake_assets.gold.reads import table_key
from lake_assets.gold.schema import Columns, silver_field
from publisher.contracts import Contract, Problem

LAYERS = ("silver", "gold")
UNSTABLE = (exp.CurrentTimestamp, exp.CurrentTime, exp.CurrentDatetime, exp.Rand, exp.Randn, exp.Uuid)
LOUD_NAMES = frozenset({"java_method", "reflect", "try_reflect"})
UNSTABLE_NAMES = frozenset({"now", "monotonically_increasing_id", "shuffle", "input_file_name", "current_user", "random"})


def form_problems(file: str, query: exp.Query) -> Iterator[Problem]:
    """What can be said without knowing any table: stars, results that a repeat would not give again, functions that say values, foreign tables."""
    for star in query.find_all(exp.Star):
        if not isinstance(star.parent, exp.Count):
            yield Problem(
                file, _line(star), "*", "selects columns without naming them", "Name each column, so that each has its lineage"
            )
    for call in query.find_all(exp.Func):
        unstable = isinstance(call, UNSTABLE) or (isinstance(call, exp.Anonymous) and call.name.lower() in UNSTABLE_NAMES)
        if unstable:
            name = call.sql_name().lower() if not isinstance(call, exp.Anonymous) else call.name
            yield Problem(
                file,
                _line(call),
                name,
                "a repeat would not give the same rows",
                "Use current_date(), which a refresh holds fixed",
            )
    for call in query.find_all(exp.Anonymous):
        if call.name.lower() in LOUD_NAMES or call.name.lower().startswith("xpath"):
            says = "may write the values that it fails on into the Spark server's log"
            yield Problem(file, _line(call), call.name, says, "Use SQL's own functions on silver's columns")
    names = {cte.alias for cte in query.find_all(exp.CTE)}
    for table in query.find_all(exp.Table):
        if isinstance(table.this, exp.Func) or (not table.db and table.name in names):
            continue
        if table.db not in LAYERS or table.catalog:
            remedy = "Read silver.<entity>, silver.<entity>_history or gold.<table>"
            yield Problem(file, _line(table), table.sql(dialect="spark"), "gold reads silver and gold only", remedy)


def table_problems(file: str, query: exp.Query, tables: Mapping[str, Columns]) -> Iterator[Problem]:
    """Tables that do not exist."""
    for table in query.find_all(exp.Table):
        if table.db in LAYERS and table_key(table) not in tables:
            known = [key.replace("/", ".") for key in tables if key.startswith(f"{table.db}/")]
            yield Problem(
                file,
                _line(table),
                f"{table.db}.{table.name}",
                "there is no such table",
                did_you_mean(f"{table.db}.{table.name}", known),
            )


def column_problems(file: str, query: exp.Query, tables: Mapping[str, Columns]) -> Iterator[Problem]:
    """Columns that their source does not have, or that could be of several."""
    for scope in traverse_scope(query):
        own = set(scope.expression.named_selects) if isinstance(scope.expression, exp.Query) else set()
        for column in scope.columns:
            if column.find_ancestor(exp.Select) is not scope.expression:
                continue  # a subquery's column: its own scope asks about it
            source = _source(scope, column.table)
            if source is not None:
                yield from _missing(file, column, source, tables)
            elif column.table:
                yield Problem(
                    file,
                    _line(column),
                    column.sql(),
                    f"nothing here is called {column.table}",
                    did_you_mean(column.table, sorted(scope.sources)),
                )
            elif column.name not in own:
                yield from _homeless(file, column, scope, tables)


def _missing(file: str, column: exp.Column, source: exp.Table | Scope, tables: Mapping[str, Columns]) -> Iterator[Problem]:
    known = _columns_of(source, tables)
    if not known or column.name in known:
        return
    where = f"{column.table} has no such column"
    if isinstance(source, exp.Table) and source.db == "silver":
        where = f"{source.db}.{source.name} has no such column: nothing of that name is released"
    yield Problem(file, _line(column), column.name, where, did_you_mean(column.name, known))


def _homeless(file: str, column: exp.Column, scope: Scope, tables: Mapping[str, Columns]) -> Iterator[Problem]:
    """A column without a qualifier that no source has, or more than one."""
    at: Scope | None = scope
    seen: list[str] = []
    while at is not None:
        sources = {name: _columns_of(source, tables) for name, (_, source) in at.selected_sources.items()}
        homes = [name for name, columns in sources.items() if column.name in columns]
        if len(homes) > 1:
            remedy = f"Write {' or '.join(f'{home}.{column.name}' for home in homes)}"
            yield Problem(file, _line(column), column.name, "could be of several tables", remedy)
        if homes or not all(sources.values()):  # a table function's columns are not known here
            return
        seen += [each for columns in sources.values() for each in columns]
        at = at.parent
    yield Problem(file, _line(column), column.name, "there is no such column", did_you_mean(column.name, sorted(set(seen))))


def literal_problems(file: str, query: exp.Query, contracts: Mapping[str, Contract]) -> Iterator[Problem]:
    """Comparisons with a text that the contract says can never be there: they would be silently false forever."""
    for scope in traverse_scope(query):
        if not isinstance(scope.expression, exp.Select):
            continue
        for column, literal in _comparisons(scope.expression):
            origin = _plain_origin(scope, column)
            field = silver_field(contracts, *origin) if origin else None
            values = field.domain.values if field else None
            if field and values and literal.this not in values:
                yield Problem(
                    file,
                    _line(column),
                    column.name,
                    f"is never '{literal.this}', says the contract",
                    f"It is one of {', '.join(values)}",
                )


def _comparisons(select: exp.Select) -> Iterator[tuple[exp.Column, exp.Literal]]:
    for node in select.find_all(exp.EQ, exp.NEQ, exp.In, exp.Case):
        if isinstance(node, exp.In):
            pairs = [(node.this, each) for each in node.expressions]
        elif isinstance(node, exp.Case):
            pairs = [(node.this, each.this) for each in node.args["ifs"]]
        else:
            pairs = [(node.this, node.expression), (node.expression, node.this)]
        for left, right in pairs:
            if isinstance(left, exp.Column) and isinstance(right, exp.Literal) and right.is_string:
                yield left, right


def _plain_origin(scope: Scope, column: exp.Column) -> tuple[str, str] | None:
    """The table's column that a column is, if it is only passed on."""
    source = _source(scope, column.table)
    if isinstance(source, exp.Table):
        return table_key(source), column.name
    if isinstance(source, Scope) and isinstance(source.expression, exp.Select):
        for projection in source.expression.selects:
            inner = projection.unalias()
            if projection.alias_or_name == column.name and isinstance(inner, exp.Column):
                return _plain_origin(source, inner)
    return None


def _source(scope: Scope, name: str) -> exp.Table | Scope | None:
    at: Scope | None = scope
    while at is not None:
        if name and name in at.sources:
            found = at.sources[name]
            return found if isinstance(found, (exp.Table, Scope)) else None
        at = at.parent
    return None


def _columns_of(source: object, tables: Mapping[str, Columns]) -> list[str]:
    if isinstance(source, exp.Table):
        return list(tables.get(table_key(source), ()))
    if isinstance(source, Scope) and isinstance(source.expression, exp.Query):
        return list(source.expression.named_selects)
    return []


def _line(node: exp.Expr) -> int:
    """The line on which the node, or the first thing in it that has a place, stands."""
    for each in node.walk():
        if "line" in each.meta:
            return int(each.meta["line"])
    parent = node.parent
    return _line(parent) if parent is not None and not isinstance(parent, exp.Query) else 1


def did_you_mean(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    listed = ", ".join(known)
    return f"Did you mean {close[0]}? There is: {listed}" if close else f"There is: {listed}"
