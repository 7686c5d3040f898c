"""Every way in which a contract can be wrong gets its file, its line, its field, and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from publisher.contracts import check_contracts, load_contracts
from publisher.errors import ContractError
from tests.unit.contracts.cases import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_contract_is_refused_with_line_and_remedy(case: Case, contracts_copy: Path) -> None:
    file = contracts_copy / f"{case.file}.yaml"
    text = file.read_text()
    assert case.old in text
    edited = text.replace(case.old, case.new, 1)
    file.write_text(edited)

    problems = check_contracts(contracts_copy)

    line = edited[: edited.index(case.at)].count("\n") + 1
    exact = [p for p in problems if (p.file, p.line, p.field) == (file.name, line, case.field)]
    assert any(case.says in p.message and case.remedy in p.remedy for p in exact), "\n".join(map(str, problems))
    assert len(problems) == case.count, "one fault, one problem: " + "\n".join(map(str, problems))


@pytest.mark.parametrize("size", [1_500, 900, 2_000, 3_333, 5_000])
def test_half_a_contract_is_told_as_such(size: int, contracts_copy: Path) -> None:
    file = contracts_copy / "customers.yaml"
    half = file.read_bytes()[:size]
    file.write_bytes(half)
    told = [str(problem) for problem in check_contracts(contracts_copy) if problem.file == file.name]
    assert any("cut off" in each for each in told), told

    file.write_bytes(half[: half.rindex(b"\n") + 1])
    told = [str(problem) for problem in check_contracts(contracts_copy) if problem.file == file.name]
    if b"physicalType: table" not in half:
        assert any("this one has 1: the file may be cut off" in each for each in told) or "is missing" in " ".join(told), told
    assert told


def test_a_table_released_twice_is_refused(contracts_copy: Path) -> None:
    text = (contracts_copy / "creditors.yaml").read_text()
    again = text.replace("name: creditors\n", "name: clients\n").replace("pseudonym(id, creditor)", "pseudonym(id, client)")
    (contracts_copy / "clients.yaml").write_text(again)

    (problem,) = check_contracts(contracts_copy)

    assert (problem.file, problem.line, problem.field) == (
        "creditors.yaml",
        1 + text[: text.index("physicalName")].count("\n"),
        "creditors.table",
    )
    assert problem.message == "the table creditors is released by clients too"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.yaml", b"", "the file is empty"),
        ("x.yaml", b"- a\n- b\n", "the file holds no keys"),
        ("x.yaml", b"name: \xff\n", "the file is not UTF-8"),
        ("x.yaml", b"[" * 5000, "nests too deeply"),
        ("x.yml", b"", "would be overlooked"),
        ("x.YAML", b"", "would be overlooked"),
    ],
)
def test_a_file_that_is_no_contract_is_refused(contracts_copy: Path, name: str, content: bytes, message: str) -> None:
    (contracts_copy / name).write_bytes(content)

    (problem,) = check_contracts(contracts_copy)

    assert problem.file == name
    assert message in problem.message
    assert problem.remedy


def test_a_folder_in_the_place_of_a_file_is_refused(contracts_copy: Path) -> None:
    (contracts_copy / "x.yaml").mkdir()

    (problem,) = check_contracts(contracts_copy)

    assert (problem.file, problem.message) == ("x.yaml", "the file cannot be read (IsADirectoryError)")


@pytest.mark.parametrize(("folder", "message"), [("missing", "no such folder"), (".", "no contract")])
def test_a_folder_without_contracts_is_refused(tmp_path: Path, folder: str, message: str) -> None:
    (problem,) = check_contracts(tmp_path / folder)

    assert message in problem.message
    assert "CONTRACTS_DIR" in problem.remedy


def test_approvals_are_no_contract(contracts_copy: Path) -> None:
    (contracts_copy / "approvals.yaml").write_text("approvals: [")

    assert check_contracts(contracts_copy) == []


def test_loading_raises_with_every_problem(contracts_copy: Path) -> None:
    for name in ("customers", "debts"):
        file = contracts_copy / f"{name}.yaml"
        file.write_text(file.read_text().replace("status: active", "status: draft"))

    with pytest.raises(ContractError) as caught:
        load_contracts(contracts_copy)

    assert [(p.file, p.line) for p in caught.value.problems] == [("customers.yaml", 6), ("debts.yaml", 6)]
    assert str(caught.value).splitlines()[0] == (
        "customers.yaml:6: status: only an active contract releases anything. Write status: active, or remove the file"
    )
