"""What each function of the vocabulary did when its use was approved.

Belongs here: a fingerprint of a function's rules and results, and the file that keeps them. Not here: the functions.

A contract names a function; what the function does is code. So a change of the code could widen what leaves under an unchanged
contract. `contracts/vocabulary.lock` keeps the fingerprints beside the contracts, and the contracts' diff compares them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from publisher.contracts.model import ColumnType, SourceColumn
from publisher.contracts.vocabulary import FUNCTIONS, Derive, Function, Use
from publisher.errors import RuleBroken

LOCK = "vocabulary.lock"

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
SAMPLE_VALUES: dict[ColumnType, list[Any]] = {
    "string": ["", " ", "x", "active", "ACTIVE", "C123", "C1234", "SW1A 1AA", " m11ae ", "EC1A1BB", "ß1 1AA", "eight chr", "x" * 500],
    "integer": [-(10**12), -1001, -1000, -101, -1, 0, 1, 4, 5, 6, 14, 15, 49, 99, 100, 101, 995, 999, 1000, 1001, 10**12],
    "boolean": [True, False],
    "date": [date(1, 1, 1), date(1899, 12, 31), date(1900, 1, 1), date(1974, 12, 31), date(1985, 6, 15), date(2000, 2, 29), date(2099, 12, 31)],
    "timestamp": [
        datetime(2026, 11, 30, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2026, 11, 30, 23, 30, tzinfo=timezone(timedelta(hours=-2))),
        datetime(2026, 12, 1, 1, 0, tzinfo=timezone(timedelta(hours=9))),
    ],
}  # fmt: skip


def fingerprints() -> dict[str, str]:
    """The fingerprint of every function of this publisher."""
    return {name: fingerprint(function) for name, function in FUNCTIONS.items()}


def fingerprint(function: Function) -> str:
    """Changes whenever the function accepts more columns, or gives another result for one of the samples."""
    rules = [
        function.signature, sorted(function.inputs), function.lowers, function.of_null, function.of_encrypted, function.of_natural_identifier,
    ]  # fmt: skip
    results = [
        [
            kind,
            args,
            options,
            function.output(use),
            str(function.domain(use)),
            [_result(function.derive(use), value) for value in SAMPLE_VALUES[kind]],
            *[
                [str(rung.domain), [_result(rung.derive, value) for value in SAMPLE_VALUES[kind]]]
                for rung in function.ladder(use)[1:]
            ],
        ]
        for kind, args, options in SAMPLE_USES[function.name]
        if (use := Use(SourceColumn("c", kind, "", False, True, "internal", False, False, ""), args, options))
    ]
    return hashlib.sha256(json.dumps([rules, results]).encode()).hexdigest()[:32]


def _result(derive: Derive, value: Any) -> Any:
    try:
        return derive(value)
    except RuleBroken as error:
        return ["broken", str(error)]


def write_lock(directory: Path) -> None:
    """Keeps the vocabulary of this publisher beside the contracts."""
    (directory / LOCK).write_text(json.dumps(fingerprints(), indent=2) + "\n", encoding="utf-8")


def read_lock(text: str | None) -> Mapping[str, str] | None:
    """The fingerprints of a lock; None where there is none that can be read."""
    try:
        data = json.loads(text or "")
    except ValueError:
        return None
    if isinstance(data, dict) and all(isinstance(value, str) for value in data.values()):
        return data
    return None
