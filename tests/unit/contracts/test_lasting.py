"""What a contract can never change is refused with a sentence, before the lake sees it; and a renamed entity is the same entity to everybody."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from publisher.cli import cli
from publisher.contracts import Contract, check_contracts
from publisher.contracts.diff import diff_contracts
from publisher.contracts.history import signed_versions
from publisher.contracts.lasting import lasting_problems, names_of
from tests.unit.contracts.conftest import SHIPPED

Edit = Callable[[Contract], Contract]


def to(version: str, **changes: object) -> Edit:
    return lambda c: replace(c, version=version, **changes)  # type: ignore[arg-type]


def typed(name: str, kind: str) -> Edit:
    return lambda c: replace(
        c,
        version="9.0.0",
        fields=tuple(replace(f, type=kind) if f.name == name else f for f in c.fields),  # type: ignore[arg-type]
    )


def without(name: str, version: str) -> Edit:
    return lambda c: replace(c, version=version, fields=tuple(f for f in c.fields if f.name != name))


CASES: list[tuple[str, list[Edit], Edit, str]] = [
    ("another type", [to("1.0.0")], typed("balance_pence", "string"), "debts.balance_pence: it is a text, and was a whole number: the lake's column keeps its type"),
    ("another type than long ago", [to("1.0.0"), without("status", "1.1.0")], typed("status", "date"), "debts.status: it is a date, and was a text"),
    ("a name that comes back", [to("1.0.0"), without("status", "1.1.0"), without("status", "1.2.0")], to("9.0.0"), "debts.status: its name was withdrawn in 1.1.0"),
    ("renamed from nothing", [to("1.0.0")], to("9.0.0", renamed_from="loans"), "debts.renamedFrom: it is renamed from loans, of which nothing was released"),
    ("a version behind that of the former name", [to("9.1.0", entity="loans")], to("9.0.0", renamed_from="loans"), "debts.version: loans was released as 9.1.0"),
    ("another type than under the former name", [to("1.0.0", entity="loans")], lambda c: replace(typed("status", "boolean")(c), renamed_from="loans"), "debts.status: it is yes or no, and was a text"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "before", "now", "says"), CASES, ids=[case[0] for case in CASES])
def test_what_the_lake_keeps_for_years_cannot_be_changed(
    shipped: dict[str, Contract], name: str, before: list[Edit], now: Edit, says: str
) -> None:
    debts = shipped["debts"]
    (problem,) = lasting_problems({"debts": now(debts)}, [edit(debts) for edit in before])
    assert says in str(problem)
    assert problem.remedy


def test_what_widens_narrows_goes_and_comes_newly_is_no_such_change(shipped: dict[str, Contract]) -> None:
    debts = shipped["debts"]
    renamed = replace(debts, entity="accounts", version="2.0.0", renamed_from="debts")
    new = replace(debts.field("status"), name="stage")
    for now in (without("status", "2.0.0")(debts), replace(debts, version="2.0.0", fields=(*debts.fields, new)), renamed):
        assert lasting_problems({now.entity: now}, [debts]) == []
    again = replace(debts, version="1.0.0")
    (problem,) = lasting_problems({"accounts": renamed, "debts": again}, [debts])
    assert "this name is what accounts was called before" in str(problem)
    twice = replace(renamed, entity="books", renamed_from="accounts")
    assert names_of("books", [twice, renamed, debts]) == ["books", "accounts", "debts"]


def test_a_renamed_entity_is_compared_with_itself_and_neither_gone_nor_new(shipped: dict[str, Contract]) -> None:
    debts = shipped["debts"]
    accounts = replace(debts, entity="accounts", file="accounts.yaml", version="2.0.0", renamed_from="debts")
    changes = diff_contracts({"debts": debts}, {"accounts": accounts})
    assert {change.kind for change in changes} == {"neutral"}
    assert any("renamed from debts" in change.says for change in changes)
    assert diff_contracts({"debts": debts, "accounts": accounts}, {"accounts": accounts}) == [], "also once it was released"
    grabs = diff_contracts({"debts": debts}, {"debts": replace(debts, version="2.0.0", renamed_from="plans")})
    assert [change.kind for change in grabs if change.field == "renamedFrom"] == ["widens"]


@pytest.fixture
def released(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "contracts"))


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["contracts", *arguments], env={"CONTRACTS_DIR": str(folder)})


def rename(folder: Path) -> None:
    """`creditors` becomes `clients`, as somebody would write it."""
    text = (folder / "creditors.yaml").read_text()
    for old, new in (
        ("name: creditors\n", "name: clients\n"), ("version: 1.0.0", "version: 2.0.0"),
        ("    customProperties:\n", "    customProperties:\n      - {property: renamedFrom, value: creditors}\n"),
    ):  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    (folder / "creditors.yaml").unlink()
    (folder / "clients.yaml").write_text(text)


def test_a_rename_is_released_without_an_approval_and_its_history_goes_on(released: Path) -> None:
    rename(released)
    assert run(released, "check").exit_code == 0, run(released, "check").output
    told = run(released, "diff")
    assert (told.exit_code, "renamed from creditors" in told.output) == (0, True), told.output
    assert "clients 2.0.0 released" in run(released, "release").output
    assert [each.contract.renamed_from for each in signed_versions(released)][-1] == "creditors"
    assert run(released, "diff").output.endswith("Nothing more would leave the platform than before.\n")


def test_check_diff_and_release_refuse_another_type_by_its_place(released: Path) -> None:
    file = released / "debts.yaml"
    text = file.read_text()
    for old, new in (
        ("version: 1.0.0", "version: 2.0.0"),
        ("transformLogic: rounded(balance_pence, 1000)", "transformLogic: band(balance_pence, 0, 1000)"),
        (
            "        logicalType: integer\n        logicalTypeOptions: {minimum: 0, maximum: 100000000}\n",
            "        logicalType: string\n",
        ),
    ):
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    assert check_contracts(released) == [], "by itself there is nothing wrong with it"
    for command, code in (("check", 1), ("diff", 2), ("release", 2)):
        told = run(released, command)
        assert told.exit_code == code, told.output
        assert "debts.yaml:" in told.output
        assert "balance_pence: it is a text, and was a whole number: the lake's column keeps its type" in told.output
        assert "Give the field a new name" in told.output
        assert "approve" not in told.output, "no approval clears it, so none is asked for"


def test_two_entities_cannot_have_been_the_same_nor_one_that_is_still_there(released: Path) -> None:
    shutil.copy(released / "creditors.yaml", released.parent / "kept.yaml")
    rename(released)
    shutil.copy(released.parent / "kept.yaml", released / "creditors.yaml")
    (problem,) = check_contracts(released)
    assert str(problem).startswith("clients.yaml:")
    assert "it is renamed from creditors, which still has a contract" in str(problem)
