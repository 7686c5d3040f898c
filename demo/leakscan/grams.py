"""Finds any of some hundred thousand byte strings in a text, at some hundred megabytes a second.

Belongs here: the index and the search, on bytes. Not here: what is searched (needles.py), in which forms (search.py).

Each pattern is found by one *anchor*, the rarest of its windows of `width` bytes. All windows of the text are looked up in a
bit table; the few that pass are looked up exactly, and what is left is compared in full. Measured on one core of a busy machine:
270,000 patterns built in 1.3 s, 150 to 350 MB/s. With 200,000 patterns pyahocorasick did 26 MB/s, built in 3 s and 500 MB large;
ahocorasick_rs 230 to 380 MB/s, built in 4 to 7 s and 340 MB large, in each process. No dependency but numpy was worth more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]

WORD = 8
PADDING = b"\n" * (2 * WORD)
"""What a text must end with, so that a window may begin at each of its bytes."""
BLOCK = 1 << 16  # with its intermediate results it fits the second-level cache
_FIRST = np.uint64(0x9E3779B97F4A7C15)
_SECOND = np.uint64(0xC2B2AE3D27D4EB4F)
_COUNT_BITS = 22
_CHUNK = 20_000  # patterns whose windows are in memory at a time
_NEVER = 1 << 30


class GramIndex:
    """Patterns of at least `width` bytes (at most 8), each with the number that the caller gave it."""

    def __init__(self, patterns: Sequence[bytes], numbers: Sequence[int], width: int = WORD) -> None:
        self.width = width
        self._mask = np.uint64((1 << (8 * width)) - 1)
        self._patterns = list(patterns)
        offsets, grams = self._anchors()
        order = np.argsort(grams, kind="stable")
        self._numbers = np.asarray(numbers, np.int64)[order] if len(order) else np.zeros(0, np.int64)
        self._patterns = [self._patterns[i] for i in order]
        self._offsets = offsets[order]
        self._grams, self._firsts = np.unique(grams[order], return_index=True)
        self._lasts = np.append(self._firsts[1:], len(order))
        # At most one window in 8 passes by chance: 2 MB for 200,000 patterns, as a larger table leaves the cache.
        bits = max(16, len(self._grams).bit_length() + 3)
        self._first_table = _table(self._grams, _FIRST, bits)
        self._second_table = _table(self._grams, _SECOND, bits + 1)
        self._first_shift, self._second_shift = np.uint64(64 - bits), np.uint64(64 - bits - 1)

    def __len__(self) -> int:
        return len(self._patterns)

    def find(self, text: bytes) -> Iterator[tuple[int, int, int]]:
        """Yields (number, start, end) of every occurrence in a text that ends with PADDING."""
        if not len(self):
            return
        last = len(text) - WORD
        for start in range(0, last, BLOCK):
            count = min(BLOCK, last - start)
            # Windows overlap: one begins at each byte.
            words = np.ndarray((count,), "<u8", text, start, strides=(1,))
            places, grams = self._candidates(words)
            if len(places):
                yield from self._verified(text, start + places, grams)

    def _candidates(self, words: Words) -> tuple[NDArray[np.int64], Words]:
        windows = words if self.width == WORD else words & self._mask
        passed = np.flatnonzero(_look_up(self._first_table, windows, _FIRST, self._first_shift))
        if not len(passed):
            return passed, np.zeros(0, np.uint64)
        grams = windows[passed]
        again = _look_up(self._second_table, grams, _SECOND, self._second_shift)
        passed, grams = passed[again], grams[again]
        found = np.minimum(np.searchsorted(self._grams, grams), len(self._grams) - 1)
        exact = self._grams[found] == grams
        return passed[exact], found[exact]

    def _verified(self, text: bytes, places: NDArray[np.int64], found: NDArray[Any]) -> Iterator[tuple[int, int, int]]:
        for place, gram in zip(places.tolist(), found.tolist(), strict=True):
            for i in range(self._firsts[gram], self._lasts[gram]):
                begin, pattern = place - int(self._offsets[i]), self._patterns[i]
                if begin >= 0 and text.startswith(pattern, begin):
                    yield int(self._numbers[i]), begin, begin + len(pattern)

    def _anchors(self) -> tuple[NDArray[np.int64], Words]:
        """For each pattern, the offset of its window that is rarest among all patterns' windows, and the window."""
        if any(len(pattern) < self.width for pattern in self._patterns):
            raise ValueError(f"a pattern is shorter than {self.width} bytes")
        chunks = [self._patterns[start : start + _CHUNK] for start in range(0, len(self._patterns), _CHUNK)]
        counts = np.zeros(1 << _COUNT_BITS, np.int64)
        for chunk in chunks:
            counts += np.bincount(_counted(self._windows(chunk)), minlength=1 << _COUNT_BITS)
        offsets, grams = [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)]
        for chunk in chunks:
            windows = self._windows(chunk)
            lengths = np.fromiter(map(len, chunk), np.int64, len(chunk))
            ends = np.cumsum(lengths)
            rarity = counts[_counted(windows)]
            for back in range(1, self.width):  # windows that would reach into the next pattern
                rarity[ends - back] = _NEVER
            begins = ends - lengths
            ranked = (rarity << 32) | np.arange(len(rarity))
            chosen = np.minimum.reduceat(ranked, begins) & 0xFFFFFFFF
            offsets.append(chosen - begins)
            grams.append(windows[chosen])
        return np.concatenate(offsets), np.concatenate(grams)

    def _windows(self, patterns: Sequence[bytes]) -> Words:
        """The window that begins at each byte of the patterns, joined."""
        joined = b"".join(patterns)
        return np.ndarray((len(joined),), "<u8", joined + PADDING, strides=(1,)) & self._mask


def _counted(windows: Words) -> NDArray[np.int64]:
    return ((windows * _FIRST) >> np.uint64(64 - _COUNT_BITS)).astype(np.int64)


def _table(grams: Words, multiplier: np.uint64, bits: int) -> NDArray[np.bool_]:
    table = np.zeros(1 << bits, np.bool_)
    table[((grams * multiplier) >> np.uint64(64 - bits)).astype(np.int64)] = True
    return table


def _look_up(table: NDArray[np.bool_], windows: Words, multiplier: np.uint64, shift: np.uint64) -> NDArray[np.bool_]:
    hashed = windows * multiplier
    np.right_shift(hashed, shift, out=hashed)
    return table.take(hashed.view(np.int64))
