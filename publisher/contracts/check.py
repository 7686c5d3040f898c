"""The ways in: loads and checks a folder of contracts.

Belongs here: which files are contracts, and the order of the checks. Not here: any check itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from publisher.contracts.across import resolve
from publisher.contracts.build import build_contract, contradictions
from publisher.contracts.kgroups import group_problems
from publisher.contracts.model import Contract
from publisher.contracts.problems import Problem
from publisher.contracts.schema import check_form
from publisher.contracts.source import TEXTS_KEPT, ContractSource, parse_source, read_source
from publisher.errors import ContractError

APPROVALS = "approvals.yaml"
NOT_CONTRACTS = frozenset({APPROVALS})
NONE: Mapping[str, Contract] = MappingProxyType({})


def load_contracts(directory: Path, *, former: bool = False) -> dict[str, Contract]:
    """Every contract of a folder by entity, in the order of their names. `former` ones need not be what would be accepted today.

    Raises ContractError with all that is wrong, so that a process that reads contracts never starts with a doubtful one.
    """
    contracts, problems = read_contracts(read_folder(directory), former=former)
    if problems:
        raise ContractError(problems)
    return contracts


def check_contracts(directory: Path, gone: Mapping[str, Contract] = NONE) -> list[Problem]:
    """All that is wrong with a folder's contracts; empty when they can be used. `gone` as in read_contracts."""
    return read_contracts(read_folder(directory), gone=gone)[1]


def read_folder(directory: Path) -> list[ContractSource]:
    """The contracts of a folder as they are written. One that would be overlooked for its name is a problem."""
    files = sorted(directory.iterdir()) if directory.is_dir() else []
    sources = [read_source(f) for f in files if f.suffix == ".yaml" and f.name not in NOT_CONTRACTS]
    for file in files:
        if file.suffix.lower() in {".yml", ".yaml"} and file.suffix != ".yaml":
            problem = Problem(file.name, 0, "", "a contract's file ends in .yaml, so this one would be overlooked", "Rename it")
            sources.append(ContractSource(file.name, problems=[problem]))
    if not sources:
        message = "the folder has no contract" if directory.is_dir() else "there is no such folder"
        problem = Problem(str(directory), 0, "", message, "Set CONTRACTS_DIR to the folder that holds <entity>.yaml")
        sources.append(ContractSource(directory.name, problems=[problem]))
    return sources


def contract_of(source: ContractSource) -> Contract | None:
    """The contract of one file, by itself; None, with what is wrong added to the source's problems, where there is none."""
    if source.problems:
        return None
    contract, problems = _made(source.file, source.text)
    source.problems += problems
    return contract


@lru_cache(maxsize=TEXTS_KEPT)
def _made(file: str, text: str) -> tuple[Contract | None, tuple[Problem, ...]]:
    source = parse_source(file, text)
    check_form(source)
    contract = None if source.problems else build_contract(source)
    return contract, tuple(source.problems)


def _cut_off(source: ContractSource) -> list[Problem]:
    """A source's problems; where the text ends within a line, the last of them says that this may be why: half a file says misleading things of itself."""
    if not source.problems or not source.text or source.text.endswith("\n"):
        return source.problems
    *others, last = sorted(source.problems)
    why = "The file ends within a line, so it may be cut off: compare it with its last version in git"
    return [*others, replace(last, remedy=f"{last.remedy}. {why}")]


def read_contracts(
    sources: Iterable[ContractSource], *, former: bool = False, gone: Mapping[str, Contract] = NONE
) -> tuple[dict[str, Contract], list[Problem]]:
    """The contracts of some sources, or all that is wrong with them. Only contracts without a problem are held against each other.

    `gone` are contracts of before, so that what names one that is there no more can be told so.
    """
    contracts: dict[str, Contract] = {}
    problems: list[Problem] = []
    for source in sources:
        contract = contract_of(source)
        problems += _cut_off(source)
        if contract is not None:
            contracts[contract.entity] = contract
    if not problems:
        contracts, problems = resolve(contracts, gone)
        if not former:
            problems += [
                each for contract in contracts.values() for each in (*group_problems(contract), *contradictions(contract))
            ]
    return ({} if problems else contracts), sorted(set(problems))
