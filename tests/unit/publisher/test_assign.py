"""The assignment of steps: k people in each class, never finer than before, and no coarser than needed for a common one."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from publisher.contracts.kgroups import KGroup
from publisher.contracts.model import Domain
from publisher.contracts.vocabulary import Rung
from publisher.risk.assign import Combination, People, assign, measure

LADDERS = (
    (
        Rung("number", str, Domain("pattern", pattern="^.*$")),
        Rung("tens", lambda v: f"{v // 10}x", Domain("pattern", pattern="^.*$")),
    ),
    (Rung("letter", str, Domain("pattern", pattern="^.*$")),),
)


def group(k: int) -> KGroup:
    made = KGroup("things", "g", k, (None, None), LADDERS)  # type: ignore[arg-type]
    made.__dict__["_of_null"] = (None, None)
    return made


def say(made: KGroup) -> Any:
    return lambda combination, step: made.say((int(combination[0]), combination[1]), step)


combinations = st.tuples(st.integers(0, 39).map(str), st.sampled_from("abc"))
populations = st.dictionaries(combinations, st.integers(1, 12), max_size=40)


def released(made: KGroup, people: dict[Combination, int], steps: dict[Combination, int]) -> Counter[Combination]:
    """People by what they say, counted anew from the assignment."""
    found: Counter[Combination] = Counter()
    for combination, count in people.items():
        found[say(made)(combination, steps[combination])] += count
    return found


@given(people=populations, floors=st.dictionaries(combinations, st.integers(0, 3), max_size=20), k=st.integers(2, 15))
def test_nobody_stands_out_and_nobody_gets_finer(people: dict[Any, int], floors: dict[Any, int], k: int) -> None:
    made = group(k)
    steps = assign(made, people, floors, say(made))
    classes = released(made, people, steps)
    assert set(steps) == set(people)
    assert all(steps[each] >= floors.get(each, 0) for each in people)
    if sum(people.values()) >= k:
        assert all(count >= k for count in classes.values())
    else:
        assert set(classes) <= {(None, None)}
    measured = measure(made, people, steps, say(made))
    assert measured.people == sum(people.values()) == sum(measured.by_step)
    assert measured.smallest == min((c for each, c in classes.items() if each != (None, None)), default=0)


@given(people=populations, gone=st.sets(combinations, max_size=20), more=populations, k=st.integers(2, 15))
def test_over_three_looks_a_combination_only_gets_coarser(people: Any, gone: Any, more: Any, k: int) -> None:
    made, known = group(k), dict[Combination, int]()
    for population in (people, {c: n for c, n in people.items() if c not in gone}, {**people, **more}):
        steps = assign(made, population, known, say(made))
        assert all(steps[c] >= known[c] for c in steps if c in known)
        known |= steps


@given(people=st.dictionaries(combinations, st.sets(st.sampled_from("pqrstuv"), min_size=1), max_size=20), k=st.integers(2, 7))
def test_people_count_once_however_many_rows_they_have(people: dict[Any, set[str]], k: int) -> None:
    made = group(k)
    shared: dict[Combination, People] = dict(people)
    steps = assign(made, shared, {}, say(made))
    classes: dict[Combination, set[str]] = defaultdict(set)
    for combination, who in people.items():
        classes[say(made)(combination, steps[combination])] |= who
    everybody = set().union(*people.values()) if people else set()
    if len(everybody) >= k:
        assert all(len(who) >= k for each, who in classes.items() if each != (None, None))


def test_what_enough_people_share_stays_as_it_is() -> None:
    made = group(10)
    steps = assign(made, {("1", "a"): 10, ("2", "a"): 9, ("3", "a"): 9, ("4", "b"): 20}, {}, say(made))
    assert steps == {("1", "a"): 0, ("2", "a"): 1, ("3", "a"): 1, ("4", "b"): 0}
