"""Holds a gold query against what its header promises, to the reader and to the people in it.

Belongs here: grain, columns, the smallest cell and when there must be one. Not here: what a query may read (check.py), the
header's form (header.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby

from lake_assets.gold.check import did_you_mean
from lake_assets.gold.model import COUNTED_ON, SUPPRESSED, Header, Read
from lake_assets.gold.schema import silver_contract, silver_field
from publisher.contracts import Contract, Problem

COUNTS = ("BIGINT", "INT")
SHARE = "DOUBLE"


def promise_problems(file: str, header: Header, columns: list[str]) -> Iterator[Problem]:
    """The header's grain, columns and smallest cell, against what the query gives."""
    for name in columns:
        if name not in header.columns:
            yield Problem(file, 1, name, "the column has no description", f"Write -- column {name}: what it means")
    for name in header.columns:
        if name not in columns:
            yield Problem(
                file,
                header.lines[f"column {name}"],
                name,
                "described, but the query gives no such column",
                did_you_mean(name, columns),
            )
    for name in header.grain:
        if name not in columns:
            yield Problem(
                file, header.lines["grain"], name, "in the grain, but the query gives no such column", did_you_mean(name, columns)
            )
    for name in (SUPPRESSED, COUNTED_ON):
        if name in columns:
            yield Problem(file, 1, name, "the engine adds this column", "Name it otherwise")
    cell, line = header.smallest_cell, header.lines["smallest_cell"]
    if cell is None:
        return
    for name in (cell.count, *cell.suppresses, *(cell.within or ()), *cell.counting):
        if name not in columns:
            yield Problem(
                file, line, name, "in the smallest cell, but the query gives no such column", did_you_mean(name, columns)
            )
    for name in cell.suppresses:
        if name in header.grain:
            yield Problem(file, line, name, "a column of the grain cannot be emptied", "Name the measures only")
    for name in (cell.count, *cell.counting):
        if name not in cell.suppresses:
            yield Problem(file, line, name, "counts people, and would be shown for a few", f"Add {name} to what is suppressed")
    for name in cell.within or ():
        if name not in header.grain:
            yield Problem(file, line, name, "a total is over columns of the grain", f"Name some of {', '.join(header.grain)}")


def counting_problems(file: str, header: Header, types: Mapping[str, str | None]) -> Iterator[Problem]:
    """Measures that are said to count people, and are no number of them."""
    cell = header.smallest_cell
    for name in (cell.count, *cell.counting) if cell else ():
        wanted = COUNTS if cell and name == cell.count else (*COUNTS, SHARE)
        if name in types and types[name] not in wanted:
            remedy = "Count people in whole numbers (BIGINT, INT), or give a share of them (DOUBLE) with four digits"
            yield Problem(
                file,
                header.lines["smallest_cell"],
                name,
                f"counts no people: it is {types[name] or 'of no type that is known'}",
                remedy,
            )


def cell_problems(file: str, header: Header, reads: Mapping[str, tuple[Read, ...]]) -> Iterator[Problem]:
    """Measures that a small row would still show: all that says more than the grain already does."""
    cell = header.smallest_cell
    if cell is None:
        return
    of_grain = {(read.table, read.column) for name in header.grain for read in reads.get(name, ()) if read.kind == "value"}
    for name, found in reads.items():
        if name in header.grain or name in cell.suppresses:
            continue
        if any(read.kind == "value" and (read.table, read.column) not in of_grain for read in found):
            line = header.lines["smallest_cell"]
            yield Problem(
                file, line, name, "would still be shown for a few people", f"Add {name} to what the smallest cell suppresses"
            )


def privacy_problems(
    file: str,
    header: Header,
    reads: Mapping[str, tuple[Read, ...]],
    upstream: Mapping[str, Mapping[str, tuple[Read, ...]]],
    contracts: Mapping[str, Contract],
) -> Iterator[Problem]:
    """A table that shows people by something sensitive must say how small a cell may be, and may not allow smaller ones than the
    contracts do.

    Every row of an entity with a subject is about a person, so a table that reads one has a smallest cell or says why it needs none. No
    reason will do where it is by something sensitive: a field that a contract calls restricted, or two of one k-group in the grain.
    """
    cell, line = header.smallest_cell, header.lines["smallest_cell"]
    origins = {column: sorted({each for read in found for each in _origins(read, upstream)}) for column, found in reads.items()}
    if cell is None:
        restricted = False
        for column, found in origins.items():
            for table, name in found:
                field = silver_field(contracts, table, name)
                if field and field.classification == "restricted":
                    restricted = True
                    told = f"depends on {table}.{name}, which is restricted, without a smallest cell"
                    yield Problem(file, line, column, told, "Write -- smallest_cell: people < 10 suppresses people, …")
        of_people = sorted({table for found in origins.values() for table, _ in found if _about_people(contracts, table)})
        if of_people and not restricted and not header.no_cell_because:
            told = f"reads of people ({', '.join(of_people)}) without a smallest cell"
            remedy = "Count the people, and write -- smallest_cell: people < 10 suppresses people, … (or: none because <why no row is about few people>)"
            yield Problem(file, line, "smallest_cell", told, remedy)
    for (entity, group), names in _grouped(header, reads, upstream, contracts):
        least = contracts[entity].k or 0
        if len(names) > 1 and (cell is None or cell.below < least):
            remedy = f"Write -- smallest_cell: people < {least or 10} suppresses people, …"
            yield Problem(file, line, ", ".join(names), f"together narrow down a {group} to few people", remedy)


def _about_people(contracts: Mapping[str, Contract], table: str) -> bool:
    contract = silver_contract(contracts, table)
    return contract is not None and bool(contract.subject)


def _grouped(
    header: Header,
    reads: Mapping[str, tuple[Read, ...]],
    upstream: Mapping[str, Mapping[str, tuple[Read, ...]]],
    contracts: Mapping[str, Contract],
) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """The fields of each k-group that stand in the grain, by entity and group."""
    found: set[tuple[str, str, str]] = set()
    for column in header.grain:
        for read in reads.get(column, ()):
            for table, name in _origins(read, upstream) if read.kind == "value" else ():
                contract, field = silver_contract(contracts, table), silver_field(contracts, table, name)
                if contract and field and field.k_group:
                    found.add((contract.entity, field.k_group, name))
    for key, members in groupby(sorted(found), key=lambda each: each[:2]):
        yield key, [name for _, _, name in members]


def _origins(read: Read, upstream: Mapping[str, Mapping[str, tuple[Read, ...]]]) -> Iterator[tuple[str, str]]:
    if read.table.startswith("silver/"):
        yield read.table, read.column
        return
    for further in upstream.get(read.table, {}).get(read.column, ()):
        yield from _origins(further, upstream)
