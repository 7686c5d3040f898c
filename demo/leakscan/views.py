"""Undoes what may hide a value in a text: JSON escapes, URL encoding, base64, hexadecimal digits.

Belongs here: bytes to bytes. Not here: what is looked for in the result. Decoding what was found costs less than looking for
each value in each encoding, and finds what was encoded in another case or after another escape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

SHORTEST = 8
"""The shortest value, in bytes, that is looked for in base64 and hexadecimal digits: random bytes hold shorter ones."""
_HEX_RUN = 2 * SHORTEST
_BASE64_RUN = 11  # 8 bytes, wherever they begin, decide 10 or 11 characters
# A pseudonym or a digest. That 24 characters of base64 hold these 16 letters only happens once in 10 ** 14 times.
_DIGEST_RUN = 24
_INVALID = 255

_UNICODE = re.compile(rb"\\u[0-9A-Fa-f]{4}(?:\\u[0-9A-Fa-f]{4})*")
_BYTE = re.compile(rb"\\x[0-9A-Fa-f]{2}(?:\\x[0-9A-Fa-f]{2})*")
_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")
_SIMPLE = (
    (b'\\"', b'"'),
    (b"\\'", b"'"),
    (b"\\/", b"/"),
    (b"\\n", b"\n"),
    (b"\\r", b"\r"),
    (b"\\t", b"\t"),
    (b"\\b", b"\b"),
    (b"\\f", b"\f"),
)
_ESCAPED_BACKSLASH = b"\\\\"
_STAND_IN = b"\x00"  # no value holds it


def unescaped(text: bytes) -> bytes:
    r"""One level of backslash escapes undone: JSON's, PostgreSQL's COPY, and Python's `\xc3` of a byte."""
    if b"\\" not in text:
        return text
    text = text.replace(_ESCAPED_BACKSLASH, _STAND_IN)
    if b"\\u" in text:
        text = _UNICODE.sub(_from_unicode, text)
    if b"\\x" in text:
        text = _BYTE.sub(lambda found: bytes.fromhex(found[0].replace(b"\\x", b"").decode()), text)
    for escape, character in _SIMPLE:
        text = text.replace(escape, character)
    return text.replace(_STAND_IN, b"\\")


def url_decoded(text: bytes) -> bytes:
    """One level of URL encoding undone, `+` being a space as forms write it."""
    if b"+" not in text and not (b"%" in text and _PERCENT.search(text)):
        return text
    return unquote_to_bytes(text.replace(b"+", b" "))


def hex_decoded(text: bytes) -> Iterator[bytes]:
    """What runs of hexadecimal digits stand for, from even and from odd places."""
    kept = _runs(_HEX[np.frombuffer(text, np.uint8)], _HEX_RUN)
    if kept is None:
        return
    for phase in range(2):
        half = (len(kept) - phase) // 2 * 2
        digits = kept[phase : phase + half]
        yield ((digits[0::2] << 4) | digits[1::2]).tobytes()


def base64_decoded(text: bytes) -> Iterator[bytes]:
    """What runs of base64 (of both alphabets) stand for, from each of the four places where a group may begin."""
    array = np.frombuffer(text, np.uint8)
    values = _BASE64[array]
    digests = _within(_LOWER_HEX[array] != _INVALID, _DIGEST_RUN)
    if digests is not None:
        values[digests] = _INVALID
    kept = _runs(values, _BASE64_RUN)
    if kept is None:
        return
    kept = np.append(kept, np.zeros(8, np.uint8))
    for phase in range(4):
        groups = kept[phase : phase + (len(kept) - phase) // 4 * 4].reshape(-1, 4)
        first, second, third, fourth = (np.ascontiguousarray(groups[:, i]) for i in range(4))
        decoded = np.empty((len(groups), 3), np.uint8)
        decoded[:, 0] = (first << 2) | (second >> 4)
        decoded[:, 1] = (second << 4) | (third >> 2)
        decoded[:, 2] = (third << 6) | fourth
        yield decoded.tobytes()


def _runs(values: Bytes, shortest: int) -> Bytes | None:
    """The valid values in runs of at least `shortest`, joined; None where there is no such run."""
    within = _within(values != _INVALID, shortest)
    return None if within is None else values[within]


def _within(valid: NDArray[np.bool_], shortest: int) -> NDArray[np.bool_] | None:
    """Which places lie in a run of at least `shortest` valid ones; None if none does."""
    framed = np.zeros(len(valid) + 2, np.bool_)
    framed[1:-1] = valid
    changes = np.flatnonzero(framed[1:] != framed[:-1])
    begins, ends = changes[0::2], changes[1::2]
    long = ends - begins >= shortest
    if not long.any():
        return None
    borders = np.empty(2 * int(np.count_nonzero(long)) + 2, np.int64)
    borders[0], borders[-1] = 0, len(valid)
    borders[1:-1:2], borders[2:-1:2] = begins[long], ends[long]
    return np.repeat(np.arange(len(borders) - 1) % 2 == 1, np.diff(borders))


def _from_unicode(found: re.Match[bytes]) -> bytes:
    units = bytes.fromhex(found[0].replace(b"\\u", b"").decode())
    return units.decode("utf-16-be", "replace").encode()


def _alphabet(*alphabets: bytes) -> Bytes:
    table = np.full(256, _INVALID, np.uint8)
    for alphabet in alphabets:
        for value, letter in enumerate(alphabet):
            table[letter] = value
    return table


_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_BASE64 = _alphabet(_LETTERS + b"+/", _LETTERS + b"-_")
_HEX = _alphabet(b"0123456789abcdef", b"0123456789ABCDEF")
_LOWER_HEX = _alphabet(b"0123456789abcdef")
