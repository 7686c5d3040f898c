"""The analyst's text stays as it is, but for its tables and the day."""

from __future__ import annotations

from datetime import date

from lake_assets.gold.engine import render
from lake_assets.gold.refreshes import definition
from tests.unit.gold.conftest import Load, header

SQL = """SELECT d.product, count(*) AS debts -- of silver.debts, as of current_date()
FROM silver.debts AS d LEFT JOIN silver.creditors ON creditors.id = d.creditor_id
WHERE d.placed_on <= current_date() AND d.product <> 'silver.debts' AND d.status = 'open'
GROUP BY d.product
"""


def test_tables_become_paths_and_the_day_is_held_fixed(load: Load) -> None:
    table = load(t=header("product debts", "product") + SQL.replace("AND d.product <> 'silver.debts' ", ""))["t"]
    sql = render(table, "s3a://lake/", date(2026, 11, 24))
    assert "FROM delta.`s3a://lake/silver/debts` AS d LEFT JOIN delta.`s3a://lake/silver/creditors` AS creditors ON" in sql
    assert "d.placed_on <= DATE'2026-11-24' AND" in sql
    assert "-- of silver.debts, as of current_date()" in sql, "comments are not touched"


def test_a_repeat_of_a_days_refresh_is_the_same_sql(load: Load) -> None:
    table = load(t=header("debts", "debts") + "SELECT count(*) AS debts FROM silver.debts WHERE placed_on < current_date")["t"]
    assert render(table, "x", date(2026, 1, 1)) == render(table, "x", date(2026, 1, 1)) != render(table, "x", date(2026, 1, 2))


def test_the_grain_is_enforced_by_the_engine(load: Load) -> None:
    table = load(t=header("product", "product") + "SELECT product FROM silver.debts")["t"]
    assert "raise_error('gold/t: two rows share its grain (product)')" in render(table, "x")


def test_a_definition_changes_with_the_query_and_not_with_its_comments(load: Load) -> None:
    head = header("status people", "status", "people < 10 suppresses people")
    query = "SELECT status, count(DISTINCT id) AS people FROM silver.customers GROUP BY status"
    tables = load(
        a=head + query, b=head + query.replace(" FROM", "\n  -- every one\n FROM"), c=head.replace("< 10", "< 12") + query
    )
    assert definition(tables["a"]) == definition(tables["b"]) != definition(tables["c"])
