"""What the vocabulary's functions are tried on for their fingerprints: fixed values, many of each kind, the same on any machine.

Belongs here: values and uses. Not here: what is made of them (fingerprint.py, behaviour.py). Nobody's data: all of it is counted or spelled out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from string import ascii_uppercase
from typing import Any

from publisher.contracts.model import ColumnType

_RANGE: dict[str, Any] = {"minimum": -1000, "maximum": 1000}
SAMPLE_USES: dict[str, list[tuple[ColumnType, tuple[str, ...], dict[str, Any]]]] = {
    "present": [("string", (), {}), ("integer", (), {}), ("boolean", (), {}), ("date", (), {}), ("timestamp", (), {})],
    "pseudonym": [],
    "length_band": [("string", ("0", "3", "8"), {}), ("string", ("5",), {})],
    "band": [("integer", ("-10", "0", "100"), {}), ("integer", ("5",), {})],
    "money_band": [("integer", ("-1", "0", "10"), {}), ("integer", ("5",), {})],
    "birth_band": [("date", (width,), {}) for width in ("5", "10", "20", "25", "50")],
    "postcode_area": [("string", (), {})],
    "outcode": [("string", (), {})],
    "truncate": [(kind, (to,), {}) for kind in ("date", "timestamp") for to in ("day", "month")],
    "rounded": [("integer", ("10",), _RANGE), ("integer", ("7",), {"minimum": -700, "maximum": 700})],
    "one_of": [("string", ("active", "C123"), {})],
    "copy": [("string", (), {"pattern": "^C[0-9]{3}$"}), ("integer", (), _RANGE), ("boolean", (), {}), ("date", (), {})],
}

AREAS = tuple(f"{first}{second}" for first in ascii_uppercase for second in ("", *ascii_uppercase))
"""Every area that a postcode can begin with, those that exist among them."""


def _texts() -> Iterator[str]:
    yield from (
        "",
        " ",
        "x",
        "active",
        "ACTIVE",
        "closed",
        "C123",
        "C1234",
        "SW1A 1AA",
        " m11ae ",
        "EC1A1BB",
        "ß1 1AA",
        "eight chr",
        "\t\n",
        "0",
        "-1",
        "None",
    )
    yield from (f"{area}1 1AA" for area in AREAS)
    yield from (f"{area}9Z9ZZ".lower() for area in AREAS[::7])
    yield from ("x" * length for length in range(1, 70))
    yield from ("é" * length for length in (*range(1, 12), 500))
    yield from (f"C{number:03}" for number in range(0, 1000, 13))
    yield from (f"someone.{number}@mail.example" for number in range(40))
    yield from (f"+44 7700 900{number:03}" for number in range(40))
    yield from (f"{number} High Street, Leeds LS{number} 1AA" for number in range(1, 20))
    yield from (
        f"{first} {last}" for first in ("Anna", "Bo", "Chidi", "Łucja", "明") for last in ("Adams", "Ó Briain", "Ng", "O'Neil")
    )


def _times() -> Iterator[datetime]:
    yield from (
        datetime(2026, 11, 30, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2026, 11, 30, 23, 30, tzinfo=timezone(timedelta(hours=-2))),
        datetime(2026, 12, 1, 1, 0, tzinfo=timezone(timedelta(hours=9))),
    )  # fmt: skip
    start = datetime(2023, 12, 30, 0, 7, 41, 123_457, tzinfo=UTC)
    yield from (start + timedelta(hours=7 * step, microseconds=991 * step) for step in range(160))
    yield from ((start + timedelta(days=29 * step)).astimezone(timezone(timedelta(hours=step % 25 - 12))) for step in range(60))


SAMPLE_VALUES: dict[ColumnType, list[Any]] = {
    "string": list(dict.fromkeys(_texts())),
    "integer": [-(10**12), -1001, *range(-1000, 1001, 7), *range(-20, 121), 995, 999, 1000, 1001, *(2**power for power in range(10, 53)), 10**12],
    "boolean": [True, False],
    "date": [
        date(1, 1, 1), date(1899, 12, 31), date(1974, 12, 31), date(1985, 6, 15), date(2000, 2, 29), date(2099, 12, 31), date(2100, 1, 1),
        *(date(year, month, 1 + (year * 7 + month) % 28) for year in range(1900, 2100) for month in (1, 6, 12)),
    ],
    "timestamp": list(_times()),
}  # fmt: skip
IDS = (*map(str, range(200)), *map(str, (2**31, 2**53, 10**12)), "C123", "a:b", "é", *(f"id-{number}" for number in range(50)))
"""Ids that pseudonyms are made of."""
