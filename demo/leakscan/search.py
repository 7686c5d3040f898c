"""Searches a text, and what its encodings hide, for patterns.

Belongs here: windows, encodings, whole tokens. Not here: what the patterns mean (needles.py), where a text comes from (sources/).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from demo.leakscan.forms import Bound, Pattern
from demo.leakscan.grams import PADDING, WORD, GramIndex
from demo.leakscan.views import base64_decoded, hex_decoded, unescaped, url_decoded

PLAIN, CASE_CHANGED, ESCAPED = "plain", "case-changed", "JSON-escaped"
URL_ENCODED, BASE64, HEX = "URL-encoded", "base64", "hex"
FORMS = (PLAIN, CASE_CHANGED, ESCAPED, URL_ENCODED, BASE64, HEX)

WINDOW = 1 << 20
OVERLAP = 4096
"""Bytes that two windows share: the longest pattern (32 characters), escaped twice, fits many times."""
_DIGITS_BEFORE = re.compile(rb"[0-9]*$")
_PREFIX = re.compile(rb"0?|(?:00)?[1-9][0-9]{0,2}0?")
_ESCAPE_LEVELS = 6
_URL_LEVELS = 2
_SHORT = 6


class Searcher:
    """Finds patterns by number; `exact[i]` is pattern i before its letters were folded. It can be pickled to other processes."""

    def __init__(self, patterns: Sequence[Pattern], exact: Sequence[bytes] = ()) -> None:
        self._bounds = [pattern.bound for pattern in patterns]
        self._exact = list(exact)
        long = [(i, p.folded) for i, p in enumerate(patterns) if len(p.folded) >= WORD]
        short = [(i, p.folded) for i, p in enumerate(patterns) if len(p.folded) < WORD]
        self._long = GramIndex([folded for _, folded in long], [i for i, _ in long])
        self._short = GramIndex([folded for _, folded in short], [i for i, _ in short], _SHORT)

    def search(self, blocks: Iterable[bytes], *, encodings: bool = True) -> Counter[tuple[int, str]]:
        """Counts occurrences by (pattern's number, form) in a text that comes in blocks of any length.

        Without `encodings` only what stands there as it is, in any case.
        """
        found: Counter[tuple[int, str]] = Counter()
        for window, first, last in windows(blocks):
            found += self._search_window(window, first, last, encodings)
        return found

    def _search_window(self, text: bytes, first: bool, last: bool, encodings: bool) -> Counter[tuple[int, str]]:
        plain = self._count(text, first, last, short=True)
        found: Counter[tuple[int, str]] = Counter()
        for (number, as_written), times in plain.items():
            found[number, PLAIN if as_written else CASE_CHANGED] += times
        if not encodings:
            return found
        seen = _by_number(plain)
        for form, view in _text_views(text):
            counted = _by_number(self._count(view, first, last, short=True))
            more = counted - seen  # what was found without decoding is still there
            seen |= counted
            found.update({(number, form): times for number, times in more.items()})
        hidden: Counter[tuple[int, str]] = Counter()
        for readable in _readable(text):
            hidden |= self._count_hidden(readable, first, last)
        return found + hidden

    def _count_hidden(self, text: bytes, first: bool, last: bool) -> Counter[tuple[int, str]]:
        """Occurrences in what base64 and hexadecimal digits stand for."""
        counts: Counter[tuple[int, str]] = Counter()
        for form, decoded in ((BASE64, base64_decoded), (HEX, hex_decoded)):
            for view in decoded(text):
                for number, times in _by_number(self._count(view, first, last, short=False)).items():
                    counts[number, form] += times
        return counts

    def _count(self, text: bytes, first: bool, last: bool, *, short: bool) -> Counter[tuple[int, bool]]:
        """Occurrences by (number, whether in the very letters of the value)."""
        folded = text.lower() + PADDING
        end_of_text = len(text)
        counts: Counter[tuple[int, bool]] = Counter()
        for index in (self._long, self._short) if short else (self._long,):
            for number, begin, end in index.find(folded):
                if bound := self._bounds[number]:
                    # Where a window was cut, the token may go on: the other window shows it with what is around it.
                    cut = (begin == 0 and not first) or (end == end_of_text and not last)
                    if cut or not _stands_alone(folded, begin, end, bound):
                        continue
                counts[number, bool(self._exact) and text.startswith(self._exact[number], begin)] += 1
        return counts


def windows(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bool, bool]]:
    """Yields (window, is the first, is the last): each begins with the end of the one before, so nothing is lost between them."""
    tail, waiting, first = b"", None, True
    for block in _cut(blocks):
        if waiting is not None:
            yield tail + waiting, first, False
            tail, first = (tail + waiting)[-OVERLAP:], False
        waiting = block
    if waiting is not None:
        yield tail + waiting, first, True


def _cut(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Blocks of at most WINDOW bytes, small ones joined."""
    parts: list[bytes] = []
    size = 0
    for block in blocks:
        for start in range(0, len(block), WINDOW):
            part = block[start : start + WINDOW]
            if size + len(part) > WINDOW:
                yield b"".join(parts)
                parts, size = [], 0
            parts.append(part)
            size += len(part)
    if parts:
        yield b"".join(parts)


def _text_views(text: bytes) -> Iterator[tuple[str, bytes]]:
    latest = text
    for _ in range(_ESCAPE_LEVELS):
        following = unescaped(latest)
        if following == latest:
            break
        latest = following
        yield ESCAPED, latest
    for _ in range(_URL_LEVELS):
        following = url_decoded(latest)
        if following == latest:
            break
        latest = following
        yield URL_ENCODED, latest


def _readable(text: bytes) -> Iterator[bytes]:
    """The text, and again with the slashes and signs of base64 put right where they are escaped."""
    yield text
    if b"\\" in text and b"\\/" in text:  # one byte is looked for ten times as fast as two
        yield unescaped(text)
    if b"%" in text and (b"%2" in text or b"%3" in text):
        yield url_decoded(text.replace(b"+", b"%2B"))


def _by_number(counts: Counter[tuple[int, bool]]) -> Counter[int]:
    numbers: Counter[int] = Counter()
    for (number, _), times in counts.items():
        numbers[number] += times
    return numbers


def _stands_alone(text: bytes, begin: int, end: int, bound: Bound) -> bool:
    before, after = text[max(0, begin - 8) : begin], text[end : end + 1]
    if _continues(text[end - 1], after):
        return False
    if bound is Bound.NATIONAL:
        prefix = _DIGITS_BEFORE.search(before)
        return prefix is not None and bool(_PREFIX.fullmatch(prefix[0]))
    if _continues(text[begin], before[-1:]):
        return False
    # The digits after a decimal point are no number of their own.
    return not (before[-1:] == b"." and before[-2:-1].isdigit() and text[begin : begin + 1].isdigit())


def _continues(edge: int, neighbour: bytes) -> bool:
    if not neighbour:
        return False
    if 0x30 <= edge <= 0x39:
        return neighbour.isdigit()
    return (neighbour.isalnum() or neighbour >= b"\x80") and (edge >= 0x80 or bytes((edge,)).isalnum())
