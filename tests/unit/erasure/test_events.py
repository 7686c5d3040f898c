"""Which events of a row go with a person, when the row has been somebody else's, or an event names nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lake_assets.erasure.codes import person_digest, row_digest
from lake_assets.erasure.events import Going, Met, codes_of, judge
from lake_assets.erasure.requests import PERSON_ASKED, ROW_ASKED, Asked
from lake_assets.transforms.rules import all_names, rules_of
from publisher.contracts import load_contracts

GONE, OTHER, ROW = "a" * 32, "b" * 32, "c" * 32
UPTO = 50
NAMES = {"debts": ("debts",)}
RENAMED = {"accounts": ("accounts", "debts")}
PENDING = {person_digest(GONE): Asked(UPTO, PERSON_ASKED)}


def met(subject: str | None, seq: int, op: str = "update", key: str = ROW) -> Met:
    return Met(key, subject, seq, seq, op, 1, "o", 1, UPTO if subject == GONE else None)


def seqs(going: Going) -> list[int]:
    return sorted(event.seq for event in going.events)


def test_a_row_that_was_theirs_alone_goes_with_what_names_nobody() -> None:
    going = judge(("debts",), [met(GONE, 1), met(GONE, 2), met(None, 3, "delete")], PENDING)
    assert (seqs(going), going.living) == ([1, 2, 3], frozenset())
    assert going.parts == {row_digest("debts", ROW): UPTO}
    assert codes_of({"debts": going}, PENDING, NAMES).known == {GONE: UPTO, ROW: UPTO}
    assert codes_of({"debts": going}, PENDING, NAMES).persons == {}


def test_a_row_that_is_somebody_elses_by_now_keeps_what_is_theirs_or_names_nobody() -> None:
    going = judge(("debts",), [met(GONE, 1), met(OTHER, 2), met(None, 3, "delete")], PENDING)
    assert (seqs(going), going.living, going.parts) == ([1], frozenset({ROW}), {})
    assert codes_of({"debts": going}, PENDING, NAMES).known == {GONE: UPTO}, "the row's code is the other's, too"


def test_a_person_who_came_back_loses_what_was_before_and_later_deletes() -> None:
    going = judge(("debts",), [met(GONE, 1), met(GONE, UPTO + 1), met(GONE, UPTO + 2, "delete")], PENDING)
    assert (seqs(going), going.returned, going.living) == ([1, UPTO + 2], {GONE}, {ROW})


def test_a_row_of_which_nothing_goes_is_not_written_anew_beside_one_that_does() -> None:
    going = judge(("debts",), [met(GONE, 1), met(GONE, UPTO + 1, key=OTHER)], PENDING)
    assert (seqs(going), going.living) == ([1], frozenset()), "silver would hold it twice"


def test_a_row_that_was_asked_for_by_itself_goes_and_makes_nobody_a_person_to_look_for() -> None:
    asked = {row_digest("debts", ROW): Asked(UPTO, ROW_ASKED)}
    going = judge(("debts",), [met(OTHER, 1), met(None, 2, "erase"), met(OTHER, UPTO + 1)], asked)
    assert (seqs(going), going.persons) == ([1, 2], {})


def test_whom_bronze_does_not_name_is_looked_for_by_digest() -> None:
    codes = codes_of({"debts": Going()}, PENDING | {row_digest("debts", ROW): Asked(7, ROW_ASKED)}, NAMES)
    assert codes.among([GONE, OTHER, ROW]) == {GONE: UPTO, ROW: 7}


def test_a_row_that_was_asked_for_under_its_entitys_former_name_goes_and_is_found_in_raw_objects() -> None:
    asked = {row_digest("debts", ROW): Asked(UPTO, ROW_ASKED)}
    assert seqs(judge(RENAMED["accounts"], [met(None, 1), met(None, 2, "erase")], asked)) == [1, 2]
    assert codes_of({}, asked, RENAMED).among([ROW, OTHER]) == {ROW: UPTO}, "a late line, long after bronze has forgotten it"


def test_the_names_under_which_rows_were_erased_are_those_of_every_released_version() -> None:
    debts = load_contracts(Path("contracts"))["debts"]
    accounts = replace(debts, entity="accounts", version="3.0.0", renamed_from="debts")
    rules = rules_of({"accounts": replace(accounts, version="3.1.0", renamed_from=None)}, [debts, accounts])
    assert all_names(rules, "accounts") == ("accounts", "debts")
