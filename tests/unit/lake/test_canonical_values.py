"""Proves that the expression of canonical lines knows which dates and times there are, and takes no number that could be too large to parse."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest

from lake_assets.transforms.canonical import _form, line_pattern, parsed_schema
from lake_assets.transforms.fields import FieldRule, Rules, judge_field

COARSE = "^[0-9]{4}-[0-9]{2}-01$"
MINUTE = "^[0-9-]{10}T[0-9]{2}:[0-9]{2}:00Z$"


def takes(field: FieldRule, text: str) -> bool:
    return re.fullmatch(_form(field), text) is not None


def test_it_takes_the_days_that_exist_and_no_other() -> None:
    rule, day = FieldRule("day", "date"), date(1896, 1, 1)
    years = (4, 100, 400, 1896, 1900, 1999, 2000, 2023, 2024, 2100, 2400, 9999)
    every = [f"{year:04}-{month:02}-{of:02}" for year in (0, *years) for month in range(14) for of in range(33)]
    every += [(day + timedelta(days=n)).isoformat() for n in range(3000)]
    assert [text for text in every if takes(rule, f'"{text}"')] == [text for text in every if judge_field(text, rule) is None]


@pytest.mark.parametrize("pattern", [None, MINUTE, "^[0-9-]{10}T[0-9]{2}:00:00Z$"])
def test_it_takes_the_times_that_the_validator_takes(pattern: str | None) -> None:
    rule = FieldRule("at", "timestamp", pattern=pattern)
    clocks = [f"{h:02}:{m:02}:{s:02}" for h in (0, 9, 19, 20, 23, 24, 29) for m in (0, 1, 59, 60) for s in (0, 30, 59, 60)]
    every = [f"{day}T{clock}{zone}" for day in ("2024-02-29", "2026-02-29") for clock in clocks for zone in ("Z", "", "+00:00")]
    assert [text for text in every if takes(rule, f'"{text}"')] == [text for text in every if judge_field(text, rule) is None]


def test_a_pattern_narrows_a_date_only_up_to_its_own_end() -> None:
    coarse = FieldRule("day", "date", pattern=COARSE)
    assert takes(coarse, '"2026-11-01"')
    assert not takes(coarse, '"2026-11-02"')
    reaching = FieldRule("day", "date", pattern='^.*"x$')
    assert takes(reaching, '"2026-11-02"'), "left to the parsed value, since it could match beyond the quote"


def test_a_number_of_nineteen_digits_is_left_to_the_validator() -> None:
    number = FieldRule("n", "integer")
    assert takes(number, str(10**18 - 1))
    assert takes(number, str(1 - 10**18))
    assert not takes(number, str(10**18))


def test_only_what_is_asked_is_parsed(rules: Rules) -> None:
    schema = parsed_schema(rules)
    assert "balance_pence`: BIGINT" in schema
    assert "postcode_area`: STRING" in schema
    assert "customer_id" not in schema
    assert all(re.compile(line_pattern(rule).replace(r"\z", r"\Z")) for rule in rules.values())
