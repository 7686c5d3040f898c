"""By which rule a value is searched, or left out."""

from __future__ import annotations

import pytest

from demo.leakscan.forms import FEW_LAST_DIGITS, NO_NUMBERS, Bound, Digits, forms_of
from demo.leakscan.needles import PUBLIC, Needles
from demo.leakscan.search import Searcher


def searched(value: str, needed: Digits = NO_NUMBERS, released: frozenset[str] = frozenset()) -> set[tuple[bytes, int, str]]:
    return {(form.pattern.folded, int(form.pattern.bound), form.part) for form in forms_of(value, needed, released)[0]}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("  ", "blank"),
        ("1500", "a number of few digits"),
        ("1,850.00", "a number of few digits"),
        ("185000", "a number of few digits"),
        ("No", "fewer than 6 letters and digits"),
        ("!!??....!!", "fewer than 6 letters and digits"),
        ("AB123", "fewer than 6 letters and digits"),
        ("Smith", "fewer than 6 letters and digits"),
        ("Barcelona", "a single word"),
        ("2024-05-01", "a date that the contracts release of something else"),
    ],
)
def test_a_value_that_an_innocent_text_may_hold_is_left_out_with_its_reason(value: str, reason: str) -> None:
    needles = Needles.of([("t.c", value)], released=frozenset({"2024-05-01"}))
    assert needles.left_out == {("t.c", reason): 1}
    assert needles.patterns == []
    assert not needles.searched


@pytest.mark.parametrize("value", ["M1 1AA", "SW1A 1AA", "Li Wu AB", "AB1234"])
def test_a_short_value_is_searched_as_a_whole_token(value: str) -> None:
    assert searched(value) == {(value.lower().encode(), Bound.TOKEN, "")}


@pytest.mark.parametrize("value", ["Jane Q. Smith-Jones", "A12345678/ABCDq000001Z", "donaudampfschiff"])
def test_a_distinctive_value_is_searched_wherever_it_stands(value: str) -> None:
    assert searched(value) == {(value.lower().encode(), Bound.NONE, "")}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("2019-03-04T05:06:07.000000+00:00", "a moment without a fraction of a second"),
        ("2024-05-01T05:06:07.891234+00:00", "a moment of a day that the contracts release, or of today"),
    ],
)
def test_a_moment_that_a_clock_or_a_colleague_may_have_written_elsewhere_is_left_out(value: str, reason: str) -> None:
    assert Needles.of([("t.c", value)], released=frozenset({"2024-05-01"})).left_out == {("t.c", reason): 1}


@pytest.mark.parametrize(
    "text",
    [
        "2019-03-04T05:06:07.891Z",
        "2019-03-04 05:06:07.891234",
        "2019-03-04t05:06:07.891234+00:00",
        "1551675967.891234",
        "1551675967891",
        "1551675967891234",
    ],
)
def test_any_other_moment_is_searched_to_the_millisecond_in_the_notations_of_logs_and_statistics(text: str) -> None:
    searcher = Searcher(Needles.of([("t.c", "2019-03-04T05:06:07.891234+00:00")]).patterns)
    assert sum(searcher.search([f"at {text}, said".encode()]).values()) == 1
    assert not searcher.search([text.replace("891", "892").encode()])


def test_a_date_is_searched_as_a_token_in_two_notations() -> None:
    assert searched("1984-02-03") == {(b"1984-02-03", Bound.TOKEN, ""), (b"03/02/1984", Bound.TOKEN, "")}


@pytest.mark.parametrize(
    "value", ["07700 900123", "+44 7700 900123", "+44 (0)7700 900123", "0044 7700 900123", "(07700) 900-123"]
)
def test_a_telephone_number_is_searched_by_its_national_number_and_its_last_digits(value: str) -> None:
    forms = searched(value)
    assert (value.lower().encode(), Bound.TOKEN, "") in forms
    assert (b"7700900123", Bound.NATIONAL, "digits") in forms
    assert (b"0900123", Bound.TOKEN, "last digits") in forms


def test_an_account_number_is_searched_by_its_digits() -> None:
    assert searched("12-34-56 12345678") == {
        (b"12-34-56 12345678", Bound.TOKEN, ""),
        (b"12345612345678", Bound.TOKEN, "digits"),
    }


def test_the_more_numbers_the_more_digits_a_part_must_have() -> None:
    needed = [Digits.needed(f"07700{i:07d}" for i in range(count)) for count in (0, 1, 100, 1000, 10_000, 100_000)]
    assert needed == [(7, 7), (7, 7), (7, 9), (8, 10), (9, 11), (9, 12)]
    needles = Needles.of(("t.phone", f"07700 {i:06d}") for i in range(2000))
    assert needles.parts_left_out == {("t.phone", FEW_LAST_DIGITS): 2000}


def test_an_email_address_is_searched_whole_and_by_its_local_part_if_that_is_distinctive() -> None:
    assert (b"jane.smith", Bound.TOKEN, "local part") in searched("Jane.Smith@example.com")
    needles = Needles.of([("t.email", "info@example.com")])
    assert [pattern.folded for pattern in needles.patterns] == [b"info@example.com"]
    assert needles.parts_left_out == {("t.email", "local part: fewer than 6 letters and digits"): 1}


def test_a_long_text_is_searched_by_pieces_of_which_the_last_ends_with_it() -> None:
    value = "".join(f"word{i:02d} " for i in range(12)).strip()
    pieces = [folded for folded, _, _ in searched(value)]
    assert sorted(pieces, key=value.encode().find) == [value.encode()[s : s + 32] for s in (0, 32, len(value) - 32)]


def test_a_piece_without_letters_is_left_out_and_counted() -> None:
    needles = Needles.of([("t.body", "A plain sentence of some length." + "-" * 32 + "And one more that ends the text.")])
    assert len(needles.patterns) == 2
    assert needles.searched == {"t.body": 1}
    assert needles.parts_left_out == {("t.body", "a piece of it: fewer than 12 letters and digits"): 1}


def test_letters_outside_of_ascii_are_searched_in_each_case_and_normal_form() -> None:
    folded = {form for form, _, _ in searched("Zoë Ångström")}
    assert {"zoë ångström".encode(), "zoË ÅngstrÖm".encode(), "zoe\u0308 a\u030angstro\u0308m".encode()} <= folded
    assert searched("王小明")


def test_what_the_code_holds_is_left_out_and_counted() -> None:
    values = [("m.body", "A payment is due."), ("m.body", "A payment is due, Jane-Rose Smith.")]
    needles = Needles.of(values, public=[b'TEXT = "A payment is due."'])
    assert needles.left_out == {("m.body", PUBLIC): 1}
    assert needles.searched == {"m.body": 1}


def test_every_value_is_either_searched_or_left_out_and_repeated_ones_count_once() -> None:
    values = [("a.x", "1500"), ("a.x", "1500"), ("a.x", "Jane Q. Smith"), ("b.y", "Jane Q. Smith"), ("b.y", "")]
    needles = Needles.of(values)
    assert sum(needles.searched.values()) + sum(needles.left_out.values()) == 4
    assert needles.labels == [(("a.x", ""), ("b.y", ""))]
