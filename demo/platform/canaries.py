"""Canaries: in each sensitive column two values that sort first and last of all that the column holds.

Belongs here: the values, under a seed. Not here: which columns are sensitive (sensitive.py), the rows that hold them (traffic/activities/canaries.py).

A statistic keeps the smallest and the largest value of a column, so those two are the likeliest to get into a log, a footer or an error. Each is unique and
distinctive: the leak scan searches for it whatever else it has to leave out. None stands in the code, or the scan would take it for
public. Each is one that the application accepts and the contracts can derive from.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from demo.platform.people import OLDEST_DAYS, YOUNGEST_DAYS
from demo.platform.sensitive import Sensitive, sensitive_columns
from publisher.contracts import Contract

Pair = tuple[Any, Any]
"""What sorts first, and what sorts last."""

BEFORE_ALL, AFTER_ALL = "!", "\N{END WITH LEFTWARDS ARROW ABOVE}"
"""A printable letter below all others but the space; one above all of the basic plane, in the order of bytes and of UTF-16 alike."""

YEARS_OFF = 5
"""Between the company's calendar and a moment that is a canary: the clock writes those of its own days into every log."""


class Canaries:
    """`of(table, last)` are the columns of one row. The calendar is `history_days` long and ends at `end`."""

    def __init__(self, contracts: Mapping[str, Contract], seed: int, end: date, history_days: int) -> None:
        self._random = random.Random(f"canaries {seed}")  # of its own, so that the business is the same with and without
        self._first_day, self._last_day = end - timedelta(days=history_days), end
        self.pairs: dict[Sensitive, Pair] = {each: self._pair(each) for each in sensitive_columns(contracts)}

    def of(self, table: str, *, last: bool) -> dict[str, Any]:
        return {each.column: pair[last] for each, pair in self.pairs.items() if each.table == table}

    def _pair(self, sensitive: Sensitive) -> Pair:
        """By the column's name where its form matters, else by its type."""
        makers: dict[str, Callable[[], Pair]] = {
            "email": self._addresses,
            "contact_email": self._addresses,
            "phone": self._phones,
            "postcode": self._postcodes,
            "bank_account": self._accounts,
            "date": self._days_of_birth,
            "timestamp": self._moments,
            "integer": self._numbers,
            "string": self._texts,
        }
        return makers.get(sensitive.column, makers[sensitive.type])()

    def _texts(self) -> Pair:
        return f"{BEFORE_ALL}{self._token()} comes first", f"{AFTER_ALL}{self._token()} comes last"

    def _addresses(self) -> Pair:
        return f"!{self._token().lower()}@example.com", f"~{self._token().lower()}@example.org"

    def _phones(self) -> Pair:
        """Of the ranges that Ofcom keeps for fiction, as all others here; five digits of extension, where those have four."""
        first = f"(0113) 496-0{self._digits(3)} x{self._digits(5)}"
        return first, f"09098 790{self._digits(3)} x{self._digits(5)}"

    def _postcodes(self) -> Pair:
        """No area is AA or ZZ."""
        return self._postcode("AA0"), self._postcode("ZZ9")

    def _postcode(self, outcode: str) -> str:
        return f"{outcode} {self._digits(1)}{''.join(self._random.choices('ABDEFGHJLN', k=2))}"

    def _accounts(self) -> Pair:
        return f"00-00-00 00{self._digits(8)}", f"99-99-99 99{self._digits(8)}"

    def _days_of_birth(self) -> Pair:
        """Older and younger by a year or two than anybody who joins: within the decades of others, so that a band is no give-away."""
        oldest = self._first_day - timedelta(days=OLDEST_DAYS)
        youngest = self._last_day - timedelta(days=YOUNGEST_DAYS)
        return self._day(oldest.year - 1), self._day(youngest.year + 1)

    def _moments(self) -> Pair:
        return self._moment(self._first_day.year - YEARS_OFF), self._moment(self._last_day.year + YEARS_OFF)

    def _moment(self, year: int) -> datetime:
        day = self._day(year)
        micros = self._random.randrange(86_400_000) * 1000 + self._random.randrange(1, 1000)
        return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(microseconds=micros)

    def _day(self, year: int) -> date:
        """No first of a month, and no edge of a band."""
        return date(year, self._random.randint(2, 11), self._random.randint(2, 27))

    def _numbers(self) -> Pair:
        """As numbers and as text; in pence, within what JSON's readers hold exactly (2 ** 53), and too long to be anything else."""
        return -int(f"9{self._digits(12)}"), int(f"99999998{self._digits(7)}")

    def _digits(self, count: int) -> str:
        return f"{self._random.randrange(10**count):0{count}d}"

    def _token(self) -> str:
        return f"{''.join(self._random.choices(string.ascii_uppercase, k=8))}q{self._digits(6)}Z"
