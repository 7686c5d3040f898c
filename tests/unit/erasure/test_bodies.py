"""A raw object loses the values of erased persons, and no other byte."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json

import pytest

from lake_assets.erasure.bodies import cut, cut_failures, failures_text, pack, unpack
from lake_assets.erasure.codes import Codes, person_digest, row_digest

GONE, OTHER, ROW = "a" * 32, "b" * 32, "c" * 32
UPTO = 100


def value(subject: str | None, seq: int = 1, op: str = "insert", key: str = ROW) -> bytes:
    return json.dumps({"entity": "debts", "op": op, "key": key, "seq": seq, "subject": subject}).encode()


def left(text: bytes, codes: Codes | None = None) -> bytes:
    found = cut(text, codes or Codes({GONE: UPTO}))
    return text if found is None else found.body


@pytest.mark.parametrize(
    "codes",
    [
        Codes({GONE: UPTO}),
        Codes({}, {person_digest(GONE): UPTO}),
        Codes({OTHER * 2: 1}, {}, {row_digest("debts", GONE): UPTO}, ("plans", "debts")),
    ],
    ids=["known", "by its person's digest", "by a row's digest"],
)
def test_a_line_that_names_them_goes_and_every_other_byte_stays(codes: Codes) -> None:
    mine, others = value(GONE), [value(OTHER) + b" \r\n", b"\n", b"\xff no JSON\n", b"{}"]
    assert left(mine + b"\n" + b"".join(others), codes) == b"".join(others)
    assert cut(b"".join(others), codes) is None


def test_of_values_that_were_joined_only_theirs_goes_and_quarantine_knows_it_by_its_digest() -> None:
    text = b"  " + value(OTHER) + value(GONE) + b" " + value(OTHER, 2) + b"\n"
    found = cut(text, Codes({GONE: UPTO}))
    assert found is not None
    assert found.body == b"  " + value(OTHER) + b" " + value(OTHER, 2) + b"\n"
    assert found.digests == (hashlib.sha256(value(GONE)).hexdigest(),)


def test_what_is_no_json_and_names_them_goes_from_where_it_cannot_be_read() -> None:
    assert left(value(OTHER) + b'{"who":"' + GONE.encode() + b'"\n' + value(OTHER)) == value(OTHER) + b"\n" + value(OTHER)
    assert left(b'["' + GONE.encode() + b'"]\n') == b""


@pytest.mark.parametrize(
    ("seq", "op", "stays"),
    [(UPTO, "update", False), (UPTO + 1, "insert", True), (UPTO + 1, "delete", False), (UPTO + 9, "erase", False)],
)
def test_only_a_write_of_later_stays(seq: int, op: str, stays: bool) -> None:
    assert (left(value(GONE, seq, op) + b"\n") != b"") == stays


def test_an_event_of_somebody_else_that_only_mentions_them_stays() -> None:
    text = value(OTHER, key=GONE) + b"\n"
    assert left(text) == text
    assert left(value(None, key=GONE) + b"\n") == b"", "without a person it is the row's"


def test_a_code_within_a_longer_one_is_not_theirs() -> None:
    text = json.dumps({"digest": GONE + "0"}).encode()
    assert left(text) == text


def test_a_record_that_firehose_could_not_deliver_is_decoded_and_packed_again() -> None:
    def failure(*inner: bytes) -> bytes:
        return (
            json.dumps({"attemptsMade": 1, "rawData": base64.b64encode(b"".join(inner)).decode()}, separators=(",", ":")).encode()
            + b"\n"
        )

    other, mixed, theirs = failure(value(OTHER)), failure(value(OTHER), b"\n", value(GONE), b"\n"), failure(value(GONE))
    assert GONE.encode() not in mixed
    assert GONE.encode() in failures_text(mixed)
    found = cut_failures(other + mixed + theirs + b"not one of these\n", Codes({GONE: UPTO}))
    assert found is not None
    assert found.body == other + failure(value(OTHER), b"\n") + b"not one of these\n"
    assert cut_failures(other, Codes({GONE: UPTO})) is None


def test_gzip_is_read_in_all_its_members_and_what_was_broken_stays_broken() -> None:
    text = b"".join(value(OTHER, n) + b"\n" for n in range(9_000))
    two = unpack("x.gz", gzip.compress(text) + gzip.compress(b"more\n"))
    assert (two.text == text + b"more\n", two.whole) == (True, True)
    for broken in (gzip.compress(text)[:-9], gzip.compress(text)[:-4], b"no gzip", b""):
        seen = unpack("x.gz", broken)
        assert not seen.whole
        again = unpack("x.gz", pack(seen.text, seen))
        assert (again.text, again.whole) == (seen.text, False)
    plain = unpack("x.json", text)
    assert pack(plain.text, plain) == text
    assert unpack("x.gz", pack(b"", two)).text == b""
