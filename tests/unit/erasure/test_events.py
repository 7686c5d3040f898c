"""Which events of a row go with a person, when the row has been somebody else's, or an event names nobody."""

from __future__ import annotations

from lake_assets.erasure.codes import person_digest, row_digest
from lake_assets.erasure.events import Going, Met, codes_of, judge
from lake_assets.erasure.requests import PERSON_ASKED, ROW_ASKED, Asked

GONE, OTHER, ROW = "a" * 32, "b" * 32, "c" * 32
UPTO = 50
PENDING = {person_digest(GONE): Asked(UPTO, PERSON_ASKED)}


def met(subject: str | None, seq: int, op: str = "update", key: str = ROW) -> Met:
    return Met(key, subject, seq, seq, op, 1, "o", 1, UPTO if subject == GONE else None)


def seqs(going: Going) -> list[int]:
    return sorted(event.seq for event in going.events)


def test_a_row_that_was_theirs_alone_goes_with_what_names_nobody() -> None:
    going = judge("debts", [met(GONE, 1), met(GONE, 2), met(None, 3, "delete")], PENDING)
    assert (seqs(going), going.living) == ([1, 2, 3], frozenset())
    assert going.parts == {row_digest("debts", ROW): UPTO}
    assert codes_of({"debts": going}, PENDING).known == {GONE: UPTO, ROW: UPTO}
    assert codes_of({"debts": going}, PENDING).persons == {}


def test_a_row_that_is_somebody_elses_by_now_keeps_what_is_theirs_or_names_nobody() -> None:
    going = judge("debts", [met(GONE, 1), met(OTHER, 2), met(None, 3, "delete")], PENDING)
    assert (seqs(going), going.living, going.parts) == ([1], frozenset({ROW}), {})
    assert codes_of({"debts": going}, PENDING).known == {GONE: UPTO}, "the row's code is the other's, too"


def test_a_person_who_came_back_loses_what_was_before_and_later_deletes() -> None:
    going = judge("debts", [met(GONE, 1), met(GONE, UPTO + 1), met(GONE, UPTO + 2, "delete")], PENDING)
    assert (seqs(going), going.returned, going.living) == ([1, UPTO + 2], {GONE}, {ROW})


def test_a_row_that_was_asked_for_by_itself_goes_and_makes_nobody_a_person_to_look_for() -> None:
    asked = {row_digest("debts", ROW): Asked(UPTO, ROW_ASKED)}
    going = judge("debts", [met(OTHER, 1), met(None, 2, "erase"), met(OTHER, UPTO + 1)], asked)
    assert (seqs(going), going.persons) == ([1, 2], {})


def test_whom_bronze_does_not_name_is_looked_for_by_digest() -> None:
    codes = codes_of({"debts": Going()}, PENDING | {row_digest("debts", ROW): Asked(7, ROW_ASKED)})
    assert codes.among([GONE, OTHER, ROW]) == {GONE: UPTO, ROW: 7}
