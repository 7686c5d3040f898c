"""Whatever hides a value, a view of the text shows it."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from demo.leakscan.views import SHORTEST, base64_decoded, hex_decoded, unescaped, url_decoded

VALUES = st.text(min_size=SHORTEST, max_size=60).filter(lambda text: "\x00" not in text).map(str.encode)
AROUND = st.binary(max_size=7)


@given(AROUND, VALUES, AROUND, st.sampled_from(["", "=", '"', "/", "x", "Qw"]))
def test_base64_of_a_longer_text_shows_the_value_wherever_a_group_begins(
    before: bytes, value: bytes, after: bytes, glued: str
) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = glued.encode() + encode(before + value + after) + glued.encode()
        assert any(value in view for view in base64_decoded(b'{"rawData":"' + text + b'"}'))


@given(AROUND, VALUES, AROUND, st.sampled_from(["", "\\\\x", "0x", "a", "'"]))
def test_hexadecimal_digits_show_the_value_from_even_and_odd_places(
    before: bytes, value: bytes, after: bytes, glued: str
) -> None:
    for digits in ((before + value + after).hex(), (before + value + after).hex().upper()):
        assert any(value in view for view in hex_decoded(f"<{glued}{digits}>".encode()))


@given(st.text(max_size=60).filter(lambda text: "\x00" not in text), st.integers(1, 4))
def test_json_within_json_shows_the_value_after_as_many_levels(value: str, levels: int) -> None:
    text = value
    for _ in range(levels):
        text = json.dumps(text)
    view = text.encode()
    for _ in range(levels):
        view = unescaped(view)
    assert value.encode("utf-8", "replace") in view


@given(st.text(max_size=40).filter(lambda text: "\x00" not in text and "+" not in text))
def test_url_encoding_shows_the_value_with_spaces_in_either_way(value: str) -> None:
    for encoded in (quote(value), quote(value, safe=""), quote_plus(value)):
        assert value.encode() in url_decoded(encoded.encode())


def test_a_byte_as_python_shows_it_is_undone() -> None:
    assert unescaped(repr("Siân O'Brien".encode()).encode()) == 'b"Siân O\'Brien"'.encode()


def test_digests_are_not_taken_for_base64() -> None:
    assert list(base64_decoded(b"9f86d081884c7d659a2feaa0c55ad015")) == []
