"""docs/gold.md: its example loads, its errors are the ones that come, and it explains every key of the header."""

from __future__ import annotations

from pathlib import Path

import pytest

from lake_assets.gold.errors import GoldFilesBroken
from lake_assets.gold.header import KEYS
from lake_assets.gold.load import GOLD_DIR, load_gold
from lake_assets.gold.model import SUPPRESSED
from publisher.contracts import load_contracts
from tests.unit.docs.pages import ROOT, blocks, page, rows, section

PAGE = page("gold.md")
(EXAMPLE,) = blocks(PAGE, "sql")
CONTRACTS = load_contracts(ROOT / "contracts")
ERRORS = next(block for block in blocks(PAGE, "") if "debtors_by_age.sql:" in block).splitlines()

MISTAKES = [
    ("customers.birth_band", "customers.date_of_birth"),
    ("'in_plan'", "'on_plan'"),
    ("suppresses people, mean_balance_pence", "suppresses people"),
    ("people < 10 suppresses people, mean_balance_pence within product", "none"),
    ("silver.debts AS", "bronze.debts AS"),
    ("-- column people: Customers with at least one open debt of the product.\n", ""),
]


def test_the_example_loads_beside_the_shipped_tables(tmp_path: Path) -> None:
    for shipped in GOLD_DIR.glob("*.sql"):
        (tmp_path / shipped.name).write_text(shipped.read_text())
    (tmp_path / "debtors_by_age.sql").write_text(EXAMPLE)
    table = load_gold(CONTRACTS, tmp_path)["debtors_by_age"]

    assert table.dependencies == ("silver/customers", "silver/debts")
    assert [column.name for column in table.columns][-1] == SUPPRESSED
    assert all(column.type and column.description for column in table.columns)


@pytest.mark.parametrize("number", range(len(MISTAKES)))
def test_the_errors_that_it_shows_are_the_ones_that_come(tmp_path: Path, number: int) -> None:
    right, wrong = MISTAKES[number]
    assert right in EXAMPLE
    (tmp_path / "debtors_by_age.sql").write_text(EXAMPLE.replace(right, wrong))
    with pytest.raises(GoldFilesBroken) as raised:
        load_gold(CONTRACTS, tmp_path)
    shown, real = ERRORS[number], str(raised.value)

    assert real.startswith(shown.removesuffix("…")) if shown.endswith("…") else shown == real


def test_every_mistake_is_shown_and_nothing_else() -> None:
    assert len(ERRORS) == len(MISTAKES)


def test_every_key_of_the_header_is_explained() -> None:
    assert [row[0] for row in rows(section(PAGE, "## The header"))] == [*(f"`{key}`" for key in KEYS), "`column <name>`"]
