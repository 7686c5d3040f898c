"""What the refreshes of a table with a smallest cell have shown, and whether two of them can be subtracted.

Belongs here: remembering what is shown before it is replaced, and the check. Not here: what a refresh may show (cells.py).

The check shares no code with the SQL that it looks at.
"""

# ruff: noqa: S608 (what is put into SQL here are names, paths and digests)
from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from sqlglot.dialects.dialect import Dialect

from lake_assets.gold.cells import Former, Measures
from lake_assets.gold.errors import RefreshesSubtract
from lake_assets.gold.model import REFRESH, SUPPRESSED, GoldTable
from lake_assets.gold.words import DIALECT
from resources.spark import spark_errors
from resources.tables import LakeTables

DEFINITION = "_definition"
FOUR_DIGITS = 0.00005

Rows = Iterable[Mapping[str, Any]]


def definition(table: GoldTable) -> str:
    """Changes when the query, the rule or a column's type does, and not with comments and spaces."""
    tokens = [token.text for token in Dialect.get_or_raise(DIALECT).tokenize(table.sql)]
    shape = [(column.name, column.type) for column in table.columns]
    return hashlib.sha256(repr((tokens, table.header.grain, table.header.smallest_cell, shape)).encode()).hexdigest()[:16]


def memory(table: GoldTable) -> tuple[str, str]:
    """Layer and name of the table that remembers. It holds nothing that gold has not shown."""
    return "ops", f"shown_{table.name}"


def forget_former(table: GoldTable, tables: LakeTables) -> tuple[str, str] | None:
    """Forgets what the table has shown under other definitions; the table that remembers, None where there is none. Raises SparkFailed."""
    if not tables.exists(*memory(table)):
        return None
    with spark_errors(f"forgetting what {table.key} has shown under other definitions"):
        tables.spark.sql(f"DELETE FROM {tables.sql_name(*memory(table))} WHERE `{DEFINITION}` <> '{definition(table)}'").collect()
    return memory(table)


def remember(table: GoldTable, tables: LakeTables) -> Former | None:
    """Remembers what the table shows now, and gives all that its refreshes have shown.

    None where there is no table yet, or one of another definition: then there is nothing to hold the new rows against. Called
    before a refresh replaces the table, so that no row was ever shown that is not remembered, wherever a refresh dies. A margin
    is remembered when a row of it has changed, which takes many people: the memory grows with them, not with the refreshes.
    """
    digest = definition(table)
    with spark_errors(f"remembering what {table.key} shows"):
        if not tables.exists("gold", table.name) or noted(tables, table, 1)[0][1] != digest:
            return None
        gold, stored = tables.sql_name("gold", table.name), tables.sql_name(*memory(table))
        names = ", ".join(f"`{column.name}`" for column in table.columns)
        former, last = f"(SELECT * FROM {stored} WHERE `{DEFINITION}` = '{digest}')", 0
        if has := tables.exists(*memory(table)):
            (row,) = tables.spark.sql(f"SELECT max(`{REFRESH}`) AS last FROM {former}").collect()
            last = row["last"] or 0
        shown = f"SELECT {names} FROM {gold}"
        if last:
            shown = _changed(table, former, gold)
        rows = tables.spark.sql(f"SELECT '{digest}' AS `{DEFINITION}`, {last + 1}L AS `{REFRESH}`, {names} FROM ({shown})")
        if last and rows.isEmpty():
            return Former(former)
        writer = rows.coalesce(1).write.format("delta").option("delta.dataSkippingNumIndexedCols", "0")
        if has and not last:  # of another definition, whose columns need not be these
            writer = writer.option("overwriteSchema", "true")
        writer.mode("append" if last else "overwrite").save(tables.path(*memory(table)))
        return Former(former)


def _changed(table: GoldTable, former: str, gold: str) -> str:
    """The rows of the margins that the table shows otherwise than they are remembered last."""
    names = ", ".join(f"`{column.name}`" for column in table.columns)
    assert table.header.smallest_cell is not None, "only tables with a smallest cell are remembered"
    margin = Measures.of(table, table.header.smallest_cell).margin()
    newest = f"`{REFRESH}` = max(`{REFRESH}`) OVER (PARTITION BY {margin}) AS `_newest`"
    then, now = f"SELECT {names} FROM (SELECT *, {newest} FROM {former}) WHERE `_newest`", f"SELECT {names} FROM {gold}"
    differ = f"({now} EXCEPT {then}) UNION ALL ({then} EXCEPT {now})"
    rows, differing = f"SELECT *, {margin} AS `_margin` FROM {gold}", f"SELECT {margin} AS `_margin` FROM ({differ})"
    return f"SELECT {names} FROM ({rows}) AS n LEFT SEMI JOIN ({differing}) AS d ON n.`_margin` <=> d.`_margin`"


def noted(tables: LakeTables, table: GoldTable, limit: int) -> list[tuple[int, str | None]]:
    """The last versions of the table, newest first, each with the definition that made it."""
    rows = tables.spark.sql(f"DESCRIBE HISTORY {tables.sql_name('gold', table.name)} LIMIT {limit}").collect()
    return [(int(row["version"]), row["userMetadata"]) for row in rows]


def check_refreshes(table: GoldTable, tables: LakeTables) -> int:
    """Holds the last two versions of a table against each other; gives the number of cells that both show.

    0 where there is one version only, or its definition has changed since. Raises RefreshesSubtract.
    """
    with spark_errors(f"comparing two refreshes of {table.key}"):
        versions = noted(tables, table, 2)
        if len(versions) < 2 or versions[0][1] != versions[1][1]:
            return 0
        gold = tables.sql_name("gold", table.name)
        now, then = [
            [row.asDict() for row in tables.spark.sql(f"SELECT * FROM {gold} VERSION AS OF {version}").collect()]
            for version, _ in versions
        ]
    found = subtractable(table, then, now)
    if found:
        raise RefreshesSubtract(table.key, len(found))
    return len(_by_grain(table, then).keys() & _by_grain(table, now).keys())


def subtractable(table: GoldTable, then: Rows, now: Rows) -> set[tuple[Hashable, ...]]:
    """The cells whose difference, alone or as the sum of their margin, can be that of fewer people than the smallest cell."""
    cell = table.header.smallest_cell
    assert cell is not None, "only tables with a smallest cell are compared"
    shares = {column.name for column in table.columns if column.type == "DOUBLE"}
    before, after = _by_grain(table, then), _by_grain(table, now)
    found: set[tuple[Hashable, ...]] = set()
    margins = defaultdict(list)
    for key in before.keys() & after.keys():
        old, new = before[key], after[key]
        if all(old[name] == new[name] for name in cell.suppresses):
            continue
        margins[tuple(new[name] for name in cell.within or ())].append(key)
        if not _certain([_people(name, old, new, shares, cell.count) for name in (cell.count, *cell.counting)], cell.below):
            found.add(key)
    for keys in margins.values() if cell.within is not None else ():
        sums = []
        for name in (cell.count, *cell.counting):
            parts = [_people(name, before[key], after[key], shares, cell.count) for key in keys]
            whole = [part for part in parts if part is not None]
            sums.append((sum(p for p, _ in whole), sum(d for _, d in whole)) if len(whole) == len(parts) else None)
        if len(keys) > 1 and not _certain(sums, cell.below):
            found.update(keys)
    return found


def _by_grain(table: GoldTable, rows: Rows) -> dict[tuple[Hashable, ...], Mapping[str, Any]]:
    """The rows that show figures."""
    return {tuple(row[name] for name in table.header.grain): row for row in rows if not row[SUPPRESSED]}


def _people(
    name: str, old: Mapping[str, Any], new: Mapping[str, Any], shares: set[str], count: str
) -> tuple[float, float] | None:
    """How many people more, and how far rounding may be off; None where the measure is empty in one."""
    if old[name] is None or new[name] is None:
        return None
    if name not in shares:
        return new[name] - old[name], 0.0
    return new[name] * new[count] - old[name] * old[count], FOUR_DIGITS * (new[count] + old[count])


def _certain(differences: Iterable[tuple[float, float] | None], below: int) -> bool:
    return any(each is not None and abs(each[0]) - each[1] >= below - 1e-9 for each in differences)
