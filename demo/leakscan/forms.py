"""What is searched for: patterns made of one sensitive value, and the rules by which a value cannot be searched.

Belongs here: a value to patterns, or to the reason why not. Not here: many values (needles.py), encodings (views.py).

The rules, in their order:

1. Blank: left out.
2. A date: as a whole token, in ISO form and as 31/12/1999; left out if the contracts release that very date of something else.
3. A moment, in UTC to the microsecond: up to its thousandths (to which Delta cuts a statistic), in ISO form and as seconds and
   milliseconds since 1970, of which further digits may follow. Left out if it has no fraction of a second, as what an application
   enters by hand has none, and others share it; and if it is of a day that the contracts release, or today: then the clock wrote it
   into commits and logs too. What remains is what no clock wrote: the canaries, among others.
4. Only digits and what people put between them: fewer digits than `Digits.whole` (an income) are left out, any total may equal
   them. Otherwise as written, and the digits alone as a whole token. Of a telephone number these are the national number,
   before which a 0 or a country's code may stand; and its last `Digits.last` digits, if it has more.
5. An e-mail address: whole by rule 6, and the part before the @ as a whole token if it is distinctive by rule 6.
6. Other text: fewer than 6 letters and digits (5 if it has both and a space between: M1 1AA), or one word of under 12 letters
   without a digit, is left out. Under 12 letters and digits, as a whole token. Over 32 characters, by its pieces of 32 from the
   start and the last 32, so that an excerpt is found, and a statistic that was cut to 32.
7. What occurs in the contracts or in the code is left out as well (needles.py).

A letter outside of ASCII counts as its bytes: two Chinese characters say as much as a word. Numbers as whole tokens are not
part of a longer number, other tokens not of a longer word.

What is left out leaves each sensitive column something to search for: the demo plants two canaries in each, which no rule leaves out
(demo/platform/canaries.py), and a column of which nothing can be searched for fails the scan (report.py). So incomes of few digits are
not searched for one by one: a way by which they leave is found by the two that have many.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import IntEnum
from math import ceil, log10
from typing import NamedTuple

PIECE = 32
"""Characters of a piece of a long value: to as many does Delta cut a string's statistics."""
FEWEST_DIGITS = 7
LEAST = 6
WORD = 12

BLANK = "blank"
RELEASED = "a date that the contracts release of something else"
WHOLE_SECOND = "a moment without a fraction of a second"
CLOCKED = "a moment of a day that the contracts release, or of today"
SHORT_NUMBER = "a number of few digits"
FEW_LAST_DIGITS = "last digits: too few, among so many numbers"
SHORT_TEXT = f"fewer than {LEAST} letters and digits"
SINGLE_WORD = "a single word"

WHOLE, PIECES, LOCAL_PART, DIGITS, LAST_DIGITS = "", "a piece of it", "local part", "digits", "last digits"

_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)\.(\d{3})(\d{3})(?:\+00:00|Z)")
_NUMERIC = re.compile(r"[\d\s()+./,x-]*\d[\d\s()+./,x-]*")
_TELEPHONE = re.compile(r"\s*(?P<international>\+|00)|\s*\(?0")
_NO_DIGIT = re.compile(r"[^0-9]+")
_NO_ALNUM = re.compile(r"[^0-9A-Za-z]+")
_CODE = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])\S+ \S.*")
_EMAIL = re.compile(r"([^@\s]+)@[^@\s]+\.[^@\s]+")
_COUNTRY = re.compile(r"1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|\d{3}")


class Bound(IntEnum):
    """What may stand beside a pattern: anything, nothing that continues it, or before it only a telephone number's prefix."""

    NONE = 0
    TOKEN = 1
    NATIONAL = 2


class Pattern(NamedTuple):
    """Bytes to find in a text whose ASCII letters are lower case."""

    folded: bytes
    bound: Bound


class Form(NamedTuple):
    """A pattern of a value: as it was written, and which part of the value it is."""

    pattern: Pattern
    exact: bytes
    part: str


class Digits(NamedTuple):
    """How many digits a number must have to be searched for as a `whole`, and how many its `last` ones are."""

    whole: int
    last: int

    @classmethod
    def needed(cls, values: Iterable[str]) -> Digits:
        """The more different numbers there are, the likelier an innocent one equals one of them.

        `last` keeps the chance that an innocent number of that many digits is hit below one in ten million. A whole number may be
        hit with up to one in a hundred thousand, as it is found in no other way: 7 digits for a hundred numbers, 9 for ten
        thousand and more.
        """
        numbers = {digits for value in values if _NUMERIC.fullmatch(value) and len(digits := _digits(value)) >= FEWEST_DIGITS}
        magnitude = ceil(log10(len(numbers) or 1))
        return cls(min(9, max(FEWEST_DIGITS, magnitude + 5)), max(FEWEST_DIGITS, magnitude + 7))


NO_NUMBERS = Digits.needed(())


def forms_of(value: str, needed: Digits, released: frozenset[str]) -> tuple[list[Form], list[str]]:
    """The forms of a value to search for, and the reasons for what of it is left out; no form means all of it."""
    value = value.strip()
    if not value:
        return [], [BLANK]
    if date := _DATE.fullmatch(value):
        if value in released:
            return [], [RELEASED]
        year, month, day = date.groups()
        return _distinct([*_forms(value, Bound.TOKEN, WHOLE), *_forms(f"{day}/{month}/{year}", Bound.TOKEN, WHOLE)]), []
    if moment := _MOMENT.fullmatch(value):
        return _moment(moment, released)
    if _NUMERIC.fullmatch(value):
        return _number(value, needed)
    forms, left_out = _text(value, WHOLE)
    if email := _EMAIL.fullmatch(value):
        local, reasons = _text(email[1], LOCAL_PART)
        forms += [Form(Pattern(form.pattern.folded, Bound.TOKEN), form.exact, LOCAL_PART) for form in local]
        left_out += [f"{LOCAL_PART}: {reason}" for reason in reasons]
    return _distinct(forms), left_out


def _moment(found: re.Match[str], released: frozenset[str]) -> tuple[list[Form], list[str]]:
    day, clock, milliseconds, rest = found.groups()
    if int(milliseconds + rest) == 0:
        return [], [WHOLE_SECOND]
    if day in released:
        return [], [CLOCKED]
    seconds = int(datetime.fromisoformat(f"{day}T{clock}+00:00").timestamp())
    texts = (
        f"{day}T{clock}.{milliseconds}",
        f"{day} {clock}.{milliseconds}",
        f"{seconds}.{milliseconds}",
        f"{seconds}{milliseconds}",
    )
    return _distinct([form for text in texts for form in _forms(text, Bound.NONE, WHOLE)]), []


def _number(value: str, needed: Digits) -> tuple[list[Form], list[str]]:
    digits = _digits(value)
    if len(digits) < needed.whole:
        return [], [SHORT_NUMBER]
    forms = list(_forms(value, Bound.TOKEN, WHOLE))
    telephone = _TELEPHONE.match(value)
    if not telephone:
        return _distinct([*forms, *_forms(digits, Bound.TOKEN, DIGITS)]), []
    national = digits.lstrip("0")
    if telephone["international"] and (code := _COUNTRY.match(national)):
        national = national[code.end() :].removeprefix("0")
    if len(national) >= needed.whole:
        forms += _forms(national, Bound.NATIONAL, DIGITS)
    if len(national) <= needed.last:
        return _distinct(forms), [FEW_LAST_DIGITS]
    return _distinct([*forms, *_forms(national[-needed.last :], Bound.TOKEN, LAST_DIGITS)]), []


def _text(value: str, part: str) -> tuple[list[Form], list[str]]:
    if len(value) <= PIECE:
        weight = _weight(value)
        if weight < (LEAST - 1 if _CODE.fullmatch(value) else LEAST):
            return [], [SHORT_TEXT]
        if weight < WORD and value.isalpha() and weight <= 2 * len(value):  # no word of a script that has one letter a syllable
            return [], [SINGLE_WORD]
        return list(_forms(value, Bound.TOKEN if weight < WORD else Bound.NONE, part)), []
    starts = [*range(0, len(value) - PIECE, PIECE), len(value) - PIECE]
    forms: list[Form] = []
    left_out: list[str] = []
    for start in starts:
        piece = value[start : start + PIECE]
        if _weight(piece) < WORD:
            left_out.append(f"{PIECES}: fewer than {WORD} letters and digits")
        else:
            forms += _forms(piece, Bound.NONE, part or PIECES)
    return forms, left_out


def _forms(text: str, bound: Bound, part: str) -> Iterator[Form]:
    exact = text.encode("utf-8", "surrogatepass")
    yield Form(Pattern(exact.lower(), bound), exact, part)
    if not text.isascii():  # bytes.lower() folds ASCII only
        for cased in (text, text.lower(), text.upper(), text.title()):
            for normal in ("NFC", "NFD"):
                varied = unicodedata.normalize(normal, cased).encode("utf-8", "surrogatepass")
                yield Form(Pattern(varied.lower(), bound), exact, part)


def _distinct(forms: list[Form]) -> list[Form]:
    return list({form.pattern: form for form in reversed(forms)}.values())[::-1]


def _digits(value: str) -> str:
    return _NO_DIGIT.sub("", value)


def _weight(value: str) -> int:
    """The letters and digits of a text; one outside of ASCII counts as its bytes."""
    if value.isascii():
        return len(_NO_ALNUM.sub("", value))
    return sum(len(letter.encode("utf-8", "surrogatepass")) for letter in value if letter.isalnum())
