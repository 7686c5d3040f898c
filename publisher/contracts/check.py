"""Loads all contracts and asks what no single file can answer: do they fit each other, and the database?

Belongs here: the ways in, and checks across files. Not here: checks within one file (schema.py, build.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from publisher.contracts.build import build_contract
from publisher.contracts.model import Contract
from publisher.contracts.problems import Problem
from publisher.contracts.schema import check_form
from publisher.contracts.source import ContractSource, read_source
from publisher.errors import ContractError

NOT_CONTRACTS = frozenset({"approvals.yaml"})


def load_contracts(directory: Path) -> dict[str, Contract]:
    """Every contract of a folder by entity, in the order of their names.

    Raises ContractError with all that is wrong, so that a process that reads contracts never starts with a doubtful one.
    """
    contracts, problems = _read(directory)
    if problems:
        raise ContractError(problems)
    return contracts


def check_contracts(directory: Path) -> list[Problem]:
    """All that is wrong with a folder's contracts; empty when they can be used."""
    return _read(directory)[1]


def check_database_columns(contracts: Mapping[str, Contract], columns: Mapping[str, Iterable[str]]) -> list[Problem]:
    """Compares the contracts with the columns that a database (or an application's models) has, by table.

    A column that the contract does not know could hold anything: it is a problem even though nothing would release it.
    """
    problems = []
    for contract in contracts.values():
        actual = list(columns.get(contract.table, ()))
        if not actual:
            problems.append(Problem(contract.file, 0, contract.entity, f"the database has no table {contract.table}", "Migrate it, or correct physicalName"))
            continue
        for name in actual:
            if name not in contract.columns:
                remedy = "Declare it in the contract's table, and release something of it or add it to withheld"
                problems.append(Problem(contract.file, 0, f"{contract.entity}.{name}", "the database has a column that is neither released nor withheld", remedy))
        for name in contract.columns:
            if name not in actual:
                remedy = "Remove it from the contract, or bring it back by a migration"
                problems.append(Problem(contract.file, 0, f"{contract.entity}.{name}", "the database has lost this column", remedy))
    return problems


def _read(directory: Path) -> tuple[dict[str, Contract], list[Problem]]:
    files = [f for f in sorted(directory.glob("*.yaml")) if f.name not in NOT_CONTRACTS] if directory.is_dir() else []
    if not files:
        return {}, [Problem(str(directory.name), 0, "", "the folder has no contract", "Set CONTRACTS_DIR to the folder that holds <entity>.yaml")]
    sources: list[ContractSource] = []
    contracts: dict[str, Contract] = {}
    for path in files:
        source = read_source(path)
        sources.append(source)
        if not source.problems:
            check_form(source)
        if not source.problems:
            contract = build_contract(source)
            if contract is not None:
                contracts[contract.entity] = contract
    problems = [problem for source in sources for problem in source.problems]
    if not problems:
        contracts, problems = _across(contracts)
    return contracts, sorted(set(problems))


def _across(contracts: dict[str, Contract]) -> tuple[dict[str, Contract], list[Problem]]:
    """Resolves each subject's namespace, and holds pseudonyms that must join against each other."""
    problems: list[Problem] = []
    by_table = {contract.table: contract for contract in contracts.values()}
    if len(by_table) != len(contracts):
        problems.append(Problem("contracts", 0, "", "two contracts release the same table", "Keep one contract a table"))
    resolved = {}
    for contract in contracts.values():
        namespace, problem = _subject_namespace(contract, by_table)
        if problem:
            problems.append(problem)
        resolved[contract.entity] = replace(contract, subject_namespace=namespace)
    keys = {contract.key_namespace: contract for contract in contracts.values()}
    for contract in contracts.values():
        for field in contract.fields:
            if field.derivation.function == "pseudonym" and field.derivation.args[0] not in keys:
                remedy = f"Write one of the keys' namespaces: {', '.join(sorted(keys))}"
                problems.append(Problem(contract.file, 0, f"{contract.entity}.{field.name}", "no entity's key has this namespace, so it joins with nothing", remedy))
    return resolved, problems


def _subject_namespace(contract: Contract, by_table: Mapping[str, Contract]) -> tuple[str | None, Problem | None]:
    for index, step in enumerate(contract.subject):
        expected = contract.table if index == 0 else None
        at = by_table.get(step.table)
        if at is None or step.column not in at.columns or (expected and step.table != expected):
            remedy = f"Begin with {contract.table}, and name a column of a contracted table at each step"
            return None, Problem(contract.file, 0, contract.entity, f"the subject's path breaks at step {index + 1}", remedy)
    if not contract.subject:
        return None, None
    last = contract.subject[-1]
    for field in by_table[last.table].fields:
        if field.derivation.function == "pseudonym" and field.derivation.column == last.column:
            return field.derivation.args[0], None
    remedy = f"Release pseudonym({last.column}, …) in the contract of {last.table}"
    return None, Problem(contract.file, 0, contract.entity, "the subject's path ends at a column without a pseudonym", remedy)
