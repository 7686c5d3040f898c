"""What a contract can never change, since the lake keeps for years what came under the earlier ones.

Belongs here: a contract held against all that was released before it. Not here: whether more leaves (diff/), one set of contracts (across.py).

A column of the lake has one type for good, and takes what its name ever meant: another type, a name that comes back after it was withdrawn, or
one that belongs to something else would mix two things in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from publisher.contracts.model import Contract
from publisher.contracts.problems import Problem
from publisher.errors import ContractError

IN_WORDS = {"string": "a text", "boolean": "yes or no", "integer": "a whole number", "date": "a date"}


def number(version: str) -> tuple[int, ...]:
    """A version as it compares: 1.10.0 comes after 1.9.0."""
    return tuple(map(int, version.split(".")))


def names_of(entity: str, contracts: Iterable[Contract]) -> list[str]:
    """The names that an entity has had, the present one first: once a version has said what it was renamed from, that holds for good."""
    every, names = list(contracts), [entity]
    for name in names:  # grows while it is read: a renamed entity may have been renamed before
        names += sorted({c.renamed_from for c in every if c.entity == name and c.renamed_from} - set(names))
    return names


def lasting_problems(contracts: Mapping[str, Contract], released: Iterable[Contract]) -> list[Problem]:
    """All in which contracts contradict what was released before them; empty when the lake can take them."""
    every = list(released)
    return [problem for contract in contracts.values() for problem in _of(contract, contracts, every)]


def check_lasting(contracts: Mapping[str, Contract], released: Iterable[Contract]) -> None:
    """Raises ContractError with all in which contracts contradict what was released before them."""
    if problems := lasting_problems(contracts, released):
        raise ContractError(problems)


def _of(contract: Contract, contracts: Mapping[str, Contract], released: Sequence[Contract]) -> Iterator[Problem]:
    names = names_of(contract.entity, [contract, *released])
    before = sorted(
        (each for each in released if each.entity in names and number(each.version) <= number(contract.version)),
        key=lambda each: number(each.version),
    )
    yield from _fields(contract, before)
    yield from _name(contract, contracts, released)


def _fields(contract: Contract, before: Sequence[Contract]) -> Iterator[Problem]:
    types: dict[str, str] = {}
    gone: dict[str, str] = {}
    for earlier in before:
        has = {field.name: field.type for field in earlier.fields}
        for name in types.keys() - has.keys():
            gone.setdefault(name, earlier.version)
        types = has | types  # the first one counts: the lake's column was made by it
    for field in contract.fields:
        was = types.get(field.name, field.type)
        if was != field.type:
            message = f"it is {IN_WORDS[field.type]}, and was {IN_WORDS[was]}: the lake's column keeps its type"
            yield _problem(
                contract, f"fields.{field.name}", field.name, message, "Give the field a new name, and withdraw this one"
            )
        elif field.name in gone:
            message = f"its name was withdrawn in {gone[field.name]}, and the lake has emptied its column: late events would fill it again"
            yield _problem(contract, f"fields.{field.name}", field.name, message, "Give the field a new name")


def _name(contract: Contract, contracts: Mapping[str, Contract], released: Sequence[Contract]) -> Iterator[Problem]:
    for other in contracts.values():
        if other is not contract and contract.entity in names_of(other.entity, [other, *released]):
            message = f"this name is what {other.entity} was called before: its events would be taken for those"
            yield _problem(contract, "", "name", message, "Give the entity another name")
    if contract.renamed_from is None:
        return
    mine = [each for each in released if each.entity == contract.renamed_from]
    if not mine:
        if any((each.entity, each.renamed_from) == (contract.entity, contract.renamed_from) for each in released):
            return  # the rename itself was released; what is compared with does not reach back before it
        message = f"it is renamed from {contract.renamed_from}, of which nothing was released"
        yield _problem(contract, "renamedFrom", "renamedFrom", message, "Correct the spelling, or remove renamedFrom")
    elif max(number(each.version) for each in mine) >= number(contract.version):
        last = max(mine, key=lambda each: number(each.version)).version
        message = f"{contract.renamed_from} was released as {last}, and of two events of a row the higher version wins"
        yield _problem(contract, "version", "version", message, f"Count on from {last}")


def _problem(contract: Contract, place: str, name: str, message: str, remedy: str) -> Problem:
    return Problem(contract.file, contract.line(place), f"{contract.entity}.{name}", message, remedy)
