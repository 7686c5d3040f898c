"""The search of a text: its borders, whole tokens, and the forms under which a value is reported."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from urllib.parse import quote

import pytest

from demo.leakscan import search
from demo.leakscan.needles import Needles
from demo.leakscan.search import Searcher

NAME = "Siân Q. Smith-Jones"


def found(value: str, *blocks: bytes) -> dict[str, int]:
    """How often the value was found, by form and part."""
    needles = Needles.of([("t.c", value)])
    counts = Searcher(needles.patterns, needles.exact).search(blocks)
    result: dict[str, int] = {}
    for (number, form), times in counts.items():
        part = needles.labels[number][0][1]
        label = f"{form}, {part}" if part else form
        result[label] = result.get(label, 0) + times
    return result


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (NAME, "plain"),
        (NAME.upper(), "case-changed"),
        (NAME.swapcase(), "case-changed"),
        (json.dumps(NAME), "JSON-escaped"),
        (json.dumps(json.dumps({"min": NAME})), "JSON-escaped"),
        (quote(NAME), "URL-encoded"),
        (quote(quote(NAME)), "URL-encoded"),
        (base64.b64encode(f"x{NAME}".encode()).decode(), "base64"),
        (base64.b64encode(f"x{NAME.upper()}".encode()).decode(), "base64"),
        (base64.b64encode(f"x{NAME}??>".encode()).decode().replace("/", "\\/"), "base64"),
        (quote(base64.b64encode(f"x{NAME}??>".encode()).decode()), "base64"),
        (NAME.encode().hex(), "hex"),
        (repr(NAME.encode()), "JSON-escaped"),
    ],
)
def test_each_form_is_found_once_and_named(text: str, form: str) -> None:
    assert found(NAME, b"before ", text.encode(), b" after") == {form: 1}


@pytest.mark.parametrize("size", [1, 7, 4096, 5000])
def test_nothing_is_lost_where_blocks_and_windows_meet(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "WINDOW", 8192)
    for at in range(8170, 8200):
        text = b"." * at + NAME.encode() + b"." * 9000
        blocks = [text[start : start + size] for start in range(0, len(text), size)] if size > 1 else [text]
        assert found(NAME, *blocks).get("plain", 0) >= 1


def test_a_token_that_a_window_cuts_is_judged_by_what_is_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "WINDOW", 8192)
    for at in range(8170, 8200):
        longer = b"." * at + b"91234567.." + b"." * 9000
        assert found("1234567", longer) == {}
        whole = b"." * at + b" 1234567 " + b"." * 9000
        assert found("1234567", whole).keys() == {"plain"}
    for shift in range(4080, 4110):  # where the second window begins
        assert found("1234567", b"x" * shift + b"91234567" + b"x" * 8192) == {}


@pytest.mark.parametrize(
    ("value", "text", "times"),
    [
        ("M1 1AA", "in m1 1aa.", 1),
        ("M1 1AA", "xm1 1aa", 0),
        ("M1 1AA", "m1 1aab", 0),
        ("M1 1AA", "ém1 1aa", 0),
        ("1984-02-03", "born_1984-02-03T00:00:00Z", 1),
        ("1984-02-03", "21984-02-03", 0),
        ("12345678", "id=12345678;", 1),
        ("12345678", "0.12345678", 0),
        ("12345678", "123456789", 0),
        ("07700 900123", "447700900123", 1),
        ("07700 900123", "+4407700900123", 1),
        ("07700 900123", "00447700900123", 1),
        ("07700 900123", "7700900123", 1),
        ("07700 900123", "1234567700900123", 0),
        ("07700 900123", "77009001234", 0),
        ("07700 900123", " 0900123 ", 1),
    ],
)
def test_a_token_stands_alone(value: str, text: str, times: int) -> None:
    assert sum(found(value, text.encode()).values()) == times


def test_an_excerpt_of_a_long_text_is_found() -> None:
    words = [f"The {i}th sentence of a letter." for i in range(9)]
    value = " ".join(words)
    assert found(value, value[:32].encode()) == {"plain, a piece of it": 1}
    assert found(value, value[40:140].encode())["plain, a piece of it"] >= 2
    assert found(value, f"...{value[-50:]}".encode())["plain, a piece of it"] >= 1


def test_noise_holds_nothing() -> None:
    import random

    values = [("t.c", f"{a}1 {b}AA") for a in "ABCDEFGHIJ" for b in range(10)]
    values += [("t.p", f"07700 900{n:03d}") for n in range(1000)]
    needles = Needles.of(values)
    noise: Sequence[bytes] = [random.Random(1).randbytes(1 << 20), b"%032x" % random.Random(2).getrandbits(128)]
    assert not Searcher(needles.patterns, needles.exact).search(noise)
