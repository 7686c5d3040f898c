"""Contracts of which nothing can be compared: all three forms of the report say why, where, and what to do; with a BASE as without one."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from publisher.cli import cli
from publisher.contracts import Contract
from publisher.contracts.across import resolve
from publisher.contracts.diff_command import contracts_diff
from publisher.contracts.released import HISTORY, RELEASES
from publisher.contracts.vocabulary.fingerprint import LOCK
from tests.unit.contracts.conftest import SHIPPED
from tests.unit.contracts.release_history import approve, commit, edit, git

END = "Nothing else was compared: mend this, and run it again.\n"


def diff(*arguments: object) -> Result:
    return CliRunner().invoke(contracts_diff, [str(argument) for argument in arguments])


def check(folder: Path) -> Result:
    return CliRunner().invoke(cli, ["contracts", "check"], env={"CONTRACTS_DIR": str(folder)})


def spoil_contract(folder: Path) -> None:
    edit(folder / "customers.yaml", ("present(email)", "copy(email)"))


def spoil_approvals(folder: Path) -> None:
    (folder / "approvals.yaml").write_text("approvals: 3\n")


def spoil_history(folder: Path) -> None:
    (folder / HISTORY / RELEASES).write_text("releases: 3\n")


def spoil_lock(folder: Path) -> None:
    (folder / LOCK).write_text('{\n<<<<<<< HEAD\n  "present": "0"\n')


SPOILS = {
    spoil_contract: ("customers.yaml:", "customers.has_email", "copy(email) would let each row's email leave as it is"),
    spoil_approvals: ("approvals.yaml:1", "", "the file has no list of approvals"),
    spoil_history: ("history/releases.yaml:1", "", "the file has no list of releases"),
    spoil_lock: ("vocabulary.lock:2", "", "a merge conflict stands here"),
}


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("base", [False, True], ids=["the last release", "a BASE"])
def test_every_form_says_why_nothing_was_compared(released: Path, spoil: object, base: bool) -> None:
    spoil(released)  # type: ignore[operator]
    place, field, says = SPOILS[spoil]  # type: ignore[index]
    given = (SHIPPED, released) if base else ()
    within = f"{released}/" if base else ""

    text = diff(*given, "--contracts", released)
    assert (text.exit_code, text.stdout) == (2, "")
    assert f"{within}{place}" in text.stderr
    assert says in text.stderr
    assert text.stderr.endswith(END)

    markdown = diff(*given, "--contracts", released, "--format", "markdown")
    assert markdown.exit_code == 2
    assert markdown.stdout.startswith(
        "**The contracts cannot be used; nothing was compared.**\n\n| File | Field | What is wrong | What to do |"
    )
    (row,) = [line for line in markdown.stdout.splitlines() if line.startswith(f"| `{within}{place}")]
    assert (row.count(" | "), f"`{field}`" in row or not field) == (3, True)

    report = json.loads(diff(*given, "--contracts", released, "--format", "json").stdout)
    assert (report["counts"], report["unapproved"], report["changes"]) == (None, None, [])
    assert any(says in problem["message"] and problem["remedy"] for problem in report["problems"])


def retype(folder: Path) -> None:
    """`balance_pence` becomes a text."""
    edit(
        folder / "debts.yaml",
        ("version: 1.0.0", "version: 2.0.0"),
        ("transformLogic: rounded(balance_pence, 1000)", "transformLogic: band(balance_pence, 0, 1000)"),
        ("        logicalType: integer\n        logicalTypeOptions: {minimum: 0, maximum: 100000000}\n        required: true\n        classification: confidential\n        description: What is still owed",
         "        logicalType: string\n        required: true\n        classification: confidential\n        description: What is still owed"),
    )  # fmt: skip


KEEPS = "debts.balance_pence: it is a text, and was a whole number: the lake's column keeps its type. Give the field a new name"


@pytest.mark.parametrize("history", [True, False], ids=["with a history", "without one"])
def test_another_type_is_refused_against_a_base_too(contracts_copy: Path, history: bool) -> None:
    retype(contracts_copy)
    if history:
        shutil.copytree(SHIPPED / HISTORY, contracts_copy / HISTORY)
    result = diff(SHIPPED, contracts_copy)
    assert (result.exit_code, KEEPS in result.output) == (2, True), result.output
    assert "approvals.yaml" not in result.output, "no approval clears it, so none is asked for"


def test_another_type_than_in_the_heads_history_is_refused_whatever_the_base(repository: Path, tmp_path: Path) -> None:
    """The base has had the other type for long: what the head's history says of the lake counts."""
    retype(repository)
    commit(repository, "two")
    base = tmp_path / "base"
    shutil.copytree(repository, base, ignore=shutil.ignore_patterns(HISTORY))
    for arguments in ((base, repository), (base, "HEAD", "--contracts", repository)):
        result = diff(*arguments)
        assert (result.exit_code, KEEPS in result.output) == (2, True), result.output
    git(repository.parent, "checkout", "--quiet", "HEAD~1", "--", ".")
    assert diff(repository, "HEAD~1", "--contracts", repository).exit_code == 0


def test_a_rename_that_the_base_has_already_is_no_rename_from_nothing(contracts_copy: Path, tmp_path: Path) -> None:
    text = (contracts_copy / "creditors.yaml").read_text()
    for old, new in (
        ("name: creditors\n", "name: clients\n"), ("version: 1.0.0", "version: 2.0.0"),
        ("    customProperties:\n", "    customProperties:\n      - {property: renamedFrom, value: creditors}\n"),
    ):  # fmt: skip
        text = text.replace(old, new)
    (contracts_copy / "creditors.yaml").unlink()
    (contracts_copy / "clients.yaml").write_text(text)
    base = Path(shutil.copytree(contracts_copy, tmp_path / "base"))
    edit(contracts_copy / "clients.yaml", ("version: 2.0.0", "version: 2.1.0"))
    assert diff(base, contracts_copy).exit_code == 0


def test_a_contract_that_is_gone_is_named_where_others_name_it(released: Path) -> None:
    (released / "plans.yaml").unlink()
    for result in (check(released), diff("--contracts", released), diff(SHIPPED, released)):
        assert result.exit_code != 0
        assert "plans has no contract any more. Restore plans.yaml, or withdraw what names it" in result.output


def test_a_way_to_the_person_through_a_contract_that_is_gone_says_so(shipped: dict[str, Contract]) -> None:
    payments = replace(shipped["payments"], fields=tuple(f for f in shipped["payments"].fields if f.name != "plan_id"))
    left = {name: contract for name, contract in shipped.items() if name != "plans"} | {"payments": payments}
    (problem,) = resolve(left, {"plans": shipped["plans"]})[1]
    assert problem.message == "the subject's path breaks at step 1: plans has no contract any more"
    assert problem.remedy.startswith("Restore plans.yaml")


@pytest.mark.parametrize("place", [LOCK, f"{HISTORY}/{LOCK}"])
def test_the_check_names_a_lock_that_cannot_be_read(released: Path, place: str) -> None:
    (released / place).write_text('{\n  "present": 5,\n  half wri')
    result = check(released)
    assert result.exit_code == 1
    assert f"{place}:3: the file cannot be read as the fingerprints of the functions. Restore it from git" in result.output


def test_the_file_of_approvals_is_named_where_the_head_is(released: Path) -> None:
    folder = released.parent / "other"
    shutil.copytree(released, folder)
    edit(folder / "debts.yaml", ("value: 30, unit: d", "value: 60, unit: d"), ("version: 1.0.0", "version: 1.1.0"))
    refused = diff(SHIPPED, folder)
    assert f"add to {folder}/approvals.yaml:" in refused.output
    assert f"{folder}/debts.yaml:" in refused.output
    approve(folder, refused)
    assert diff(SHIPPED, folder).exit_code == 0
    (folder / "approvals.yaml").write_text(
        "approvals: [{entity: debts, digest: abc, role: officer, assessment: DPIA-1, date: 2026-11-24}]\n"
    )
    assert "Write digest: the digest that the diff prints, `sha256:` and 64 hex digits" in diff(SHIPPED, folder).output
