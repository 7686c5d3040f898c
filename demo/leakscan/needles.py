"""All values that are searched for, and the account of each: searched, or left out and why.

Belongs here: values by column to patterns by number, and counts. Not here: the rules (forms.py), the search (search.py).
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from demo.leakscan.forms import NO_NUMBERS, Digits, Form, Pattern, forms_of
from demo.leakscan.search import Searcher

PUBLIC = "occurs in the contracts or the code"


@dataclass(frozen=True)
class Needles:
    """Patterns in the order of their numbers, what each is of, and how many values of which column are searched.

    `required` are the columns that hold what must not leave: of each something must be searched for. `labels[i]` are the (column, part) pairs of pattern i. `left_out` counts values by (column, reason), `parts_left_out` parts
    of values that are searched otherwise.
    """

    patterns: list[Pattern]
    exact: list[bytes]
    labels: list[tuple[tuple[str, str], ...]]
    searched: Counter[str] = field(default_factory=Counter)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    parts_left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    digits: Digits = NO_NUMBERS
    required: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        values: Iterable[tuple[str, str]],
        *,
        released: frozenset[str] = frozenset(),
        public: Iterable[bytes] = (),
        digits: Digits | None = None,
        required: Iterable[str] = (),
    ) -> Needles:
        """Patterns of (column, plain text) pairs, of which repeated ones count once.

        `released` are the ISO dates that the contracts release. What occurs in a text of `public` (the contracts, the code) is left
        out: nobody could tell it from a leak. `digits` is how many a number must have; by default, as many as these values need.
        """
        with _collector_paused():
            pairs = list(dict.fromkeys(values))
            needed = digits or Digits.needed(text for _, text in pairs)
            formed = [(column, *forms_of(text, needed, released)) for column, text in pairs]
            known = _occurring((form.pattern for _, forms, _ in formed for form in forms), public)
            return replace(cls._assembled(formed, known, needed), required=tuple(required))

    @classmethod
    def _assembled(cls, formed: list[tuple[str, list[Form], list[str]]], known: set[Pattern], needed: Digits) -> Needles:
        numbers: dict[Pattern, int] = {}
        exact: list[bytes] = []
        labels: list[set[tuple[str, str]]] = []
        searched: Counter[str] = Counter()
        left_out: Counter[tuple[str, str]] = Counter()
        parts_left_out: Counter[tuple[str, str]] = Counter()
        for column, forms, reasons in formed:
            kept = [form for form in forms if form.pattern not in known] if known else forms
            if len(kept) < len(forms):
                reasons = [*reasons, PUBLIC]
            if kept:
                searched[column] += 1
                parts_left_out.update((column, reason) for reason in reasons)
            else:
                left_out[column, reasons[-1]] += 1
            for form in kept:
                number = numbers.setdefault(form.pattern, len(exact))
                if number == len(exact):
                    exact.append(form.exact)
                    labels.append(set())
                labels[number].add((column, form.part))
        return cls(list(numbers), exact, [tuple(sorted(label)) for label in labels], searched, left_out, parts_left_out, needed)

    def __add__(self, other: Needles) -> Needles:
        """Both, for one search; patterns that are in both stay apart."""
        return Needles(
            self.patterns + other.patterns,
            self.exact + other.exact,
            self.labels + other.labels,
            self.searched + other.searched,
            self.left_out + other.left_out,
            self.parts_left_out + other.parts_left_out,
            self.digits,
            self.required,
        )


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Some million small tuples come to stay: looking through them again and again took half of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _occurring(patterns: Iterable[Pattern], public: Iterable[bytes]) -> set[Pattern]:
    texts = list(public)
    if not texts:
        return set()
    distinct = list(dict.fromkeys(patterns))
    searcher = Searcher(distinct)
    return {distinct[number] for text in texts for number, _ in searcher.search([text])}
