"""Renders and builds gold tables: what the analyst's SELECT leaves to us.

Belongs here: putting paths and the day into the SQL, refusing a broken grain, writing. Not here: reading files (load.py), small
cells (cells.py).
"""

# ruff: noqa: S608 (what is put into SQL here are names, paths and a date: a gold file is reviewed code)
from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from sqlglot import exp, parse_one
from sqlglot.dialects.dialect import Dialect
from sqlglot.tokens import TokenType  # type: ignore[attr-defined]

from lake_assets.gold.cells import Former, enforced
from lake_assets.gold.check import LAYERS
from lake_assets.gold.errors import GrainBroken
from lake_assets.gold.load import load_gold
from lake_assets.gold.model import COUNTED_ON, SUPPRESSED, GoldTable
from lake_assets.gold.reads import table_key
from lake_assets.gold.refreshes import definition, remember
from lake_assets.gold.words import DIALECT
from resources.errors import SparkFailed
from resources.spark import spark_errors
from resources.tables import LakeTables

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["GoldResult", "build", "load_gold", "render", "select"]


@dataclass(frozen=True)
class GoldResult:
    """`suppressed` counts the rows whose measures are empty because they are about too few people."""

    rows: int
    suppressed: int
    as_of: date
    seconds: float


def render(table: GoldTable, lake_uri: str | Mapping[str, str], as_of: date | None = None, former: Former | None = None) -> str:
    """The whole Spark SQL of a table: its SELECT over paths, with the smallest cell and the grain enforced around it.

    `lake_uri` is where the layers lie, or a mapping from `silver/customers` to what shall stand in FROM instead. The analyst's
    text stays as it is, but for its tables and `current_date()`: one refresh has one day, also past midnight. `former` is the
    relation of what the refreshes before have shown (refreshes.py); without it the rows are a first refresh's.
    """
    day = as_of or datetime.now(UTC).date()
    inner = _placed(table, lake_uri, day)
    names = [column.name for column in table.columns if column.name not in (SUPPRESSED, COUNTED_ON)]
    listed = ", ".join(f"`{name}`" for name in names)
    grain = ", ".join(f"`{name}`" for name in table.header.grain)
    message = f"{table.key}: two rows share its grain ({', '.join(table.header.grain)})"
    unique = f"CASE WHEN `_copies` > 1 THEN CAST(raise_error('{message}') AS BOOLEAN) ELSE true END"
    whole = [
        f"WITH `_analyst` AS (\n{inner}\n)",
        f"`_counted` AS (\n  SELECT {listed}, count(*) OVER (PARTITION BY {grain}) AS `_copies` FROM `_analyst`\n)",
        f"`_checked` AS (\n  SELECT {listed} FROM `_counted`\n  WHERE {unique}\n)",
    ]
    cell = table.header.smallest_cell
    if cell is None:
        return ",\n".join(whole) + f"\nSELECT {listed} FROM `_checked`"
    return ",\n".join([*whole, enforced(table, cell, names, former, day)])


def select(
    table: GoldTable,
    spark: SparkSession,
    lake_uri: str | Mapping[str, str],
    as_of: date | None = None,
    former: Former | None = None,
) -> DataFrame:
    """The table's rows, not yet computed; each column carries its description as Spark's comment."""
    frame = spark.sql(render(table, lake_uri, as_of, former))
    comments = {column.name: column.description for column in table.columns}
    return frame.select(*[frame[name].alias(name, metadata={"comment": comments[name]}) for name in frame.columns])


def build(table: GoldTable, spark: SparkSession, lake_uri: str, as_of: date | None = None) -> GoldResult:
    """Overwrites `gold/<name>` in one commit; on any failure the table that was there stays.

    Raises GrainBroken, and SparkFailed for what Spark says no more about.

    Without column statistics: Delta's log would hold the least and the greatest figure of each column, and keep them long after
    the rows are gone.
    """
    started, day, tables = time.monotonic(), as_of or datetime.now(UTC).date(), LakeTables(spark, lake_uri)
    with _grain_told(table, spark, tables.lake_uri, day), spark_errors(f"building {table.key}"):
        former = remember(table, tables) if table.header.smallest_cell else None
        frame = select(table, spark, tables.lake_uri, day, former)
        (
            frame.write.format("delta")
            .mode("overwrite")
            .option("overwriteSchema", "true")
            .option("delta.dataSkippingNumIndexedCols", "0")
            .option("userMetadata", definition(table))
            .save(tables.path("gold", table.name))
        )
        hidden = f"count_if(`{SUPPRESSED}`)" if table.header.smallest_cell else "0"
        counting = f"SELECT count(*) AS rows, {hidden} AS hidden FROM {tables.sql_name('gold', table.name)}"
        (counted,) = spark.sql(counting).collect()
    return GoldResult(int(counted["rows"]), int(counted["hidden"]), day, time.monotonic() - started)


@contextmanager
def _grain_told(table: GoldTable, spark: SparkSession, lake_uri: str, as_of: date) -> Iterator[None]:
    """Tells a broken grain as what it is. Spark says only that a task failed to write, so the grain is looked at again."""
    try:
        yield
    except SparkFailed as error:
        if error.condition not in ("TASK_WRITE_FAILED", "USER_RAISED_EXCEPTION"):
            raise
        grain = ", ".join(f"`{name}`" for name in table.header.grain)
        again = f"SELECT 1 FROM (\n{_placed(table, lake_uri, as_of)}\n) GROUP BY {grain} HAVING count(*) > 1 LIMIT 1"
        with spark_errors(f"looking at the grain of {table.key}"):
            broken = spark.sql(again).collect()
        if broken:
            raise GrainBroken(table.key, table.header.grain) from None
        raise


def _placed(table: GoldTable, lake_uri: str | Mapping[str, str], as_of: date) -> str:
    """The analyst's text with each table and `current_date()` replaced where they stand."""
    spans: list[tuple[int, int, str]] = []
    for node in parse_one(table.sql, dialect=DIALECT).find_all(exp.Table):
        if node.db not in LAYERS:
            continue
        key = table_key(node)
        at = lake_uri[key] if isinstance(lake_uri, Mapping) else f"delta.`{lake_uri.rstrip('/')}/{key}`"
        name = "" if node.alias else f" AS {node.name}"
        spans.append((node.args["db"].meta["start"], node.this.meta["end"] + 1, at + name))
    tokens = Dialect.get_or_raise(DIALECT).tokenize(table.sql)
    for index, token in enumerate(tokens):
        if token.token_type == TokenType.CURRENT_DATE:
            call = [each.token_type for each in tokens[index + 1 : index + 3]] == [TokenType.L_PAREN, TokenType.R_PAREN]
            end = tokens[index + 2].end if call else token.end
            spans.append((token.start, end + 1, f"DATE'{as_of.isoformat()}'"))
    text = table.sql
    for start, end, replacement in sorted(spans, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text.strip().removesuffix(";")
