"""k-groups: fields that together could single a person out, and how each becomes coarser, step by step.

Belongs here: what follows from the contract alone. Not here: which step a combination of values needs (publisher/risk/).

A group has one *chain* of steps: step 0 is everything as it is, and each further step takes one field one rung down its ladder, until at the last step no
field says anything. One chain for all means that the step a combination has is one number, and that a higher one is always coarser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

from publisher.contracts.model import CoarseTime, Contract, Field
from publisher.contracts.problems import Problem
from publisher.contracts.vocabulary import FUNCTIONS, Rung, Use

Derives = tuple[Callable[[Any], Any] | None, ...]
"""For each field of a group how it is derived at a step; None where it says nothing."""


@dataclass(frozen=True)
class KGroup:
    """The fields of one group of one contract, in the contract's order."""

    entity: str
    name: str
    k: int
    fields: tuple[Field, ...]
    ladders: tuple[tuple[Rung, ...], ...]

    @cached_property
    def steps(self) -> tuple[tuple[int, ...], ...]:
        """The chain: how many rungs down each field is, at each step.

        The field that has the most rungs left gives way first, of several the one that stands last in the contract: bands are merged before anything
        falls silent, and the author of a contract says by its order what to give up first.
        """
        down = [0] * len(self.fields)
        chain = [tuple(down)]
        while left := max(len(ladder) - rung for ladder, rung in zip(self.ladders, down, strict=True)):
            last = max(i for i, ladder in enumerate(self.ladders) if len(ladder) - down[i] == left)
            down[last] += 1
            chain.append(tuple(down))
        return tuple(chain)

    @property
    def silent(self) -> int:
        """The last step, at which no field says anything: what a combination gets that nobody has looked at."""
        return len(self.steps) - 1

    @cached_property
    def derives(self) -> tuple[Derives, ...]:
        """How each field is derived, at each step."""
        return tuple(
            tuple(ladder[rung].derive if rung < len(ladder) else None for ladder, rung in zip(self.ladders, down, strict=True))
            for down in self.steps
        )

    def say(self, raws: Sequence[Any], step: int) -> tuple[Any, ...]:
        """What the fields say at a step, of the source columns' values. Raises RuleBroken, or another ValueError, for a value outside its domain."""
        return tuple(
            None if derive is None else of_null if raw is None else derive(raw)
            for derive, of_null, raw in zip(self.derives[step], self._of_null, raws, strict=True)
        )

    def words(self, step: int) -> str:
        """A step in words, such as `birth_band 20 years, joined_on nothing`; only what differs from step 0."""
        said = [
            f"{field.name} {ladder[rung].says if rung < len(ladder) else 'nothing'}"
            for field, ladder, rung in zip(self.fields, self.ladders, self.steps[step], strict=True)
            if rung
        ]
        return ", ".join(said) or "everything as it is"

    @cached_property
    def _of_null(self) -> tuple[bool | None, ...]:
        return tuple(FUNCTIONS[field.derivation.function].of_null for field in self.fields)

    @cached_property
    def definition(self) -> str:
        """What the group is made of: other fields, derivations or steps make other combinations, that nobody has looked at yet."""
        fields = "; ".join(f"{field.name}={field.derivation.text}" for field in self.fields)
        return f"{fields}: {' | '.join(map(self.words, range(len(self.steps))))}"

    @cached_property
    def coarser(self) -> tuple[tuple[tuple[str, str, Callable[[Any], Any] | None, bool | None], ...], ...]:
        """At each step, the fields that say less than as they are: name, source column, how it is derived, what no value gives."""
        return tuple(
            tuple(
                (field.name, field.derivation.column, derive, of_null)
                for field, derive, of_null, rung in zip(self.fields, derives, self._of_null, down, strict=True)
                if rung
            )
            for derives, down in zip(self.derives, self.steps, strict=True)
        )

    @cached_property
    def insert_precisions(self) -> tuple[CoarseTime | None, ...]:
        """At each step, how far the time of an insert may tell when the row was made: no further than the group's dates do. None where it has none."""
        return tuple(
            coarsest(
                "year" if derive is None else "month" if "month" in field.derivation.args else "day"
                for field, derive in zip(self.fields, derives, strict=True)
                if field.type == "date" and field.derivation.function in ("truncate", "copy")
            )
            for derives in self.derives
        )


def coarsest(times: Iterable[CoarseTime | None]) -> CoarseTime | None:
    """The one that tells least; None where none limits it."""
    return max((each for each in times if each), key=get_args(CoarseTime).index, default=None)


def groups_of(contract: Contract) -> tuple[KGroup, ...]:
    """The k-groups of a contract."""
    return tuple(
        KGroup(contract.entity, name, contract.k or 0, fields, tuple(_ladder(contract, field) for field in fields))
        for name, fields in contract.k_groups.items()
    )


def grouped(contracts: Mapping[str, Contract]) -> list[KGroup]:
    """The k-groups of all contracts."""
    return [group for contract in contracts.values() for group in groups_of(contract)]


def group_problems(contract: Contract) -> Iterator[Problem]:
    """A field of a k-group must be one that may be made coarser, down to nothing."""
    for fields in contract.k_groups.values():
        for field in fields:
            message = remedy = ""
            if field.derivation.function == "pseudonym":
                message = "a pseudonym is of one person or thing, so no group that holds it can be large enough"
                remedy = "Remove its kGroup"
            elif field.required:
                message = "required, and its kGroup must be able to empty it"
                remedy = "Remove `required`: where too few people share its values, the field says nothing"
            if message:
                place = contract.line(f"fields.{field.name}")
                yield Problem(contract.file, place, f"{contract.entity}.{field.name}", message, remedy)


def _ladder(contract: Contract, field: Field) -> tuple[Rung, ...]:
    derivation = field.derivation
    use = Use(contract.columns[derivation.column], derivation.args, field.options)
    return FUNCTIONS[derivation.function].ladder(use)
