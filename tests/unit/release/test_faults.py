"""A row that may not leave names every field at fault, and never repeats a value: neither in the message nor in what a log would print."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest

from publisher.contracts import Contract
from publisher.errors import Unreleasable
from publisher.keys import LocalKeyring, encrypt
from publisher.release import Change, Release
from tests.unit.release.rows import DATA_KEY, PSEUDONYM_KEY, SEQ, change, rows, sealed

CANARY = "canary-4711"
STRANGE: list[Any] = [
    CANARY, f" {CANARY}\n", f"{CANARY}\ud800", [CANARY], {CANARY: CANARY}, 47.11, True, -(10**30), 10**30, b"canary-4711", f"\\x{CANARY}",
    "\\x01" + CANARY.encode().hex(), "1984-02-30", "infinity", "0044-03-15 BC", "9999-12-31T23:59:59-14:00", "2026-11-24T04:05:06", "",
]  # fmt: skip
SEALED = [CANARY, f"1984-02-03 {CANARY}", "", "１９８４-02-03", "12e4711", "4711" * 2000, f"SW1A 1AA {CANARY}"]


def raised(release: Release, captured: Change) -> Unreleasable:
    with pytest.raises(Unreleasable) as caught:
        release.event(captured)
    return caught.value


def said(error: BaseException) -> str:
    """All that a log shows of an error: its message, arguments, attributes and traceback with all that led to it."""
    shown = "".join(traceback.format_exception(error))
    record = logging.makeLogRecord({"exc_info": (type(error), error, error.__traceback__), "msg": "failed"})
    return f"{error!r} {vars(error)} {shown} {logging.Formatter().format(record)}"


COLUMNS = [(entity, name) for entity, row in rows().items() for name in row]


@pytest.mark.parametrize(("entity", "column"), COLUMNS, ids=lambda value: value)
def test_a_strange_value_in_any_column_leaves_or_stops_without_being_repeated(
    release: Release, contracts: dict[str, Contract], entity: str, column: str
) -> None:
    encrypted = contracts[entity].columns[column].encrypted
    tried = [*STRANGE, *(sealed(text) for text in SEALED)] if encrypted else STRANGE
    readers = {field.name for field in contracts[entity].fields if field.derivation.column == column}
    for value in tried:
        shown, named = outcome(release, change(entity, row=rows()[entity] | {column: value}, key=str(rows()[entity]["id"])))
        assert named in (None, readers)
        assert "canary" not in shown
        assert "4711" not in shown


def outcome(release: Release, captured: Change) -> tuple[str, set[str] | None]:
    """The line that leaves, or all that is said of why it does not, with the fields at fault."""
    try:
        return release.event(captured).line.decode(), None
    except Unreleasable as error:
        return said(error), set(error.fields)


def test_every_field_at_fault_is_named_once(release: Release) -> None:
    row = rows()["customers"] | {"status": CANARY, "email": CANARY, "postcode": sealed(CANARY), "marketing_consent": None}
    del row["phone"]

    error = raised(release, change("customers", row=row))

    assert set(error.fields) == {"status", "has_email", "has_phone", "postcode_area", "marketing_consent"}
    for reason in (
        "not one of the values",
        "holds no ciphertext",
        "captured without its column",
        "not a full UK postcode",
        "has no value",
    ):
        assert error.reason.count(reason) == 1
    assert "canary" not in said(error)


def test_one_bad_value_spares_the_other_fields_nothing(release: Release) -> None:
    """A half record never leaves: the event is refused as a whole."""
    error = raised(release, change("debts", row=rows()["debts"] | {"status": CANARY}))

    assert error.fields == ("status",)


@pytest.mark.parametrize("key", [bytes(32), DATA_KEY[::-1]])
def test_a_wrong_data_key_stops_the_row_and_names_the_fields(contracts: dict[str, Contract], key: bytes) -> None:
    row = rows()["customers"] | {"email": f"\\x{encrypt(key, CANARY).hex()}"}

    error = raised(Release(contracts, LocalKeyring(DATA_KEY, PSEUDONYM_KEY)), change("customers", row=row))

    assert error.fields == ("has_email",)
    assert error.reason == "decryption failed: another data key, or the bytes were changed"
    assert "canary" not in said(error)


def test_a_range_is_held_after_rounding(release: Release) -> None:
    accepted = release.event(change("debts", row=rows()["debts"] | {"balance_pence": 100_000_499}))
    refused = raised(release, change("debts", row=rows()["debts"] | {"balance_pence": 100_000_500}))

    assert b'"balance_pence":100000000,' in accepted.line
    assert refused.reason == "outside the contract's range of 0 to 100000000"
    assert "100000500" not in said(refused)


def test_a_key_that_is_no_text_stops_without_being_repeated(release: Release) -> None:
    error = raised(release, change("customers", "delete", key=f"{CANARY}\ud800"))

    assert error.fields == ("id",)
    assert "canary" not in said(error)


def test_a_subject_that_is_no_text_stops_without_being_repeated(release: Release) -> None:
    error = raised(release, change("debts", subject=f"{CANARY}\ud800"))

    assert error.fields == ("subject",)
    assert "canary" not in said(error)


def test_an_upsert_without_a_row_names_every_field(release: Release, contracts: dict[str, Contract]) -> None:
    error = raised(release, Change("creditors", "update", SEQ, change("creditors").committed_at, "3", None, None))

    assert set(error.fields) == {field.name for field in contracts["creditors"].fields}
