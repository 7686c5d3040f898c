"""Holds a gold query against what it may read and what its header promises.

Belongs here: one function a rule, each giving problems with line and remedy. Not here: the header's form (header.py), loading
(load.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import groupby

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, traverse_scope

from lake_assets.gold.model import SUPPRESSED, Header, Read
from lake_assets.gold.reads import table_key
from lake_assets.gold.schema import Columns, silver_field
from publisher.contracts import Contract, Problem

LAYERS = ("silver", "gold")
UNSTABLE = (exp.CurrentTimestamp, exp.CurrentTime, exp.CurrentDatetime, exp.Rand, exp.Randn, exp.Uuid)
UNSTABLE_NAMES = frozenset({"now", "monotonically_increasing_id", "shuffle", "input_file_name", "current_user", "random"})


def form_problems(file: str, query: exp.Query) -> Iterator[Problem]:
    """What can be said without knowing any table: stars, results that a repeat would not give again, foreign tables."""
    for star in query.find_all(exp.Star):
        if not isinstance(star.parent, exp.Count):
            yield Problem(file, _line(star), "*", "selects columns without naming them", "Name each column, so that each has its lineage")
    for call in query.find_all(exp.Func):
        unstable = isinstance(call, UNSTABLE) or (isinstance(call, exp.Anonymous) and call.name.lower() in UNSTABLE_NAMES)
        if unstable:
            name = call.sql_name().lower() if not isinstance(call, exp.Anonymous) else call.name
            yield Problem(file, _line(call), name, "a repeat would not give the same rows", "Use current_date(), which a refresh holds fixed")
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
            yield Problem(file, _line(table), f"{table.db}.{table.name}", "there is no such table", _did_you_mean(f"{table.db}.{table.name}", known))


def column_problems(file: str, query: exp.Query, tables: Mapping[str, Columns]) -> Iterator[Problem]:
    """Columns that their source does not have, or that could be of several. `query` is qualified."""
    for scope in traverse_scope(query):
        for column in scope.columns:
            if isinstance(column.this, exp.Star):
                continue
            source = _source(scope, column.table)
            if source is None:
                available = sorted({name for each in _reachable(scope) for name in _columns_of(each, tables)})
                homes = [name for name, each in scope.sources.items() if column.name in _columns_of(each, tables)]
                if not column.table and len(homes) > 1:
                    yield Problem(file, _line(column), column.name, "could be of several tables", f"Write {' or '.join(f'{home}.{column.name}' for home in homes)}")
                else:
                    yield Problem(file, _line(column), column.sql(), "there is no such column", _did_you_mean(column.name, available))
            elif column.name not in (known := _columns_of(source, tables)) and known:
                where = f"{column.table} has no such column"
                if isinstance(source, exp.Table) and source.db == "silver":
                    where = f"{source.db}.{source.name} has no such column: nothing of that name is released"
                yield Problem(file, _line(column), column.name, where, _did_you_mean(column.name, known))


def promise_problems(file: str, header: Header, columns: list[str]) -> Iterator[Problem]:
    """The header's grain, columns and smallest cell, against what the query gives."""
    for name in columns:
        if name not in header.columns:
            yield Problem(file, 1, name, "the column has no description", f"Write -- column {name}: what it means")
    for name in header.columns:
        if name not in columns:
            yield Problem(file, header.lines[f"column {name}"], name, "described, but the query gives no such column", _did_you_mean(name, columns))
    for name in header.grain:
        if name not in columns:
            yield Problem(file, header.lines["grain"], name, "in the grain, but the query gives no such column", _did_you_mean(name, columns))
    if SUPPRESSED in columns:
        yield Problem(file, 1, SUPPRESSED, "the engine adds this column", "Name it otherwise")
    cell, line = header.smallest_cell, header.lines["smallest_cell"]
    if cell is None:
        return
    for name in (cell.count, *cell.suppresses, *(cell.within or ())):
        if name not in columns:
            yield Problem(file, line, name, "in the smallest cell, but the query gives no such column", _did_you_mean(name, columns))
    for name in cell.suppresses:
        if name in header.grain:
            yield Problem(file, line, name, "a column of the grain cannot be emptied", "Name the measures only")
    for name in cell.within or ():
        if name not in header.grain:
            yield Problem(file, line, name, "a total is over columns of the grain", f"Name some of {', '.join(header.grain)}")


def cell_problems(file: str, header: Header, reads: Mapping[str, tuple[Read, ...]]) -> Iterator[Problem]:
    """Measures that a small row would still show: all that says more than the grain already does."""
    cell = header.smallest_cell
    if cell is None:
        return
    of_grain = {(read.table, read.column) for name in header.grain for read in reads.get(name, ()) if read.kind == "value"}
    for name, found in reads.items():
        if name in header.grain or name in cell.suppresses:
            continue
        if any(read.kind == "value" and (read.table, read.column) not in of_grain for read in found):
            line = header.lines["smallest_cell"]
            yield Problem(file, line, name, "would still be shown for a few people", f"Add {name} to what the smallest cell suppresses")


def literal_problems(file: str, query: exp.Query, contracts: Mapping[str, Contract]) -> Iterator[Problem]:
    """Comparisons with a text that the contract says can never be there: they would be silently false forever."""
    for scope in traverse_scope(query):
        if not isinstance(scope.expression, exp.Select):
            continue
        for column, literal in _comparisons(scope.expression):
            origin = _plain_origin(scope, column)
            field = silver_field(contracts, *origin) if origin else None
            values = field.derivation.domain.values if field else None
            if field and values and literal.this not in values:
                yield Problem(
                    file, _line(column), column.name, f"is never '{literal.this}', says the contract", f"It is one of {', '.join(values)}"
                )


def privacy_problems(
    file: str, header: Header, reads: Mapping[str, tuple[Read, ...]], tables: Mapping[str, Mapping[str, tuple[Read, ...]]],
    contracts: Mapping[str, Contract],
) -> Iterator[Problem]:  # fmt: skip
    """A table that shows people by something sensitive must say how small a cell may be.

    Sensitive is a field that the contract calls restricted, or two of one k-group together in the grain.
    """
    if header.smallest_cell is not None:
        return
    line = header.lines["smallest_cell"]
    remedy = "Write -- smallest_cell: people < 10 suppresses people, …"
    for column, found in reads.items():
        for table, name in sorted({origin for read in found for origin in _origins(read, tables)}):
            field = silver_field(contracts, table, name)
            if field and field.classification == "restricted":
                yield Problem(file, line, column, f"depends on {table}.{name}, which is restricted, without a smallest cell", remedy)
    grouped = sorted({
        (field.k_group, field.name)
        for column in header.grain
        for read in reads.get(column, ())
        if read.kind == "value"
        for field in [silver_field(contracts, read.table, read.column)]
        if field and field.k_group
    })  # fmt: skip
    for group, members in groupby(grouped, key=lambda pair: pair[0]):
        names = [name for _, name in members]
        if len(names) > 1:
            yield Problem(file, line, ", ".join(names), f"together narrow down a {group}, without a smallest cell", remedy)


def _origins(read: Read, tables: Mapping[str, Mapping[str, tuple[Read, ...]]]) -> Iterator[tuple[str, str]]:
    if read.table.startswith("silver/"):
        yield read.table, read.column
        return
    for further in tables.get(read.table, {}).get(read.column, ()):
        yield from _origins(further, tables)


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


def _reachable(scope: Scope) -> list[exp.Table | Scope]:
    return [source for _, source in scope.selected_sources.values()]


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


def _did_you_mean(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    listed = ", ".join(known)
    return f"Did you mean {close[0]}? There is: {listed}" if close else f"There is: {listed}"
