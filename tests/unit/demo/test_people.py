"""Invented people: valid, seeded, and distinctive enough to be searched for."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date

from demo.platform.people import SENTENCES, People

POSTCODE = re.compile(r"[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}")
TODAY = date(2026, 11, 24)


def test_the_same_seed_gives_the_same_people() -> None:
    first, again, other = (People(seed) for seed in (1, 1, 2))
    people = [first.person(TODAY) for _ in range(50)]
    assert people == [again.person(TODAY) for _ in range(50)]
    assert people != [other.person(TODAY) for _ in range(50)]


def test_they_are_adults_and_some_lack_what_others_have() -> None:
    people = [People(3).person(TODAY)] + [
        person for source in [People(4)] for person in (source.person(TODAY) for _ in range(500))
    ]
    ages = [(TODAY - person.date_of_birth).days / 365.25 for person in people]
    assert 18 <= min(ages) < 25 < 80 < max(ages) < 89
    for name in ("email", "phone", "address", "postcode"):
        held = Counter(getattr(person, name) is not None for person in people)
        assert held[True] > 300
        assert held[False] > 10
    assert all(POSTCODE.fullmatch(person.postcode) for person in people if person.postcode)
    assert not all(person.full_name.isascii() for person in people)


def test_no_two_texts_are_the_same_and_none_occurs_in_another() -> None:
    source = People(5)
    texts = [text for _ in range(150) for text in (source.reply(), source.note(), source.account_reference(), source.address())]
    texts += [source.message(template) for template in SENTENCES for _ in range(50)]
    assert len(set(texts)) == len(texts)
    everything = "\n".join(texts)
    assert all(everything.count(text) == 1 for text in texts)


def test_no_value_can_be_part_of_a_digest_or_a_number() -> None:
    source = People(6)
    person = source.person(TODAY)
    values = [source.token(), source.phone(), source.bank_account(), source.email("a", "b"), person.full_name, source.company()]
    assert not [value for value in values if re.fullmatch(r"[0-9a-f.-]+", value)]


def test_telephone_numbers_and_addresses_are_of_ranges_that_nobody_has() -> None:
    source = People(7)
    for _ in range(200):
        assert re.search(r"7700\)? 900", source.phone())
        assert source.email("Ann", "Lee").split("@")[1] in ("example.com", "example.org", "example.net")
