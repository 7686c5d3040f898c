"""All that is wrong with a folder of contracts: with them, with their approvals, their history and the lock of functions.

Belongs here: the order in which a build asks. Not here: any check itself, whether more would leave than before (diff/).
"""

from __future__ import annotations

from pathlib import Path

from publisher.contracts.check import check_contracts, load_contracts
from publisher.contracts.history import signed_versions
from publisher.contracts.lasting import lasting_problems
from publisher.contracts.model import Contract
from publisher.contracts.problems import Problem
from publisher.contracts.released import HISTORY
from publisher.contracts.releases import release_problems
from publisher.contracts.vocabulary.fingerprint import LOCK, lock_problem
from publisher.errors import ContractError


def everything_wrong(directory: Path) -> list[Problem]:
    """Empty when the contracts can be used, released and answered for."""
    released: list[Contract] = []
    beside: list[Problem] = []
    try:
        released = [each.contract for each in signed_versions(directory)]
        beside += release_problems(directory)
    except ContractError as error:
        beside += error.problems
    for name in (LOCK, f"{HISTORY}/{LOCK}"):
        file = directory / name
        text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else None
        if problem := lock_problem(text, name):
            beside.append(problem)
    problems = check_contracts(directory, gone={contract.entity: contract for contract in released}) + beside
    return problems or lasting_problems(load_contracts(directory), released)
