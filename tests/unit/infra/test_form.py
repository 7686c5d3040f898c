"""infra/ is whole: it parses, nothing refers to what is not there, everything says what it is for, and the contracts are the only list."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import yaml

from publisher.contracts import load_contracts
from publisher.contracts.build import PERIODS, UNITS
from tests.unit.infra.terraform import INFRA, Terraform, references, strings

CONTRACTS = Path(__file__).parents[3] / "contracts"
README = (INFRA / "README.md").read_text(encoding="utf-8")


def test_every_reference_leads_to_something_that_is_declared(terraform: Terraform) -> None:
    everything = [terraform.resources, terraform.outputs, terraform.locals, terraform.variables]

    assert references(everything) - terraform.addresses() == set()


def test_nothing_is_declared_that_nothing_uses(terraform: Terraform) -> None:
    used = references([terraform.resources, terraform.outputs, terraform.locals])
    provider = references((INFRA / "versions.tf").read_text(encoding="utf-8"))
    used |= provider

    assert {f"var.{name}" for name in terraform.variables} <= used
    assert {f"local.{name}" for name in terraform.locals} <= used
    assert {address for address in terraform.resources if address.startswith("data.")} <= used


def test_every_variable_and_output_says_what_it_is(terraform: Terraform) -> None:
    unsaid = [
        name for kind in (terraform.variables, terraform.outputs) for name, body in kind.items() if not body.get("description")
    ]

    assert unsaid == []
    assert all("type" in body for body in terraform.variables.values())


def test_the_readme_names_every_file() -> None:
    assert set(re.findall(r"^\| `(\w+\.tf)` \|", README, re.MULTILINE)) == {path.name for path in INFRA.glob("*.tf")}


def test_no_file_knows_an_entity(terraform: Terraform) -> None:
    """The contracts are the only list: a new one must need no change here."""
    words = set(strings([terraform.resources, terraform.outputs, terraform.locals, terraform.variables]))

    assert words & set(load_contracts(CONTRACTS)) == set()


def test_retention_is_read_from_the_contracts_in_the_units_that_they_may_have(terraform: Terraform) -> None:
    days_in = terraform.locals["days_in"]
    read = {}
    for path in CONTRACTS.glob("*.yaml"):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        if document.get("kind") == "DataContract":
            (level,) = [each for each in document["slaProperties"] if each["property"] == "retention"]
            read[document["name"]] = level["value"] * days_in[level["unit"]]

    assert read == {entity: contract.retention_days for entity, contract in load_contracts(CONTRACTS).items()}
    assert days_in == {unit: UNITS[unit] // timedelta(days=1) for unit in PERIODS["retention"]}


def test_raw_objects_are_deleted_with_the_shortest_retention_and_tables_never_by_age(terraform: Terraform) -> None:
    (landing,) = terraform.resources["aws_s3_bucket_lifecycle_configuration.landing"]["rule"]
    (lake,) = terraform.resources["aws_s3_bucket_lifecycle_configuration.lake"]["rule"]
    (precondition,) = terraform.resources["aws_s3_bucket_lifecycle_configuration.landing"]["lifecycle"]

    assert landing["expiration"] == [{"days": "${local.raw_days}"}]
    assert landing["filter"] == [{}]
    assert landing["status"] == "Enabled"
    assert terraform.locals["raw_days"] == "${coalesce(var.raw_days, local.longest_raw_days)}"
    assert terraform.locals["longest_raw_days"] == "${min(values(local.retention_days) ...)}"
    assert "local.raw_days <= local.longest_raw_days" in precondition["precondition"][0]["condition"]
    assert not {"expiration", "noncurrent_version_expiration", "transition"} & set(lake)
