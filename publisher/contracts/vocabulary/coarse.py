"""Derivations that make a date or a place coarser.

Belongs here: birth_band, truncate, postcode_area, outcode. Not here: numbers (numbers.py), which area lies where (regions.py).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from publisher.contracts.model import Domain, FieldType
from publisher.contracts.vocabulary.base import Derive, Function, Refusal, Rung, Use, no_arguments
from publisher.contracts.vocabulary.regions import REGIONS, region_of
from publisher.errors import RuleBroken

UK_POSTCODE = re.compile(r"(([A-Z]{1,2})[0-9][0-9A-Z]?) ?[0-9][A-Z]{2}")
FIRST_BIRTH_YEAR, LAST_BIRTH_YEAR = 1900, 2099
WIDEST_BIRTH_BAND = 50


class BirthBand(Function):
    name, signature, reveal_rank, lowers = "birth_band", "birth_band(column, years)", 2, 1
    inputs = frozenset({"date"})

    def check_arguments(self, use: Use) -> list[Refusal]:
        if len(use.args) != 1 or use.args[0] not in {"5", "10", "20", "25", "50"}:
            return [("birth_band takes a width of 5, 10, 20, 25 or 50 years", f"Write birth_band({use.column.name}, 10)")]
        return []

    def output(self, use: Use) -> FieldType:
        return "string"

    def domain(self, use: Use) -> Domain:
        return _birth_bands(int(use.args[0]))

    def derive(self, use: Use) -> Derive:
        return _birth_band(int(use.args[0]))

    def ladder(self, use: Use) -> tuple[Rung, ...]:
        """Two bands become one, as long as that is one of 50 years at most: of 20 and 40 years, after one of 10."""
        widths = [int(use.args[0])]
        while widths[-1] * 2 <= WIDEST_BIRTH_BAND:
            widths.append(widths[-1] * 2)
        return tuple(Rung(f"{width} years", _birth_band(width), _birth_bands(width)) for width in widths)

    def reveals(self, use: Use) -> str:
        return f"the {use.args[0]} years in which it falls, such as {_years(1985, int(use.args[0]))}"


class Truncate(Function):
    name, signature, reveal_rank = "truncate", "truncate(column, day|month)", 3
    inputs = frozenset({"date", "timestamp"})
    of_encrypted = of_natural_identifier = False
    lets_out = "the day or month of each row's {column} leave"

    def check_arguments(self, use: Use) -> list[Refusal]:
        if use.args not in (("day",), ("month",)):
            return [("truncate takes day or month", f"Write truncate({use.column.name}, day)")]
        return []

    def output(self, use: Use) -> FieldType:
        return "date"

    def domain(self, use: Use) -> Domain:
        return Domain("date", pattern="^[0-9]{4}-[0-9]{2}-01$" if use.args[0] == "month" else None)

    def derive(self, use: Use) -> Derive:
        kept, rest = (7, "-01") if use.args[0] == "month" else (10, "")

        def cut(value: date) -> str:
            day = _in_utc(value) if isinstance(value, datetime) else value
            return day.isoformat()[:kept] + rest

        return cut

    def reveals(self, use: Use) -> str:
        return {"day": "the day, without the time", "month": "the month, without the day"}[use.args[0]]


class PostcodeArea(Function):
    name, signature, reveal_rank, lowers = "postcode_area", "postcode_area(column)", 2, 1
    inputs = frozenset({"string"})

    def check_arguments(self, use: Use) -> list[Refusal]:
        return no_arguments(self, use)

    def output(self, use: Use) -> FieldType:
        return "string"

    def domain(self, use: Use) -> Domain:
        return Domain("pattern", pattern="^[A-Z]{1,2}$")

    def derive(self, use: Use) -> Derive:
        return lambda value: _postcode(value)[1]

    def ladder(self, use: Use) -> tuple[Rung, ...]:
        return (Rung("area", self.derive(use), self.domain(use)), _REGION)

    def reveals(self, use: Use) -> str:
        return "the postcode's area of one or two letters, such as SW: on average about half a million people"


class Outcode(PostcodeArea):
    name, signature, reveal_rank = "outcode", "outcode(column)", 3

    def domain(self, use: Use) -> Domain:
        return Domain("pattern", pattern="^[A-Z]{1,2}[0-9][0-9A-Z]?$")

    def derive(self, use: Use) -> Derive:
        return lambda value: _postcode(value)[0]

    def ladder(self, use: Use) -> tuple[Rung, ...]:
        return (Rung("outcode", self.derive(use), self.domain(use)), *PostcodeArea().ladder(use))

    def reveals(self, use: Use) -> str:
        return "the postcode's first half, such as SW1A: on average about twenty thousand people"


def _postcode(value: str) -> tuple[str, str]:
    """Outcode and area."""
    match = UK_POSTCODE.fullmatch(value.strip().upper()) if value.isascii() else None
    if match is None:
        raise RuleBroken("not a full UK postcode")
    return match[1], match[2]


_REGION = Rung("region", lambda value: region_of(_postcode(value)[1]), Domain("enum", values=REGIONS))


def _birth_bands(width: int) -> Domain:
    years = range(FIRST_BIRTH_YEAR, LAST_BIRTH_YEAR + 1)
    return Domain("enum", values=tuple(dict.fromkeys(_years(year, width) for year in years)))


def _birth_band(width: int) -> Derive:
    def band(value: date) -> str:
        if not FIRST_BIRTH_YEAR <= value.year <= LAST_BIRTH_YEAR:
            raise RuleBroken(f"a year of birth outside {FIRST_BIRTH_YEAR} to {LAST_BIRTH_YEAR}")
        return _years(value.year, width)

    return band


def _years(year: int, width: int) -> str:
    start = year - year % width
    return f"{start}-{start + width - 1}"


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise RuleBroken("a time outside of the years 1 to 9999") from None
