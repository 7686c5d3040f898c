"""The seven shipped contracts: clean by our rules and by the standard's own, and true to the demo platform's tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft201909Validator
from open_data_contract_standard.model import OpenDataContractStandard

from publisher.contracts import Contract, check_contracts
from publisher.contracts.schema import odcs_schema
from tests.unit.contracts.conftest import SHIPPED

ENTITIES = ["circumstances", "creditors", "customers", "debts", "messages", "payments", "plans"]
FILES = sorted(SHIPPED / f"{entity}.yaml" for entity in ENTITIES)


def test_no_problem_is_found() -> None:
    assert check_contracts(SHIPPED) == []


def test_all_seven_entities_have_one(shipped: dict[str, Contract]) -> None:
    assert sorted(shipped) == ENTITIES


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_fits_the_standards_model(file: Path) -> None:
    contract = OpenDataContractStandard.from_file(str(file))

    assert contract.apiVersion == "v3.2.0"
    assert [o.physicalType for o in contract.schema_ or []] == ["event", "table"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_fits_the_standards_full_json_schema(file: Path) -> None:
    """The publisher leaves a slow keyword of the schema out; here nothing is left out."""
    assert list(Draft201909Validator(odcs_schema()).iter_errors(yaml.safe_load(file.read_text()))) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_reads_the_same_in_any_yaml_reader(file: Path) -> None:
    """Words such as `no` or `1.0` mean different things to different readers; the contracts use none."""
    from publisher.contracts.source import read_source

    assert read_source(file).data == yaml.safe_load(file.read_text())


def test_every_entity_about_a_person_leads_to_the_customer(shipped: dict[str, Contract]) -> None:
    assert {e: c.subject_namespace for e, c in shipped.items()} == {
        "circumstances": "customer", "creditors": None, "customers": "customer", "debts": "customer", "messages": "customer",
        "payments": "customer", "plans": "customer",
    }  # fmt: skip
    assert [(s.table, s.column) for s in shipped["payments"].subject] == [
        ("payments", "plan_id"), ("plans", "debt_id"), ("debts", "customer_id"),
    ]  # fmt: skip


def test_no_encrypted_column_leaves_as_it_is(shipped: dict[str, Contract]) -> None:
    exact = {"copy", "rounded", "truncate", "pseudonym", "one_of"}
    for contract in shipped.values():
        encrypted = {name for name, column in contract.columns.items() if column.encrypted}
        assert not {f.name for f in contract.fields if f.derivation.column in encrypted and f.derivation.function in exact}


def test_the_time_of_an_event_about_health_is_cut_to_the_hour(shipped: dict[str, Contract]) -> None:
    """To the minute it would say of each circumstance when it was recorded, of which the record tells the month."""
    assert {entity: contract.precision for entity, contract in shipped.items()} == {
        entity: "hour" if entity == "circumstances" else "minute" for entity in ENTITIES
    }
    assert shipped["circumstances"].version == "1.1.0"


def test_what_never_leaves_holds_no_time_that_the_envelope_tells(shipped: dict[str, Contract]) -> None:
    told = {
        f"{entity}.{name}" for entity, c in shipped.items() for name, column in c.columns.items() if c.told_by_envelope(column)
    }
    assert told == {
        "customers.updated_at", "debts.updated_at", "plans.updated_at", "payments.created_at",
        "creditors.created_at", "customers.created_at", "messages.sent_at", "circumstances.recorded_on", "circumstances.lifted_on",
    }  # fmt: skip
    assert {entity: contract.never_leaves for entity, contract in shipped.items()} == {
        "circumstances": (), "creditors": ("name", "contact_email"), "customers": ("full_name",), "debts": ("account_reference",),
        "messages": (), "payments": ("bank_account",), "plans": (),
    }  # fmt: skip


def test_the_wire_order_begins_with_the_key(shipped: dict[str, Contract]) -> None:
    for contract in shipped.values():
        assert contract.fields[0].name == "id"
        assert contract.source_columns[0] == contract.key_column == "id"


def test_they_name_the_columns_that_the_demo_platform_has(shipped: dict[str, Contract]) -> None:
    models = pytest.importorskip("demo.platform.models", reason="the demo platform is not there")
    tables = {name: {column.name for column in table.columns} for name, table in models.Base.metadata.tables.items()}

    assert {contract.table: set(contract.columns) for contract in shipped.values()} == tables


def test_their_types_are_those_of_the_demo_platform(shipped: dict[str, Contract]) -> None:
    models = pytest.importorskip("demo.platform.models", reason="the demo platform is not there")
    dialect = pytest.importorskip("sqlalchemy.dialects.postgresql").dialect()
    spelled = {"timestamp with time zone": "timestamptz"}
    for contract in shipped.values():
        table = models.Base.metadata.tables[contract.table]
        for name, column in contract.columns.items():
            actual = table.columns[name].type.compile(dialect).lower()
            assert (spelled.get(actual, actual), table.columns[name].nullable) == (column.physical_type, not column.required), (
                name
            )


def test_the_values_they_list_are_those_that_the_demo_platform_allows(shipped: dict[str, Contract]) -> None:
    """A value that the database takes and the contract does not list would become a dead letter."""
    models = pytest.importorskip("demo.platform.models", reason="the demo platform is not there")
    for contract in shipped.values():
        checks = {
            str(c.name): str(c.sqltext) for c in models.Base.metadata.tables[contract.table].constraints if hasattr(c, "sqltext")
        }
        for field in contract.fields:
            if field.derivation.function == "one_of":
                allowed = re.findall(r"'([^']*)'", checks[f"{field.derivation.column}_known"])
                assert set(field.derivation.domain.values or ()) == set(allowed), (contract.entity, field.name)
