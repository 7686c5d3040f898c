"""The graph says where every figure comes from, and what every source column reaches: no more and no less."""

from __future__ import annotations

from pathlib import Path

import pytest

from lake_assets.gold.load import load_gold
from lake_assets.lineage import ColumnRef, Lineage, as_markdown, build_lineage, column_description, dagster_column_deps
from lake_assets.transforms import schemas
from publisher.contracts import Contract
from tests.unit.gold.conftest import header


def _figures(lineage: Lineage, asset: str, column: str, *, influence: bool) -> set[str]:
    return {str(e.target) for e in lineage.downstream(asset, column, influence=influence) if e.target.layer == "gold"}


def test_the_way_of_an_email_address_to_the_share_that_has_one(lineage: Lineage) -> None:
    (way,) = lineage.paths("platform/customers.email", "gold/contactability.share_with_email")
    assert [str(edge.target) for edge in way] == [
        "bronze/customers.has_email",
        "silver/customers.has_email",
        "gold/contactability.share_with_email",
    ]
    assert way[0].steps == ("present(email)",)
    assert way[0].reveals == "only whether there is one: yes or no"
    assert way[2].steps == ("share_with_email = round(avg(CAST(has_email AS INT)), 4)",)
    assert {edge.kind for edge in way} == {"value"}


def test_what_figures_an_email_address_goes_into(lineage: Lineage) -> None:
    assert _figures(lineage, "platform/customers", "email", influence=True) == {
        "gold/age_groups.share_reachable",
        "gold/contactability.share_with_email",
        "gold/contactability.share_reachable",
        "gold/contactability.share_by_preference",
    }


def test_a_column_that_only_filters_influences_and_its_value_goes_nowhere(lineage: Lineage) -> None:
    (way,) = lineage.paths("platform/customers.status", "gold/contactability.share_with_email")
    assert way[-1].kind == "influence"
    assert way[-1].steps == ("where status = 'active'",)
    assert lineage.paths("platform/customers.status", "gold/contactability.share_with_email", influence=False) == []
    assert _figures(lineage, "platform/circumstances", "lifted_on", influence=False) == set()
    assert "gold/vulnerability_prevalence.people" in _figures(lineage, "platform/circumstances", "lifted_on", influence=True)


def test_the_person_behind_a_payment_comes_by_way_of_its_plan_and_debt(lineage: Lineage) -> None:
    into = {str(edge.source): edge.kind for edge in lineage.into(ColumnRef("bronze/payments", "_subject"))}
    assert into == {
        "platform/payments.plan_id": "influence",
        "platform/plans.debt_id": "influence",
        "platform/debts.customer_id": "value",
    }


def test_withheld_columns_are_there_and_lead_nowhere(lineage: Lineage, contracts: dict[str, Contract]) -> None:
    withheld = {f"platform/{entity}.{name}" for entity, contract in contracts.items() for name in contract.withheld}
    assert withheld
    assert {str(column.ref) for column in lineage.columns.values() if column.withheld} == withheld
    assert not [edge for edge in lineage.edges if str(edge.source) in withheld]


def test_every_column_of_every_layer_is_there_and_every_edge_joins_two_of_them(
    lineage: Lineage, contracts: dict[str, Contract]
) -> None:
    for entity, contract in contracts.items():
        assert [c.ref.column for c in lineage.of(f"platform/{entity}")] == list(contract.columns)
        assert [c.ref.column for c in lineage.of(f"bronze/{entity}")] == [name for name, _, _ in schemas.bronze(contract)]
        assert [c.ref.column for c in lineage.of(f"silver/{entity}_history")] == [
            name for name, _, _ in schemas.history(contract)
        ]
    assert not [edge for edge in lineage.edges if edge.source not in lineage.columns or edge.target not in lineage.columns]
    for column in lineage.columns.values():
        if column.ref.layer != "platform" and not column.technical:
            assert lineage.origins(column.ref.asset, column.ref.column, influence=True), f"{column.ref} comes from nowhere"


def test_a_new_sql_file_has_its_lineage_without_code(contracts: dict[str, Contract], tmp_path: Path) -> None:
    sql = "SELECT product, max(closed_on) AS last_on FROM silver.debts WHERE status = 'settled' GROUP BY product"
    (tmp_path / "last_settled.sql").write_text(header("product last_on", "product") + sql)
    lineage = build_lineage(contracts, load_gold(contracts, tmp_path))
    assert [str(ref) for ref in lineage.origins("gold/last_settled", "last_on")] == ["platform/debts.closed_on"]
    assert {
        edge.source.column for edge in lineage.into(ColumnRef("gold/last_settled", "last_on")) if edge.kind == "influence"
    } == {
        "status",
        "product",
    }


def test_dagster_gets_the_direct_columns_of_each_column(lineage: Lineage) -> None:
    deps = dagster_column_deps(lineage, "gold/contactability")
    assert deps["share_with_email"] == [("silver/customers", "has_email")]
    assert list(deps) == [column.ref.column for column in lineage.of("gold/contactability")]
    assert ("silver/customers", "status") in dagster_column_deps(lineage, "gold/contactability", influence=True)["people"]
    assert dagster_column_deps(lineage, "bronze/customers")["birth_band"] == [("platform/customers", "date_of_birth")]


def test_descriptions_say_in_words_where_a_column_comes_from(lineage: Lineage) -> None:
    assert column_description(lineage, "gold/contactability", "share_with_email") == (
        "The share of them with an e-mail address. From present(customers.email), only whether there is one: yes or no."
    )
    assert column_description(lineage, "bronze/customers", "birth_band").endswith(
        "Released as birth_band(customers.date_of_birth, 10), the 10 years in which it falls, such as 1980-1989."
    )
    assert column_description(lineage, "platform/customers", "full_name") == "Never leaves the platform."
    told = "The envelope tells when it changed, to the"
    assert column_description(lineage, "platform/customers", "updated_at") == f"No field has it. {told} minute."
    assert column_description(lineage, "platform/circumstances", "recorded_on").endswith(f"as recorded_on. {told} hour.")
    assert column_description(lineage, "platform/customers", "email") == "Leaves only as present(email) as has_email."


def test_markdown_is_a_table_with_a_row_a_column(lineage: Lineage) -> None:
    text = as_markdown(lineage, "gold/contactability")
    rows = text.splitlines()
    assert len(rows) == 2 + len(lineage.of("gold/contactability"))
    assert len({row.replace("\\|", "").count("|") for row in rows}) == 1, "every row has as many cells"
    assert "`silver/customers.has_email` ← `platform/customers.email` 🔒" in text
    assert "| `full_name` | restricted 🔒 encrypted | Never leaves the platform. |" in as_markdown(lineage, "platform/customers")


def test_a_column_that_is_not_there_is_named(lineage: Lineage) -> None:
    with pytest.raises(KeyError, match=r"gold/contactability\.share_with_fax"):
        lineage.upstream("gold/contactability", "share_with_fax")
    with pytest.raises(KeyError, match=r"platform/customers\.fax"):
        lineage.paths("platform/customers.fax", "gold/contactability.people")
