"""Which columns a query's columns depend on: by value, and by what decides their rows."""

from __future__ import annotations

import pytest

from tests.unit.gold.conftest import Load, header


def _reads(load: Load, sql: str, column: str = "x") -> set[tuple[str, str, str]]:
    table = load(t=header("x", "x") + sql)["t"]
    return {(read.kind, read.table.partition("/")[2], read.column) for read in table.reads[column]}


CASES = {
    "a CASE reads its condition by value": (
        "SELECT sum(CASE WHEN status = 'open' THEN balance_pence END) AS x FROM silver.debts",
        {("value", "debts", "status"), ("value", "debts", "balance_pence")},
    ),
    "a filter decides": (
        "SELECT sum(balance_pence) AS x FROM silver.debts WHERE status = 'open'",
        {("value", "debts", "balance_pence"), ("influence", "debts", "status")},
    ),
    "a join decides": (
        "SELECT debts.product AS x FROM silver.debts JOIN silver.plans ON plans.debt_id = debts.id",
        {("value", "debts", "product"), ("influence", "plans", "debt_id"), ("influence", "debts", "id")},
    ),
    "a left join to a key decides nothing about another column": (
        "SELECT plans.status AS x FROM silver.plans LEFT JOIN silver.debts ON debts.id = plans.debt_id",
        {("value", "plans", "status")},
    ),
    "a left join that can find several rows decides": (
        "SELECT debts.product AS x FROM silver.debts LEFT JOIN silver.plans ON plans.debt_id = debts.id",
        {("value", "debts", "product"), ("influence", "plans", "debt_id"), ("influence", "debts", "id")},
    ),
    "a count of rows reads their key": (
        "SELECT count(*) AS x FROM silver.debts HAVING max(balance_pence) > 0",
        {("value", "debts", "id"), ("influence", "debts", "balance_pence")},
    ),
    "a sum of ones is a count of rows": (
        "WITH a AS (SELECT 1 AS one FROM silver.debts) SELECT sum(one) AS x FROM a",
        {("value", "debts", "id")},
    ),
    "a group decides an aggregate and not its own key": (
        "WITH a AS (SELECT product, status, count(*) AS n FROM silver.debts GROUP BY product, status) SELECT product AS x FROM a",
        {("value", "debts", "product")},
    ),
    "a window's partition decides": (
        "SELECT row_number() OVER (PARTITION BY product ORDER BY placed_on) AS x FROM silver.debts",
        {("influence", "debts", "product"), ("influence", "debts", "placed_on")},
    ),
    "a filter inside a CTE decides outside": (
        "WITH a AS (SELECT id FROM silver.debts WHERE status = 'open'), b AS (SELECT id FROM a) SELECT count(DISTINCT id) AS x FROM b",
        {("value", "debts", "id"), ("influence", "debts", "status")},
    ),
    "both sides of a union are read, by position": (
        "SELECT product AS x FROM silver.debts UNION ALL SELECT method FROM silver.payments",
        {("value", "debts", "product"), ("value", "payments", "method")},
    ),
    "a subquery in a filter decides": (
        "SELECT product AS x FROM silver.debts WHERE id IN (SELECT debt_id FROM silver.plans WHERE status = 'broken')",
        {("value", "debts", "product"), ("influence", "debts", "id"), ("influence", "plans", "debt_id"), ("influence", "plans", "status")},
    ),
    "a correlated subquery reads what it is tied to": (
        "SELECT (SELECT max(p.instalments) FROM silver.plans AS p WHERE p.debt_id = debts.id) AS x FROM silver.debts",
        {("value", "plans", "instalments"), ("influence", "plans", "debt_id"), ("influence", "debts", "id")},
    ),
    "an exploded array is read": (
        "WITH a AS (SELECT explode(array(product, status)) AS y FROM silver.debts) SELECT y AS x FROM a",
        {("value", "debts", "product"), ("value", "debts", "status")},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), CASES.values(), ids=CASES.keys())
def test_what_a_column_depends_on(load: Load, sql: str, expected: set[tuple[str, str, str]]) -> None:
    assert _reads(load, sql) == expected


def test_the_steps_say_how_in_the_order_of_the_way(load: Load) -> None:
    sql = "WITH a AS (SELECT lower(preferred_channel) AS channel FROM silver.customers WHERE status = 'active') SELECT max(channel) AS x FROM a"
    reads = {read.column: read.steps for read in load(t=header("x", "x") + sql)["t"].reads["x"]}
    assert reads["preferred_channel"] == ("channel = lower(preferred_channel)", "x = max(channel)")
    assert reads["status"] == ("where status = 'active'",)
