"""Half-written, cut-off, unmerged and contradictory contracts: one sentence for one fault, at its line, with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from publisher.contracts import check_contracts
from publisher.contracts.source import conflict_lines
from tests.unit.contracts.conftest import SHIPPED
from tests.unit.contracts.release_history import edit

TEXT = (SHIPPED / "customers.yaml").read_text()
LINES = TEXT.splitlines(keepends=True)
TABLE = next(number for number, line in enumerate(LINES) if "- name: platform_customers" in line)


def told(folder: Path, text: str) -> list[str]:
    (folder / "customers.yaml").write_text(text)
    return [str(problem) for problem in check_contracts(folder)]


@pytest.mark.parametrize(
    ("key", "belongs"),
    [
        ("transformLogic: present(email)", "one call of a column, such as present(email)"),
        ("classification: internal", "public, internal, confidential or restricted"),
        ("version: 1.1.0", "such as 1.0.0"),
        ("transformSourceObjects: [customers.email]", "the column that transformLogic reads, as in [customers.email]"),
        ("logicalType: boolean", "string, boolean, integer, date or timestamp"),
        ("purpose: Reach customers by the channel they chose, and see who is served.", "a text"),
        ("tags: [surrogate-id]", "a list"),
        ("required: true", "true or false"),
    ],
)
def test_a_key_without_a_value_is_told_as_such(contracts_copy: Path, key: str, belongs: str) -> None:
    name = key.split(":")[0]
    edited = TEXT.replace(key, f"{name}:", 1)
    (said,) = told(contracts_copy, edited)
    line = TEXT[: TEXT.index(key)].count("\n") + 1
    assert said.startswith(f"customers.yaml:{line}: ")
    assert f"{name} has no value. Write one ({belongs}); the file may be half written" in said


@pytest.mark.parametrize("size", range(TABLE + 1, len(LINES) - 2))
def test_a_contract_that_ends_within_its_table_says_it_once(contracts_copy: Path, size: int) -> None:
    (said,) = told(contracts_copy, "".join(LINES[:size]))
    assert "the file may be cut off" in said or "the file may be half written" in said


def test_a_table_that_is_cut_off_names_where_it_ends_and_the_few_that_it_lacks(contracts_copy: Path) -> None:
    (said,) = told(contracts_copy, "".join(LINES[:-3]))
    assert said == (
        f"customers.yaml:{len(LINES) - 3}: platform_customers.preferred_channel: the table ends after preferred_channel, and 3 columns that the contract "
        "reads or withholds are not in it (marketing_consent, created_at, updated_at): the file may be cut off. Compare it with its last version in git, or add the columns"
    )


def test_a_merge_conflict_is_told_at_its_line(contracts_copy: Path) -> None:
    ours = "<<<<<<< HEAD\nversion: 1.1.0\n=======\nversion: 1.2.0\n>>>>>>> other\n"
    (said,) = told(contracts_copy, TEXT.replace("version: 1.1.0\n", ours))
    assert said.startswith("customers.yaml:5: a merge conflict stands here. Resolve it")
    (rest,) = told(contracts_copy, TEXT.replace("version: 1.1.0\n", "version: 1.1.0\n>>>>>>> other\n"))
    assert rest.startswith("customers.yaml:6: a merge conflict stands here")
    assert conflict_lines("description: |\n  A heading\n  =======\n") == []


def test_an_erasure_that_takes_longer_than_anything_is_kept_contradicts_itself(contracts_copy: Path) -> None:
    file = contracts_copy / "debts.yaml"
    edit(file, ("erasure, value: 30, unit: d", "erasure, value: 7, unit: y"))
    (problem,) = check_contracts(contracts_copy)
    line = file.read_text()[: file.read_text().index("erasure")].count("\n") + 1
    assert (problem.file, problem.line, problem.field) == ("debts.yaml", line, "debts.erasure")
    assert (
        f"{problem.message}. {problem.remedy}" == "an erasure may take no longer than anything is kept. Write at most 2190 days"
    )
