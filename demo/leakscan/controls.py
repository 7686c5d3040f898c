"""Positive controls: invented values, each planted in one facet of one source in one form, and each to be found just there.

Belongs here: what is planted and what must be found. Not here: how it is put into a place (plant.py, sources/).
"""

from __future__ import annotations

import base64
import json
import secrets
import string
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from demo.leakscan.decode import NAME
from demo.leakscan.forms import DIGITS, LAST_DIGITS, LOCAL_PART, PIECE, PIECES, WHOLE, Digits
from demo.leakscan.search import BASE64, CASE_CHANGED, ESCAPED, HEX, PLAIN, URL_ENCODED

COLUMN = "control"


@dataclass(frozen=True)
class Control:
    """Where a control is, under which name, and the form and part under which it must be found."""

    source: str
    facet: str
    name: str
    form: str
    part: str

    def __str__(self) -> str:
        return f"{self.source}, {self.facet}: {self.name}"


@dataclass
class Controls:
    """All controls of a scan: `values` to search for beside the needles, `documents` to plant, by source and facet.

    `expected[i]` is the control whose value is of column `control i`.
    """

    expected: list[Control] = field(default_factory=list)
    values: list[tuple[str, str]] = field(default_factory=list)
    documents: dict[str, dict[str, list[bytes]]] = field(default_factory=dict)

    @classmethod
    def for_places(cls, places: Iterable[tuple[str, str]], digits: Digits) -> Controls:
        """A full set of controls for each (source, facet); `digits` as the needles have them."""
        controls = cls()
        for source, facet in places:
            texts = controls.documents.setdefault(source, {}).setdefault(facet, [])
            for name, value, planted, form, part in _forms(digits):
                if _fits(facet, planted):
                    controls.values.append((f"{COLUMN} {len(controls.expected)}", value))
                    controls.expected.append(Control(source, facet, name, form, part))
                    texts.append(planted.encode())
        return controls


def _forms(digits: Digits) -> Iterator[tuple[str, str, str, str, str]]:
    """Yields (name, value, what is planted, the form and the part that must be found), with new values each time."""
    for name, change, form in _ENCODINGS:
        value = _text() if name in _ASCII_ONLY else _text("ä")
        yield name, value, change(value), form, WHOLE
    for offset in range(3):
        value, planted = _without_slash(lambda: _text("ö"), offset)
        yield f"base64, {offset} bytes into a group", value, planted, BASE64, WHOLE
    local = f"control.{_word().lower()}.{secrets.randbelow(10**6):06d}"
    yield "local part of an e-mail address", f"{local}@example.com", f"<{local}>", PLAIN, LOCAL_PART
    national = f"7700900{secrets.randbelow(10**13):013d}"
    written = f"+44 {national[:4]} {national[4:10]} x{national[10:]}"
    yield "digits of a telephone number", written, f"0{national};", PLAIN, DIGITS
    national = f"7700900{secrets.randbelow(10**13):013d}"
    written = f"(0{national[:4]}) {national[4:10]} {national[10:]}"
    yield "last digits of a telephone number", written, f"..{national[-digits.last :]};", PLAIN, LAST_DIGITS
    long = " ".join(_word() for _ in range(12))
    yield "start of a long text", long, long[:PIECE], PLAIN, PIECES
    day = f"{1701 + secrets.randbelow(199)}-{1 + secrets.randbelow(12):02d}-{1 + secrets.randbelow(28):02d}"
    yield "date in a longer text", day, f"x {day}T00:00:00Z", PLAIN, WHOLE
    code = f"{secrets.choice('QVX')}{secrets.randbelow(10)} {secrets.randbelow(10)}{secrets.choice('CIKMOV')}Q"
    yield "short token", f"{code}", f"({code})", PLAIN, WHOLE


def _text(letter: str = "a") -> str:
    return f"C{letter}n {_word()} O'{_word()}"


def _word() -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(8)).title()


def _without_slash(make: Callable[[], str], offset: int) -> tuple[str, str]:
    """A value whose base64 can be the name of a file."""
    while True:
        value = make()
        planted = base64.b64encode(b"xyz"[:offset] + value.encode() + b".").decode()
        if "/" not in planted:
            return value, planted


def _fits(facet: str, planted: str) -> bool:
    """Names cannot hold slashes, headers only ASCII."""
    if facet == NAME:
        return "/" not in planted
    return facet != "metadata" or planted.isascii()


def _escaped(value: str) -> str:
    return json.dumps(f'"{value}"\n')


_ENCODINGS: tuple[tuple[str, Callable[[str], str], str], ...] = (
    ("plain", str, PLAIN),
    ("plain, not ASCII", str, PLAIN),
    ("upper case", str.upper, CASE_CHANGED),
    ("lower case, not ASCII", str.lower, CASE_CHANGED),
    ("JSON-escaped", _escaped, ESCAPED),
    ("JSON within JSON", lambda value: json.dumps(_escaped(value)), ESCAPED),
    ("URL-encoded", quote, URL_ENCODED),
    ("URL-encoded as a form", lambda value: quote_plus(value.upper()), URL_ENCODED),
    ("hexadecimal digits", lambda value: value.encode().hex(), HEX),
    ("HEXADECIMAL digits, odd", lambda value: f"0{value.encode().hex().upper()}", HEX),
    ("base64 for URLs", lambda value: base64.urlsafe_b64encode(value.encode()).decode(), BASE64),
)
_ASCII_ONLY = {"plain", "upper case"}
