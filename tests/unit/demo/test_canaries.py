"""Each column that must not leave has two canaries, which sort first and last, and which the leak scan can search for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.leakscan import Needles
from demo.leakscan.everything import ROOT, public_texts
from demo.platform import models
from demo.platform.canaries import Canaries
from demo.platform.crypto import Encrypted
from demo.platform.people import SENTENCES, People
from demo.platform.sensitive import Sensitive, sensitive_columns, text_of
from demo.platform.traffic.world import HISTORY_DAYS
from publisher.contracts import Contract, load_contracts
from publisher.contracts.model import SourceColumn
from publisher.release import Release
from tests.unit.release.rows import AsItIs, change, keyring, rows, sealed

CONTRACTS = load_contracts(Path(__file__).parents[3] / "contracts")
END = date(2026, 11, 28)


def canaries(seed: int = 20261124, contracts: Mapping[str, Contract] = CONTRACTS) -> Canaries:
    return Canaries(contracts, seed, END, HISTORY_DAYS)


def test_every_withheld_or_encrypted_column_of_every_contract_has_two_that_the_scan_searches_for() -> None:
    columns = {
        f"{contract.table}.{name}"
        for contract in CONTRACTS.values()
        for name, column in contract.columns.items()
        if column.encrypted or name in contract.withheld
    }
    assert {"plans.monthly_income", "plans.updated_at", "payments.created_at", "creditors.name"} < columns
    for seed in range(20):
        made = canaries(seed).pairs
        assert {str(each) for each in made} == columns
        # As many other values as the demo has, so that a number must have as many digits as there.
        others = [("debts.account_reference", f"07700 {number:06d}") for number in range(20_000)]
        texts = [(str(each), text_of(value)) for each, pair in made.items() for value in pair]
        assert len({text for _, text in texts}) == len(texts) == 2 * len(columns)
        needles = Needles.of([*others, *texts], released=frozenset({END.isoformat()}), public=public_texts(ROOT))
        searched = {name: times for name, times in needles.searched.items() if name != "debts.account_reference"}
        assert searched == dict.fromkeys(columns - {"debts.account_reference"}, 2)
        assert not needles.left_out


def others_of(column: str) -> Iterator[Any]:
    """What the application writes into a column, apart from canaries; the moments are those of its calendar."""
    people = People(7)
    start = END - timedelta(days=HISTORY_DAYS)
    for number in range(4000):
        day = start + timedelta(days=number % (HISTORY_DAYS + 1))
        person = people.person(day)
        values = {
            "name": people.company(),
            "contact_email": people.email("accounts", "c001"),
            "account_reference": people.account_reference(),
            "monthly_income": people.monthly_income_pence(),
            "notes": people.note(),
            "note": people.note(),
            "bank_account": people.bank_account(),
            "body": people.reply() if number % 2 else people.message(list(SENTENCES)[number % len(SENTENCES)], person.full_name),
            "updated_at": datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
            "created_at": datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
        } | vars(person)
        if values[column] is not None:
            yield values[column]


@pytest.mark.parametrize("sensitive", sensitive_columns(CONTRACTS), ids=str)
def test_they_sort_before_and_after_all_that_the_application_writes_as_values_and_as_text(sensitive: Sensitive) -> None:
    others = list(others_of(sensitive.column))
    for seed in range(5):
        first, last = canaries(seed).pairs[sensitive]
        assert first < min(others)
        assert last > max(others)
        assert text_of(first) < min(map(text_of, others))
        assert text_of(last) > max(map(text_of, others))
        assert text_of(first).encode() < min(text_of(each).encode() for each in others)
        assert text_of(last).encode() > max(text_of(each).encode() for each in others)


def test_another_seed_has_others_and_the_same_seed_the_same() -> None:
    assert canaries(1).pairs == canaries(1).pairs
    assert not set(map(text_of, (v for pair in canaries(1).pairs.values() for v in pair))) & set(
        map(text_of, (v for pair in canaries(2).pairs.values() for v in pair))
    )


@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_a_row_of_them_is_released_like_any_other_and_its_line_holds_none(last: bool) -> None:
    release = Release(CONTRACTS, keyring(), AsItIs())
    told = {}
    for contract in CONTRACTS.values():
        values = {name: text_of(value) for name, value in canaries().of(contract.table, last=last).items()}
        held = {name: sealed(text) if contract.columns[name].encrypted else text for name, text in values.items()}
        line = release.event(change(contract.entity, row={**rows()[contract.entity], **held})).line.decode()
        assert not [name for name, text in values.items() if text in line or json.dumps(text)[1:-1] in line]
        told |= json.loads(line)["record"]
    assert told["income_band"] == ("5000+" if last else "<0")
    assert told["birth_band"] == ("2000-2009" if last else "1930-1939"), "decades in which others were born too"
    assert (told["has_email"], told["has_note"], told["length_band"]) == (True, True, "0-79")


def test_the_models_encrypt_what_the_contracts_call_encrypted() -> None:
    encrypted = {
        f"{table.name}.{column.name}"
        for table in models.Base.metadata.sorted_tables
        for column in table.c
        if isinstance(column.type, Encrypted)
    }
    assert encrypted == {
        f"{contract.table}.{name}"
        for contract in CONTRACTS.values()
        for name, column in contract.columns.items()
        if column.encrypted
    }


def test_a_column_that_a_contract_begins_to_withhold_gets_canaries_without_another_list() -> None:
    debts = CONTRACTS["debts"]
    column = SourceColumn("reviewed_at", "timestamp", "timestamptz", False, False, "internal", False, False, "")
    widened = replace(debts, columns={**debts.columns, column.name: column}, withheld=(*debts.withheld, column.name))
    made = canaries(contracts={"debts": widened}).of("debts", last=True)
    assert set(made) == {"account_reference", "updated_at", "reviewed_at"}
