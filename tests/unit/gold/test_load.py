"""A bad gold file is refused before anything is built, with file, line and what to write; a good one needs no code."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from lake_assets.gold.errors import GoldFilesBroken
from lake_assets.gold.load import GOLD_DIR, load_gold
from lake_assets.gold.model import SmallestCell
from lake_assets.lineage.build import cell_text
from publisher.contracts import Contract
from tests.unit.gold.conftest import Load, header

COUNT = "SELECT product, count(*) AS debts FROM silver.debts GROUP BY product\n"


def test_the_projects_own_tables_load(contracts: dict[str, Contract]) -> None:
    tables = load_gold(contracts)
    assert set(tables) == {
        "age_groups", "communications", "contactability", "monthly_cohorts", "payments_performance", "plan_health", "portfolio",
        "vulnerability_prevalence",
    }  # fmt: skip
    assert all(column.type and column.description for table in tables.values() for column in table.columns)


def test_a_file_becomes_a_table_with_its_header_columns_and_dependencies(load: Load) -> None:
    table = load(debts_by_product=header("product debts", "product") + COUNT)["debts_by_product"]
    assert table.header.freshness == timedelta(minutes=15)
    assert table.header.grain == ("product",)
    assert table.dependencies == ("silver/debts",)
    assert [(column.name, column.type) for column in table.columns] == [("product", "STRING"), ("debts", "BIGINT")]


def test_tables_come_after_what_they_read(load: Load) -> None:
    first = header("debts", "debts") + "SELECT sum(debts) AS debts FROM gold.z_by_product\n"
    tables = load(a_total=first, z_by_product=header("product debts", "product") + COUNT)
    assert list(tables) == ["z_by_product", "a_total"]
    assert tables["a_total"].columns[0].type == "BIGINT", "types flow from table to table"


def test_the_smallest_cell_adds_a_column_that_says_what_is_hidden(load: Load) -> None:
    sql = header("status people", "status", "people < 10 suppresses people within all")
    table = load(t=sql + "SELECT status, count(DISTINCT id) AS people FROM silver.customers GROUP BY status")["t"]
    assert table.header.smallest_cell == SmallestCell("people", 10, ("people",), ())
    assert [column.name for column in table.columns][-2:] == ["counted_on", "suppressed"]


BAD = {
    "an unknown table": ("SELECT id AS debts FROM silver.debtors\n", "t.sql:7: silver.debtors: there is no such table. Did you mean silver.debts?"),
    "a withheld column": ("SELECT name AS debts FROM silver.creditors\n", "t.sql:7: name: "),
    "an unknown column behind an alias": ("SELECT count(d.amount) AS debts\nFROM silver.debts AS d\nWHERE d.stage = 'open'\n", "t.sql:9: stage: silver.debts has no such column"),
    "a column that its CTE does not give": ("WITH a AS (SELECT id FROM silver.debts)\nSELECT a.product AS debts FROM a\n", "t.sql:8: product: a has no such column"),
    "a column that could be of two tables": ("SELECT count(status) AS debts FROM silver.debts JOIN silver.plans ON plans.debt_id = debts.id\n", "status: could be of several tables. Write debts.status or plans.status"),
    "a star": ("SELECT * FROM silver.debts\n", "t.sql:7: *: selects columns without naming them"),
    "a star of an alias": ("SELECT d.* FROM silver.debts AS d\n", "*: selects columns without naming them"),
    "the time of day": ("SELECT count(*) AS debts FROM silver.debts\nWHERE placed_on < now()\n", "a repeat would not give the same rows. Use current_date()"),
    "a function that says values": ("SELECT xpath_string(status, '/a') AS debts FROM silver.debts\n", "xpath_string: may write the values that it fails on"),
    "Java by the back door": ("SELECT reflect('java.util.UUID', 'randomUUID') AS debts FROM silver.debts\n", "reflect: may write the values"),
    "chance": ("SELECT rand() AS debts FROM silver.debts\n", "rand: a repeat would not give the same rows"),
    "a table past the layers": ("SELECT count(*) AS debts FROM bronze.debts\n", "gold reads silver and gold only"),
    "a path": ("SELECT count(*) AS debts FROM delta.`s3a://lake/bronze/debts`\n", "gold reads silver and gold only"),
    "a value that can never be": ("SELECT count(*) AS debts FROM silver.debts\nWHERE status IN ('open', 'closed')\n", "t.sql:8: status: is never 'closed', says the contract. It is one of open, in_plan, settled"),
    "two statements": ("SELECT 1 AS debts; SELECT 2 AS debts\n", "not one SELECT"),
    "a statement that writes": ("DELETE FROM silver.debts\n", "not one SELECT"),
    "no SQL": ("SELECT count( AS debts FROM silver.debts\n", "t.sql:7"),
    "another column than described": ("SELECT count(*) AS open_debts FROM silver.debts\n", "open_debts: the column has no description. Write -- column open_debts:"),
}  # fmt: skip


@pytest.mark.parametrize(("sql", "says"), BAD.values(), ids=BAD.keys())
def test_a_bad_query_gets_its_line_and_a_remedy(load: Load, sql: str, says: str) -> None:
    with pytest.raises(GoldFilesBroken) as caught:
        load(t=header("debts", "debts") + sql)
    assert says in str(caught.value)


BAD_HEADERS = {
    "a missing key": (lambda text: text.replace("-- owner: finance\n", ""), "t.sql:1: owner: the header does not say it. Write -- owner: finance"),
    "an unknown key": (lambda text: text.replace("-- owner", "-- author"), "t.sql:2: author: not a line of the header"),
    "a key that stands twice": (lambda text: text.replace("-- grain", "-- owner: me\n-- grain"), "t.sql:4: owner: stands twice"),
    "a freshness without a unit": (lambda text: text.replace("15 minutes", "15"), "t.sql:3: freshness: not a period"),
    "a smallest cell of one": (lambda text: re.sub("none because.*", "debts < 1 suppresses debts", text), "t.sql:5: smallest_cell: not a rule"),
    "no reason": (lambda text: re.sub("none because.*", "none because", text), "t.sql:5: smallest_cell: not a rule"),
    "a grain that is not there": (lambda text: text.replace("grain: product", "grain: produkt"), "t.sql:4: produkt: in the grain, but the query gives no such column. Did you mean product?"),
    "a column that is not there": (lambda text: text.replace("column debts", "column dept"), "t.sql:7: dept: described, but the query gives no such column"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "says"), BAD_HEADERS.values(), ids=BAD_HEADERS.keys())
def test_a_bad_header_gets_its_line_and_a_remedy(load: Load, change, says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(GoldFilesBroken) as caught:
        load(t=change(header("product debts", "product")) + COUNT)
    assert says in str(caught.value)


def test_all_problems_of_all_files_are_said_at_once(load: Load) -> None:
    with pytest.raises(GoldFilesBroken) as caught:
        load(a="SELECT 1 AS one\n", b=header("debts", "debts") + "SELECT * FROM silver.debts\n")
    assert {problem.file for problem in caught.value.problems} == {"a.sql", "b.sql"}


def test_one_bad_file_is_told_alone_whatever_reads_it_or_stands_beside_it(load: Load, contracts: dict[str, Contract]) -> None:
    """A table without columns in the schema once made each table after it look as if it had none, and counted no people."""
    cell = "people < 10 suppresses people within all"
    own = {path.stem: path.read_text() for path in GOLD_DIR.glob("*.sql")}
    reads_it = header("people", "people", cell) + "SELECT count(DISTINCT customer) AS people FROM gold.a_bad\n"
    reads_that = header("people", "people", cell) + "SELECT people FROM gold.reads_it\n"
    bad = header("debts", "debts") + "SELECT count(stage) AS debts FROM silver.debts\n"
    with pytest.raises(GoldFilesBroken) as caught:
        load(a_bad=bad, reads_it=reads_it, reads_that=reads_that, **own)
    (problem,) = caught.value.problems
    assert (problem.file, problem.field) == ("a_bad.sql", "stage")


def test_a_circle_is_named(load: Load) -> None:
    head = header("n", "n")
    with pytest.raises(GoldFilesBroken, match=r"(a → b → a|b → a → b): the tables read each other in a circle"):
        load(a=head + "SELECT n FROM gold.b", b=head + "SELECT n FROM gold.a")


PRIVATE = "SELECT kind, count(DISTINCT customer_id) AS people FROM silver.circumstances GROUP BY kind\n"
FILTERED = "SELECT count(*) AS people FROM silver.circumstances WHERE severity = 'high'\n"
NARROW = "SELECT birth_band, postcode_area, count(*) AS people FROM silver.customers GROUP BY birth_band, postcode_area\n"


@pytest.mark.parametrize(
    ("columns", "grain", "sql"),
    [
        ("kind people", "kind", PRIVATE),
        ("people", "people", FILTERED),
        ("birth_band postcode_area people", "birth_band, postcode_area", NARROW),
    ],
    ids=["a restricted field in the grain", "a restricted field in a filter", "fields that together narrow down a person"],
)
def test_a_table_about_few_people_must_say_how_few(load: Load, columns: str, grain: str, sql: str) -> None:
    with pytest.raises(GoldFilesBroken, match="smallest_cell: people < 10"):
        load(t=header(columns, grain) + sql)


def test_a_table_of_people_has_a_smallest_cell_or_says_why_it_needs_none(load: Load) -> None:
    sums = "SELECT product, sum(balance_pence) AS pence FROM silver.debts GROUP BY product\n"
    with pytest.raises(GoldFilesBroken) as refused:
        load(t=header("product pence", "product", "none") + sums)
    assert str(refused.value).startswith(
        "t.sql:5: smallest_cell: reads of people (silver/debts) without a smallest cell. Count the people, and"
    )
    table = load(t=header("product pence", "product", "none because the sums are of all products") + sums)["t"]
    assert (table.header.smallest_cell, table.header.no_cell_because) == (None, "the sums are of all products")
    assert cell_text(None, table.header.no_cell_because) == "none, because the sums are of all products"
    second = header("product", "product", "none") + "SELECT product FROM gold.t\n"
    with pytest.raises(GoldFilesBroken, match=r"second.sql:5: smallest_cell: reads of people \(silver/debts\)"):
        load(second=second)
    (table.path.parent / "second.sql").unlink()
    creditors = (
        header("sector creditors", "sector", "none")
        + "SELECT sector, count(*) AS creditors FROM silver.creditors GROUP BY sector\n"
    )
    assert load(t=creditors)["t"].header.smallest_cell is None, "a creditor is no person"


def test_a_table_cannot_launder_a_restricted_field_through_another(load: Load) -> None:
    first = header("kind people", "kind", "people < 10 suppresses people") + PRIVATE
    with pytest.raises(GoldFilesBroken, match=r"second.sql.*depends on silver/circumstances.kind, which is restricted"):
        load(first=first, second=header("kind", "kind") + "SELECT kind FROM gold.first")


def test_the_contracts_own_k_cannot_be_undercut(load: Load) -> None:
    with pytest.raises(GoldFilesBroken, match="people < 10"):
        load(t=header("birth_band postcode_area people", "birth_band, postcode_area", "people < 5 suppresses people") + NARROW)


def test_a_measure_beside_a_small_cell_must_be_hidden_too(load: Load) -> None:
    sql = "SELECT kind, count(DISTINCT customer_id) AS people, min(recorded_on) AS since FROM silver.circumstances GROUP BY kind"
    with pytest.raises(GoldFilesBroken, match="since: would still be shown for a few people"):
        load(t=header("kind people since", "kind", "people < 10 suppresses people") + sql)


COUNTED = "SELECT status, count(DISTINCT id) AS people, sum(_seq) AS total, max(joined_on) AS latest FROM silver.customers GROUP BY status"


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("people < 10 suppresses people, total, latest counting latest", "latest: counts no people: it is DATE"),
        ("people < 10 suppresses people, latest counting total", "total: counts people, and would be shown for a few"),
        (
            "people < 10 suppresses people, latest counting totals",
            "totals: in the smallest cell, but the query gives no such column",
        ),
        ("people < 10 suppresses total, latest", "people: counts people, and would be shown for a few"),
    ],
)
def test_what_counts_people_is_a_number_of_them_and_is_hidden_with_them(load: Load, rule: str, says: str) -> None:
    with pytest.raises(GoldFilesBroken) as caught:
        load(t=header("status people total latest", "status", rule) + COUNTED)
    assert says in str(caught.value)
