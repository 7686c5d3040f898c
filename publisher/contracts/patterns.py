"""Which regular expressions a contract may use to let a text out.

Belongs here: a parser of the few constructs that mean the same in Python and in Java (Spark), cannot match without end, and cannot
match a quote, a backslash, a space or a control character. Not here: applying a pattern (vocabulary/).

    pattern  = "^" sequence "$"
    sequence = { atom [ "?" | "{n}" | "{n,m}" ] }
    atom     = literal | "[" { char | char "-" char } "]" | "(" [ "?:" ] sequence { "|" sequence } ")"
"""

from __future__ import annotations

import re
import string

LONGEST = 64
"""A text longer than this is no code, and could hold a sentence."""

_WORD = frozenset(string.ascii_letters + string.digits + "_")
_LITERAL = _WORD | frozenset("-:/")
_IN_CLASS = _LITERAL | frozenset(".+")
_RANGES = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
_QUANTIFIER = re.compile(r"\?|\{([0-9]{1,4})(?:,([0-9]{1,4}))?\}")


class _Refused(Exception):
    """The reason why a pattern is none of ours."""


def refusal(pattern: str) -> str | None:
    """Why a pattern may not guard a text, in words; None for one that may."""
    if not (pattern.startswith("^") and pattern.endswith("$") and len(pattern) > 2):
        return "the pattern is not anchored with ^ and $"
    parser = _Parser(pattern[1:-1])
    try:
        longest = parser.sequence()
    except _Refused as reason:
        return str(reason)
    if parser.rest():
        return "a choice outside of brackets is not anchored" if parser.rest()[0] == "|" else "the pattern has a bracket too many"
    if longest > LONGEST:
        return f"the pattern lets texts of more than {LONGEST} characters out"
    return None


class _Parser:
    """Reads one pattern, and computes the length of the longest text that it matches."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def rest(self) -> str:
        return self._text[self._at :]

    def sequence(self, depth: int = 0) -> int:
        longest = 0
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            longest += self._atom(depth) * self._times()
        return longest

    def _atom(self, depth: int) -> int:
        char = self._text[self._at]
        self._at += 1
        if char == "[":
            return self._character_class()
        if char == "(":
            return self._group(depth + 1)
        if char in _LITERAL:
            return 1
        if char == ".":
            raise _Refused("a bare dot matches any character; a dot itself is [.]")
        if char in "*+":
            raise _Refused("* and + match without end")
        raise _Refused("the pattern uses a character or construct outside of the safe ones")

    def _times(self) -> int:
        match = _QUANTIFIER.match(self._text, self._at)
        if match is None:
            return 1
        self._at = match.end()
        if match[0] == "?":
            return 1
        low, high = int(match[1]), int(match[2] or match[1])
        if low > high or high == 0:
            raise _Refused("a repetition must rise, as in {2,5}")
        return high

    def _group(self, depth: int) -> int:
        if depth > 10:
            raise _Refused("the pattern nests too deeply")
        if self._text.startswith("?:", self._at):
            self._at += 2
        longest = [self.sequence(depth)]
        while self.rest()[:1] == "|":
            self._at += 1
            longest.append(self.sequence(depth))
        if self.rest()[:1] != ")":
            raise _Refused("a bracket is not closed")
        self._at += 1
        return max(longest)

    def _character_class(self) -> int:
        end = self._text.find("]", self._at)
        inside = self._text[self._at : end] if end > 0 else ""
        if not inside:
            raise _Refused("a character class is empty or not closed")
        self._at = end + 1
        while inside:
            if len(inside) > 2 and inside[1] == "-":
                if not any(inside[0] in kind and inside[2] in kind and inside[0] <= inside[2] for kind in _RANGES):
                    raise _Refused("a range of characters must rise within a-z, A-Z or 0-9")
                inside = inside[3:]
            elif inside[0] in _IN_CLASS:
                inside = inside[1:]
            else:
                raise _Refused("a character class uses a character outside of the safe ones")
        return 1
