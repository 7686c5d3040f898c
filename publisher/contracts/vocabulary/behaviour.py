"""What else decides what leaves under an unchanged contract, and is no function of the vocabulary: codes, the envelope's time, the k-groups' steps.

Belongs here: their results for fixed samples, under fixed keys that are nobody's. Not here: the functions' own (fingerprint.py), the code that is tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, get_args

from publisher.contracts.kgroups import KGroup
from publisher.contracts.model import CoarseTime, ColumnType, Derivation, Domain, Field, Precision, SourceColumn
from publisher.contracts.vocabulary import FUNCTIONS, Use, parse_call
from publisher.contracts.vocabulary.samples import AREAS, IDS, SAMPLE_VALUES
from publisher.keys import KEY_BYTES, LocalKeyring
from publisher.risk.assign import Combination, assign, measure
from publisher.risk.steps import Steps, Table
from publisher.wire import cut_time

ENVELOPE, KGROUPS = "committed_at", "k-groups"
PRECISIONS: tuple[Precision | CoarseTime, ...] = (*get_args(Precision), *get_args(CoarseTime))
_KEYS = {1: b"\x01" * KEY_BYTES, 2: b"\x02" * KEY_BYTES}
_TYPES: dict[str, ColumnType] = {
    "email": "string",
    "born": "date",
    "postcode": "string",
    "joined": "timestamp",
    "balance": "integer",
}
_COLUMNS = {name: SourceColumn(name, kind, "", False, False, "internal", False, False, "") for name, kind in _TYPES.items()}
_FIELDS = (
    "present(email)",
    "birth_band(born, 10)",
    "outcode(postcode)",
    "truncate(joined, month)",
    "money_band(balance, 0, 5, 10, 50)",
)
_K = 5


def codes() -> list[Any]:
    """Pseudonyms of many ids, in two namespaces and under two keys."""
    keyring = LocalKeyring(b"\x00" * KEY_BYTES, _KEYS)
    return [
        [keyring.under(version).pseudonym(space, each) for each in IDS] for version in _KEYS for space in ("customer", "debt")
    ]


def envelope() -> list[Any]:
    """Times of change, cut to each precision."""
    return [[precision, [cut_time(moment, precision) for moment in SAMPLE_VALUES["timestamp"]]] for precision in PRECISIONS]


def k_groups() -> list[Any]:
    """The steps of a group, and at which of them a small population leaves, looked at once and again when half of it is gone."""
    group = _group()
    raws: dict[Combination, tuple[Any, ...]] = {}
    people: dict[Combination, int] = {}
    for row in _population():
        combination = group.say(row, 0)
        raws.setdefault(combination, row)
        people[combination] = people.get(combination, 0) + 1

    def say(combination: Combination, step: int) -> Combination:
        return group.say(raws[combination], step)

    first = assign(group, people, {}, say)
    fewer = dict(list(people.items())[::2])
    second = assign(group, fewer, first, say)
    digests = {each: LocalKeyring(b"\x00" * KEY_BYTES, _KEYS).combination(repr(each)) for each in people}
    kept = Steps(1, {(group.entity, group.name): Table.of((digests[each], step) for each, step in first.items())})
    return [
        group.definition,
        group.steps,
        group.insert_precisions,
        [[say(each, step) for step in range(group.silent + 1)] for each in people],
        *[[[of[each], steps[each]] for each in of] for of, steps in ((people, first), (fewer, second))],
        *[str(measure(group, of, steps, say)) for of, steps in ((people, first), (fewer, second))],
        [kept.step(group, digest) for digest in digests.values()],
        [Steps().step(group, b"\x00" * 16), kept.step(group, b"\xff" * 16)],  # what nobody has looked at
    ]


def _group() -> KGroup:
    fields, ladders = [], []
    for text in _FIELDS:
        call = parse_call(text)
        if call is None:
            raise AssertionError("a sample that is no call")
        function, use = FUNCTIONS[call.function], Use(_COLUMNS[call.column], call.args)
        domain = function.domain(use)
        derived = Derivation(function.name, call.column, call.args, text, domain, "")
        fields.append(
            Field(
                call.column, function.output(use), False, derived, Domain("boolean"), {}, (), "internal", "", (), "person", False
            )
        )
        ladders.append(function.ladder(use))
    return KGroup("people", "person", _K, tuple(fields), tuple(ladders))


def _population() -> Iterator[tuple[Any, ...]]:
    """A crowd that is alike, small groups, and people who are alone."""
    for number in range(240):
        crowd = number % 3 != 0
        yield (
            None if number % 5 == 0 else "x",
            None if number % 47 == 0 else date(1950 + (number % 2) * 10 if crowd else 1905 + number % 90, 3, 7),
            f"{'LS' if crowd else AREAS[number % len(AREAS)]}{number % 2 + 1} 1AA",
            datetime(2026, 1 + (number % 2 if crowd else number % 12), 5, 12, tzinfo=UTC),
            None if number % 31 == 0 else (number % 4) * 300 if crowd else number * 37,
        )
