"""The index finds each pattern at each place, and nothing else: compared with Python's own search."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.leakscan import grams
from demo.leakscan.grams import PADDING, GramIndex

LETTERS = st.binary(min_size=8, max_size=20).map(lambda raw: bytes(97 + byte % 3 for byte in raw))


def naively(text: bytes, patterns: list[bytes]) -> list[tuple[int, int, int]]:
    return sorted(
        (number, at, at + len(pattern))
        for number, pattern in enumerate(patterns)
        for at in range(len(text))
        if text.startswith(pattern, at)
    )


@given(st.lists(LETTERS, max_size=12), st.binary(max_size=300).map(lambda raw: bytes(97 + byte % 3 for byte in raw)))
@settings(max_examples=200, deadline=None)
def test_it_finds_what_a_naive_search_finds_overlapping_or_not(patterns: list[bytes], text: bytes) -> None:
    text = text + b"".join(patterns)
    found = GramIndex(patterns, range(len(patterns))).find(text + PADDING)
    assert sorted(found) == naively(text, patterns)


@pytest.mark.parametrize("width", [6, 8])
def test_it_finds_a_pattern_at_every_place_also_across_blocks(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grams, "BLOCK", 32)
    pattern = b"Zq-7x!9?"[:width]
    index = GramIndex([pattern], [42], width)
    for at in range(150):
        text = b"." * at + pattern + b"." * (150 - at) + PADDING
        assert list(index.find(text)) == [(42, at, at + width)]


def test_patterns_that_share_all_their_windows_are_told_apart() -> None:
    patterns = [b"abababababab", b"ababababab", b"babababababa"]
    found = GramIndex(patterns, range(3)).find(b"xababababababax" + PADDING)
    assert sorted(found) == naively(b"xababababababax", patterns)


def test_no_pattern_finds_nothing_and_a_short_one_is_refused() -> None:
    assert list(GramIndex([], []).find(b"anything" + PADDING)) == []
    with pytest.raises(ValueError, match="shorter than 8 bytes"):
        GramIndex([b"short"], [0])
