"""From people by combination to the step that each combination needs, so that nobody stands out.

Belongs here: the assignment, which knows nothing of rows or databases. Not here: reading them (assess.py).

From fine to coarse: at each step the combinations that are left are put together by what they would say at that step. Where at least k people say the
same, they leave so; the rest goes on to the next step, and who is left at the end says nothing. So of all people who leave with the same values at the same
step there are at least k. A combination never gets a finer step than it had (its *floor*), even where there are enough people again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from publisher.contracts.kgroups import KGroup

Combination = tuple[Any, ...]
"""What a row says at step 0, field by field."""

People = int | set[str]
"""How many people have a combination; as a set where one may have several rows."""


@dataclass(frozen=True)
class Classes:
    """The sizes of the classes, in people: those that leave with the same values, `silent` those who say nothing."""

    people: int
    groups: int
    smallest: int
    silent: int
    by_step: tuple[int, ...]


def assign(
    group: KGroup,
    people: Mapping[Combination, People],
    floors: Mapping[Combination, int],
    say: Callable[[Combination, int], Combination],
) -> dict[Combination, int]:
    """The step of each combination. `say` gives what a combination says at a step."""
    steps: dict[Combination, int] = {}
    left = list(people)
    for step in range(group.silent):
        classes: dict[Combination, list[Combination]] = defaultdict(list)
        for combination in left:
            if floors.get(combination, 0) <= step:
                classes[say(combination, step)].append(combination)
        for members in classes.values():
            if size(people[member] for member in members) >= group.k:
                steps.update(dict.fromkeys(members, step))
        left = [combination for combination in left if combination not in steps]
    steps.update(dict.fromkeys(left, group.silent))
    _hide_the_last(group, people, steps, say)
    return steps


def measure(
    group: KGroup,
    people: Mapping[Combination, People],
    steps: Mapping[Combination, int],
    say: Callable[[Combination, int], Combination],
) -> Classes:
    """What leaves under an assignment; under none, as it is."""
    classes: dict[Combination, list[Combination]] = defaultdict(list)
    by_step: dict[int, list[Combination]] = defaultdict(list)
    for combination in people:
        step = steps.get(combination, 0)
        by_step[step].append(combination)
        if step < group.silent:
            classes[say(combination, step)].append(combination)
    sizes = [size(people[member] for member in members) for members in classes.values()]
    counted = tuple(size(people[member] for member in by_step.get(step, ())) for step in range(group.silent + 1))
    return Classes(size(people.values()), len(sizes), min(sizes, default=0), counted[group.silent], counted)


def size(people: Iterable[People]) -> int:
    """How many different people."""
    count, known = 0, set[str]()
    for each in people:
        if isinstance(each, set):
            known |= each
        else:
            count += each
    return count + len(known)


def _hide_the_last(
    group: KGroup,
    people: Mapping[Combination, People],
    steps: dict[Combination, int],
    say: Callable[[Combination, int], Combination],
) -> None:
    """One to k-1 people who say nothing are a small class too: the smallest other classes fall silent with them."""
    silent = [combination for combination, step in steps.items() if step == group.silent]
    if not silent or size(people[each] for each in silent) >= group.k:
        return
    classes: dict[tuple[int, Combination], list[Combination]] = defaultdict(list)
    for combination, step in steps.items():
        if step < group.silent:
            classes[step, say(combination, step)].append(combination)
    by_size = sorted(classes.values(), key=lambda members: size(people[member] for member in members))
    for members in by_size:
        steps.update(dict.fromkeys(members, group.silent))
        silent += members
        if size(people[each] for each in silent) >= group.k:
            return
