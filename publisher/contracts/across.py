"""What no single contract can answer: do the contracts fit each other?

Belongs here: relations between entities, and the way to the person. Not here: the database (database.py), reading files (check.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from publisher.contracts.model import Contract
from publisher.contracts.problems import Problem

Contracts = Mapping[str, Contract]


def resolve(contracts: Contracts, gone: Contracts) -> tuple[dict[str, Contract], list[Problem]]:
    """The contracts with each subject's namespace, and all that does not fit. `gone` are contracts of before, to tell what is named of them."""
    problems = _renamed(contracts) or _doubled(contracts) or _unjoined(contracts, gone) or _half_rekeyed(contracts)
    if problems:
        return {}, problems
    resolved = {}
    for contract in contracts.values():
        person, problem = _person(contract, contracts, gone)
        if problem:
            problems.append(problem)
        resolved[contract.entity] = replace(contract, subject_namespace=person.key_namespace if person else None)
    return resolved, problems


def _problem(contract: Contract, place: str, name: str, message: str, remedy: str) -> Problem:
    return Problem(contract.file, contract.line(place), f"{contract.entity}.{name}", message, remedy)


def _doubled(contracts: Contracts) -> list[Problem]:
    """Two contracts of one table would release it twice; two of one namespace would make different things look the same."""
    problems, tables, namespaces = [], dict[str, str](), dict[str, str]()
    for contract in contracts.values():
        if contract.table in tables:
            message = f"the table {contract.table} is released by {tables[contract.table]} too"
            problems.append(_problem(contract, "table", "table", message, "Keep one contract a table"))
        if contract.key_namespace in namespaces:
            message = f"the key has the namespace of {namespaces[contract.key_namespace]}"
            problems.append(_problem(contract, "fields.id", "id", message, "Give each entity's key a namespace of its own"))
        tables.setdefault(contract.table, contract.entity)
        namespaces.setdefault(contract.key_namespace, contract.entity)
    return problems


def _half_rekeyed(contracts: Contracts) -> list[Problem]:
    """Codes of two keys do not join."""
    newest = max((contract.key_version for contract in contracts.values()), default=1)
    return [
        _problem(
            contract,
            "pseudonymKey",
            "pseudonymKey",
            f"made under key {contract.key_version}, and other contracts under key {newest}: their codes would not join",
            f"Write {{property: pseudonymKey, value: {newest}}} in every contract",
        )
        for contract in contracts.values()
        if contract.key_version != newest
    ]


def _renamed(contracts: Contracts) -> list[Problem]:
    """What an entity was renamed from is no entity any more, and became one only."""
    problems, taken = [], dict[str, str]()
    for contract in contracts.values():
        was = contract.renamed_from
        if was is None:
            continue
        if was in contracts:
            message = f"it is renamed from {was}, which still has a contract"
            problems.append(_problem(contract, "renamedFrom", "renamedFrom", message, f"Remove {was}.yaml, or renamedFrom"))
        elif was in taken:
            message = f"{taken[was]} is renamed from {was} too"
            problems.append(_problem(contract, "renamedFrom", "renamedFrom", message, "Keep one of the two"))
        taken.setdefault(was, contract.entity)
    return problems


def _unjoined(contracts: Contracts, gone: Contracts) -> list[Problem]:
    """A pseudonym whose namespace is no entity's key joins with nothing; one that contradicts its relationship joins wrongly."""
    problems = []
    keys = {contract.key_namespace: contract for contract in contracts.values()}
    lost = {former.key_namespace: former for former in gone.values() if former.entity not in contracts}
    for contract in contracts.values():
        for field in contract.fields:
            if field.derivation.function != "pseudonym":
                continue
            namespace = field.derivation.args[0]
            target = keys.get(namespace)
            declared = contract.columns[field.derivation.column].references
            if target is None:
                remedy = f"Write a namespace that a key has: {', '.join(sorted(keys))}"
                message = "no entity's key has this namespace, so it joins with nothing"
                if namespace in lost:
                    message, remedy = _of_lost(message, lost[namespace])
                problems.append(_problem(contract, f"fields.{field.name}", field.name, message, remedy))
            elif declared and declared != f"{target.table}.{target.key_column}":
                remedy = f"Write relationships: [{{to: {target.table}.{target.key_column}}}], or another namespace"
                message = "the namespace is not that of the key to which the column points"
                problems.append(_problem(contract, f"fields.{field.name}", field.name, message, remedy))
    return problems


def _of_lost(message: str, former: Contract) -> tuple[str, str]:
    """What is wrong, and what to do, where what is named is of a contract that was there before."""
    return f"{message}: {former.entity} has no contract any more", f"Restore {former.entity}.yaml, or withdraw what names it"


def _target(contract: Contract, column: str, contracts: Contracts) -> Contract | None:
    """The entity whose key a column holds: by its relationship, or by the namespace of its pseudonym."""
    declared = contract.columns[column].references
    namespaces = {
        f.derivation.args[0] for f in contract.fields if f.derivation.function == "pseudonym" and f.derivation.column == column
    }
    for other in contracts.values():
        if declared == f"{other.table}.{other.key_column}" or (not declared and other.key_namespace in namespaces):
            return other
    return None


def _is_person(contract: Contract) -> bool:
    """A person's own entity is the one whose path to the person is its key."""
    return [(step.table, step.column) for step in contract.subject] == [(contract.table, contract.key_column)]


def _person(contract: Contract, contracts: Contracts, gone: Contracts) -> tuple[Contract | None, Problem | None]:
    if not contract.subject:
        return None, _forgotten(contract, contracts)
    by_table = {other.table: other for other in contracts.values()}
    lost = {former.table: former for former in gone.values() if former.entity not in contracts}
    for index, step in enumerate(contract.subject):
        at = by_table.get(step.table)
        where = f"the subject's path breaks at step {index + 1}"
        if at is None or step.column not in at.columns:
            return None, _problem(contract, "subject", "subject", where, "Name a column of a contracted table at each step")
        target = _target(at, step.column, contracts)
        last = index == len(contract.subject) - 1
        if last and target is not None and _is_person(target):
            return target, None
        following = None if last else contract.subject[index + 1].table
        if target is None and following in lost:
            return None, _problem(contract, "subject", "subject", *_of_lost(where, lost[following]))
        if target is None or target.table != following:
            goal = "a person" if last else f"{following}"
            remedy = (
                f"{step.table}.{step.column} does not point to {goal}: correct the path, or declare the relation by a pseudonym "
                f"in that key's namespace or by relationships: [{{to: table.id}}]"
            )
            return None, _problem(contract, "subject", "subject", where, remedy)
    return None, None


def _forgotten(contract: Contract, contracts: Contracts) -> Problem | None:
    """An entity that points to something about a person is about the person too."""
    for column in contract.columns:
        target = _target(contract, column, contracts)
        if target is not None and target is not contract and target.subject:
            path = ", ".join(
                [f"{contract.table}.{column}", *([] if _is_person(target) else [f"{s.table}.{s.column}" for s in target.subject])]
            )
            message = f"the subject is none, but {column} leads to a person"
            return _problem(contract, "subject", "subject", message, f"Write subject: [{path}]")
    return None
