"""What changed in a table under its contract: columns that went, other types, a way to the person that leads nowhere.

Belongs here: judging. Not here: what makes a table impossible to capture at all (judge.py), reading the catalogue (catalogue.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from publisher.capture.catalogue import Table
from publisher.capture.judge import Finding, renamed
from publisher.contracts.model import Contract

_MODIFIER = re.compile(r"\([0-9, -]+\)")


def led_astray(contract: Contract, found: Mapping[str, Table]) -> Iterable[Finding]:
    """Steps to the person that the database does not have. Capture would fail there, and with it each write of the platform."""
    for step in contract.subject:
        table = found.get(step.table)
        if table is None:
            what = f"the way to its person leads through public.{step.table}, which does not exist"
        elif step.column not in table.columns:
            what = f"the way to its person leads through {step.table}.{step.column}, which does not exist"
        else:
            continue
        yield Finding(contract.entity, what, "Migrate, or correct `subject`")


def drifted(contract: Contract, table: Table, known_types: Mapping[str, str]) -> Iterable[Finding]:
    """Columns of another type than the contract says, and withheld ones that are gone. `known_types` names types as the database does."""
    for name, column in contract.columns.items():
        has, declared = table.columns.get(name), known_types.get(column.physical_type)
        if has is None:
            if name in contract.withheld and name not in contract.source_columns:
                what = f"{contract.table} has no column {name}, which is withheld"
                yield Finding(contract.entity, what, "Remove it from the contract" + renamed(contract, table, name))
        elif declared is not None and _MODIFIER.sub("", has) != declared and not column.encrypted:
            what = f"{contract.table}.{name} is {has} in the database, and {column.physical_type} in the contract"
            yield Finding(
                contract.entity,
                what,
                "Correct physicalType and logicalType, look at what its fields make of it, then `publisher install`",
            )
