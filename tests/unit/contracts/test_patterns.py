"""Patterns that may guard a text: the same in Python and Java, bounded, and free of what JSON would have to escape."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.contracts.patterns import LONGEST, refusal
from tests.unit.contracts.domains import safe

GOOD = [
    "^C[0-9]{3,5}$",
    "^[A-Z]{2}$",
    "^a$",
    "^(?:GB|IE)-[0-9]{6}$",
    "^(a|b)?c$",
    "^[a-z0-9_.:/+-]{1,20}$",
    "^[.]$",
    "^[-a]$",
    "^[a-]$",
    "^x(y(z|w){2}){3}$",
]
BAD = [
    "", "^", "$", "^$", "a", "^a", "a$", "^a|b$", "^(a$", "^a)$", "^[a$", "^[]$", "^[^a]$", "^a*$", "^a+$", "^a{2,}$", "^a{,2}$", "^a{5,2}$", "^a{0}$",
    "^.$", "^\\w$", "^a b$", '^"$', "^'$", "^a@b$", "^é$", "^[A-z]$", "^[z-a]$", "^[a-9]$", "^(?i)a$", "^(?=a)a$", "^(?P<x>a)$", "^a??$", "^a{2}{2}$", "^{2}$",
    "^[a&&b]$", "^[[a]]$", "^a{65}$", "^(a{10}){10}$", "^a$\n", "^" + "(" * 50 + "a" + ")" * 50 + "$", "^$$", "^^a$", "^a#$", "^a{99999}$",
]  # fmt: skip


@pytest.mark.parametrize("pattern", GOOD)
def test_a_good_pattern_passes_and_compiles(pattern: str) -> None:
    assert refusal(pattern) is None
    re.compile(pattern)


@pytest.mark.parametrize("pattern", BAD)
def test_a_bad_pattern_is_refused_in_words(pattern: str) -> None:
    reason = refusal(pattern)

    assert reason
    assert pattern not in reason or len(pattern) < 3


@settings(max_examples=300, deadline=None)
@given(st.text("^$()[]{}?:|,-+*.\\\"' aAz09_/&", max_size=12).map(lambda inside: f"^{inside}$"))
def test_whatever_passes_is_understood_by_python_and_matches_only_safe_texts(pattern: str) -> None:
    if refusal(pattern) is not None:
        return
    compiled = re.compile(pattern)
    unsafe = [chr(code) for code in (*range(33), 34, 39, 92, 127, 160, 233)]
    assert not [char for char in unsafe if compiled.fullmatch(char)]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_what_a_passing_pattern_matches_is_short_and_safe(data: st.DataObject) -> None:
    pattern = data.draw(st.sampled_from(GOOD))
    text = data.draw(st.from_regex(re.compile(pattern), fullmatch=True)).removesuffix("\n")

    assert len(text) <= LONGEST
    assert safe(text)
