"""Do the contracts fit the platform's tables as they really are?

Belongs here: the comparison with a list of columns. Not here: reading the list from a database (the publisher's catalogue).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from publisher.contracts.model import Contract
from publisher.contracts.problems import Problem


def check_database_columns(contracts: Mapping[str, Contract], columns: Mapping[str, Iterable[str]]) -> list[Problem]:
    """Compares the contracts with the columns that a database (or an application's models) has, by table.

    A column that the contract does not know could hold anything: it is a problem even though nothing would release it.
    """
    problems = []
    for contract in contracts.values():
        actual = list(columns.get(contract.table, ()))
        if not actual:
            message = f"the database has no table {contract.table}"
            problems.append(
                Problem(contract.file, contract.line("table"), contract.entity, message, "Migrate it, or correct physicalName")
            )
            continue
        for name in actual:
            if name not in contract.columns:
                message = "the database has a column that is neither released nor withheld"
                remedy = "Declare it in the contract's table, and release something of it or add it to withheld"
                problems.append(Problem(contract.file, contract.line("table"), f"{contract.entity}.{name}", message, remedy))
        for name in contract.columns:
            if name not in actual:
                remedy = "Remove it from the contract, or bring it back by a migration"
                line = contract.line(f"columns.{name}")
                problems.append(
                    Problem(contract.file, line, f"{contract.entity}.{name}", "the database has lost this column", remedy)
                )
    return problems
