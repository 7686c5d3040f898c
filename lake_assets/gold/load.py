"""Loads the folder of gold files: the only list of gold tables.

Belongs here: reading, ordering, and asking every check. Not here: the checks themselves, running SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ParseError, SqlglotError, TokenError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify

from lake_assets.gold import check, promises
from lake_assets.gold.errors import GoldFilesBroken
from lake_assets.gold.header import read_header
from lake_assets.gold.model import COUNTED_ON, SUPPRESSED, GoldColumn, GoldTable, Header, Read
from lake_assets.gold.reads import reads_of, table_key
from lake_assets.gold.schema import Columns, silver_tables
from lake_assets.gold.words import DIALECT
from publisher.contracts import Contract, Problem

GOLD_DIR = Path(__file__).parent
SUPPRESSED_DESCRIPTION = "Whether the row is about too few people, or would give such a row away, so that its measures are empty."
COUNTED_ON_DESCRIPTION = (
    "The day on which the row's figures were counted: they stay until enough people have come, gone or changed."
)


def load_gold(contracts: Mapping[str, Contract], directory: Path = GOLD_DIR) -> dict[str, GoldTable]:
    """Every `*.sql` of the folder by name, each after what it reads.

    Raises GoldFilesBroken with all that is wrong: nothing is built from a folder with a doubtful file.
    """
    problems: list[Problem] = []
    files: dict[str, tuple[Path, str, Header, exp.Query]] = {}
    for path in sorted(directory.glob("*.sql")):
        sql = path.read_text(encoding="utf-8")
        header, found = read_header(path.name, sql)
        query, parse_problems = _parse(path.name, sql)
        problems += found + parse_problems
        if header and query:
            problems += check.form_problems(path.name, query)
            files[path.stem] = (path, sql, header, query)
    if problems:
        raise GoldFilesBroken(problems)
    tables = silver_tables(contracts)
    loaded: dict[str, GoldTable] = {}
    failed: set[str] = set()
    for name in _ordered(files):
        path, sql, header, query = files[name]
        if any(table.db == "gold" and table.name in failed for table in query.find_all(exp.Table)):
            failed.add(name)  # what it reads has no columns that are known: all that could be said of it would follow from that
            continue
        table, found = _resolve(name, path, sql, header, query, tables, loaded, contracts)
        problems += found
        if not table.columns:
            failed.add(name)
            continue
        tables[f"gold/{name}"] = {column.name: column.type or "STRING" for column in table.columns}
        loaded[name] = table
    if problems:
        raise GoldFilesBroken(sorted(set(problems)))
    return loaded


def _parse(file: str, sql: str) -> tuple[exp.Query | None, list[Problem]]:
    remedy = "Write one SELECT in Spark SQL"
    try:
        statements = [each for each in sqlglot.parse(sql, dialect=DIALECT) if each is not None]
    except ParseError as error:
        at = error.errors[0] if error.errors else {}
        return None, [Problem(file, int(at.get("line") or 1), str(at.get("highlight") or ""), str(at.get("description")), remedy)]
    except TokenError:
        return None, [Problem(file, 1, "", "a quote or comment has no end", remedy)]
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        return None, [Problem(file, 1, "", "not one SELECT", remedy)]
    return statements[0], []


def _ordered(files: Mapping[str, tuple[Path, str, Header, exp.Query]]) -> list[str]:
    graph = {
        name: {table.name for table in query.find_all(exp.Table) if table.db == "gold" and table.name in files}
        for name, (_, _, _, query) in files.items()
    }
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        remedy = "Move what they share into a table of its own"
        raise GoldFilesBroken(
            [Problem(f"{circle[0]}.sql", 1, " → ".join(circle), "the tables read each other in a circle", remedy)]
        ) from None


def _resolve(
    name: str, path: Path, sql: str, header: Header, query: exp.Query, tables: Mapping[str, Columns],
    loaded: Mapping[str, GoldTable], contracts: Mapping[str, Contract],
) -> tuple[GoldTable, list[Problem]]:  # fmt: skip
    file, problems = path.name, list(check.table_problems(path.name, query, tables))
    reads: dict[str, tuple[Read, ...]] = {}
    columns: tuple[GoldColumn, ...] = ()
    dependencies = tuple(sorted({table_key(table) for table in query.find_all(exp.Table) if table.db in check.LAYERS}))
    problems = problems or list(check.column_problems(file, query, tables))
    if not problems:
        qualified, problems = _qualify(file, query, tables)
        if problems:
            return GoldTable(name, path, sql, header, dependencies, columns, reads), problems
        names = qualified.named_selects
        problems += promises.promise_problems(file, header, names)
        if not problems:
            reads = reads_of(qualified, tables)
            problems += promises.cell_problems(file, header, reads)
            problems += check.literal_problems(file, qualified, contracts)
            upstream = {table.key: table.reads for table in loaded.values()}
            problems += promises.privacy_problems(file, header, reads, upstream, contracts)
        columns = tuple(
            GoldColumn(projection.alias_or_name, _type(projection), header.columns.get(projection.alias_or_name, ""))
            for projection in qualified.selects
        )
        if header.smallest_cell is not None:
            columns += (
                GoldColumn(COUNTED_ON, "DATE", COUNTED_ON_DESCRIPTION),
                GoldColumn(SUPPRESSED, "BOOLEAN", SUPPRESSED_DESCRIPTION),
            )
            cell = header.smallest_cell
            problems += promises.counting_problems(file, header, {column.name: column.type for column in columns})
            reads[COUNTED_ON] = tuple(replace(read, kind="influence") for read in reads.get(cell.count, ()))
            step = f"{SUPPRESSED} = {cell.count} < {cell.below}"
            reads[SUPPRESSED] = tuple(
                replace(read, steps=(*read.steps, step)) if read.kind == "value" else read for read in reads.get(cell.count, ())
            )
    return GoldTable(name, path, sql, header, dependencies, columns, reads), problems


def _qualify(file: str, query: exp.Query, tables: Mapping[str, Columns]) -> tuple[exp.Query, list[Problem]]:
    schema: dict[str, object] = {}
    for key, columns in tables.items():
        layer, _, table = key.partition("/")
        schema.setdefault(layer, {})[table] = columns  # type: ignore[index]
    try:
        qualified = qualify(
            query.copy(), dialect=DIALECT, schema=schema, validate_qualify_columns=False, quote_identifiers=False, identify=False
        )
        return annotate_types(qualified, schema=schema, dialect=DIALECT, expression_metadata=_metadata()), []
    except SqlglotError as error:
        return query, [Problem(file, 1, "", str(error).splitlines()[0], "Name the table of each column, and each column once")]


def _metadata() -> dict[type[exp.Expr], dict[str, Any]]:
    """What sqlglot does not know, or knows otherwise, of Spark's types: trunc of a date is a date."""

    def like_argument(annotator: Any, node: Any) -> Any:
        return annotator._annotate_by_args(node, "this")

    known: dict[type[exp.Expr], dict[str, Any]] = {
        exp.DateTrunc: {"returns": exp.DType.DATE},
        exp.Median: {"returns": exp.DType.DOUBLE},
    }
    passing: dict[type[exp.Expr], dict[str, Any]] = {
        kind: {"annotator": like_argument} for kind in (exp.ArgMax, exp.ArgMin, exp.Mode)
    }
    return {**Dialect.get_or_raise(DIALECT).EXPRESSION_METADATA, **known, **passing}


def _type(projection: exp.Expr) -> str | None:
    kind = projection.type
    if kind is None or kind.this in (exp.DataType.Type.UNKNOWN, exp.DataType.Type.NULL):
        return None
    return kind.sql(dialect=DIALECT)
