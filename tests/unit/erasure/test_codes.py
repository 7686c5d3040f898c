"""Codes are found in bytes exactly where the expression that defines them matches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lake_assets.erasure.codes import TOKEN, Codes, person_digest, token_starts

CODE, OTHER = "0123456789abcdef" * 2, "f" * 32
PIECES = st.sampled_from([CODE, OTHER, CODE[:31], CODE + "0", "A" * 32, '"', "\n", "\\u00e9", "g", ""])


@given(st.lists(PIECES).map("".join) | st.text("0fgA\n", max_size=200))
def test_they_are_found_where_the_expression_matches(text: str) -> None:
    body = text.encode()
    assert token_starts(body).tolist() == [match.start() for match in TOKEN.finditer(body)]
    expected = [(match.start(), CODE, 7) for match in TOKEN.finditer(body) if match[0].decode() == CODE]
    assert Codes({CODE: 7}).places(body) == expected
    assert Codes({}, {person_digest(CODE): 7}).places(body) == expected


def test_one_that_begins_as_a_known_one_does_is_not_it() -> None:
    assert Codes({CODE: 7}).in_bytes((CODE[:16] + "0" * 16).encode()) == {}
    assert Codes({CODE: 7}, {person_digest(OTHER): 9}).in_bytes(f"{OTHER} {CODE}".encode()) == {OTHER: 9, CODE: 7}
    assert Codes({}).in_bytes(CODE.encode()) == {}
