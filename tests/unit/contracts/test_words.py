"""What the diff and the check say: where it points to, and that a reader who is no engineer is told what would leave."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from publisher.contracts import Contract, SourceColumn, load_contracts
from publisher.contracts.diff import diff_contracts
from publisher.contracts.vocabulary import FUNCTIONS
from tests.unit.contracts.release_history import edit


def test_what_is_gone_points_to_the_object_in_which_it_stood(contracts_copy: Path, shipped: dict[str, Contract]) -> None:
    file = contracts_copy / "circumstances.yaml"
    edit(
        file,
        ("      - property: committedAtPrecision\n        value: hour\n", ""),
        ("version: 1.1.0", "version: 1.2.0"),
    )
    (gone,) = [c for c in diff_contracts(shipped, load_contracts(contracts_copy)) if c.kind == "widens"]
    assert gone.field == "committedAtPrecision"
    assert file.read_text().splitlines()[gone.line - 1] == "  - name: circumstances"


@pytest.mark.parametrize(
    ("days", "says"),
    [
        (7300, "is kept for 7300 days (20 years) instead of 2190 (6 years)"),
        (400, "is kept for 400 days instead of 2190 (6 years)"),
    ],
)
def test_long_times_are_told_in_years_too(shipped: dict[str, Contract], days: int, says: str) -> None:
    debts = replace(shipped["debts"], version="2.0.0", retention_days=days)
    (change,) = [c for c in diff_contracts(shipped, shipped | {"debts": debts}) if c.field == "retention"]
    assert says in change.says


BOTH, NATURAL, ENCRYPTED = (True, True), (True, False), (False, True)
WHY = {
    BOTH: "it is a natural identifier (encrypted by the application): ",
    NATURAL: "it is a natural identifier: ",
    ENCRYPTED: "the application encrypts it: ",
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name in ("copy", "truncate", "rounded") for kind in WHY]
    + [("one_of", BOTH), ("one_of", NATURAL), ("pseudonym", ENCRYPTED)],
)
def test_a_refusal_says_what_would_leave_and_why_it_may_not(name: str, kind: tuple[bool, bool]) -> None:
    natural, encrypted = kind
    column = SourceColumn("email", "string", "text", encrypted, True, "restricted", natural, True, "")
    ((message, remedy),) = FUNCTIONS[name].refuse_column(column)
    assert message.startswith(f"{name}(email")
    assert " would let " in message
    assert f"and {WHY[kind]}" in message
    assert "present(email)" in remedy


def test_where_a_column_changes_both_are_named(contracts_copy: Path, shipped: dict[str, Contract]) -> None:
    edit(
        contracts_copy / "customers.yaml",
        ("[customers.email]\n        transformLogic: present(email)", "[customers.full_name]\n        transformLogic: present(full_name)"),
        ("value: [full_name, updated_at]", "value: [email, updated_at]"),
        ("version: 1.1.0", "version: 1.2.0"),
    )  # fmt: skip
    (change,) = [c for c in diff_contracts(shipped, load_contracts(contracts_copy)) if c.field == "has_email"]
    assert change.says == (
        "of customers.full_name would leave: only whether there is one: yes or no. So far: only whether there is one: yes or no, "
        "of customers.email (present(email) becomes present(full_name))"
    )
