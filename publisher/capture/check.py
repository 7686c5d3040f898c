"""`publisher install --check`: what the database lacks, as findings. Changes nothing.

Belongs here: which judgements are asked for, over what is read. Not here: the judgements (judge.py, drift.py), mending (install.py).
"""

from __future__ import annotations

from collections.abc import Mapping

import psycopg

from publisher.capture import catalogue
from publisher.capture.catalogue import Table
from publisher.capture.drift import drifted, led_astray
from publisher.capture.judge import Finding, outdated, rewritten, unfit
from publisher.capture.triggers import EntitySql
from publisher.contracts.model import Contract
from publisher.database import Connection, translate


def check_installation(connection: Connection, contracts: Mapping[str, Contract]) -> list[Finding]:
    """All that is missing, disabled, outdated or in need of a backfill. Changes nothing."""
    try:
        found = catalogue.tables(connection, table_names(contracts))
        findings = [f for c in contracts.values() for f in misfits_of(c, found)]
        findings += sequence_findings(connection)
        functions = catalogue.functions(connection)
        before = known_relations(connection)
        for contract in contracts.values():
            table = found.get(contract.table)
            if table is None or any(f.entity == contract.entity for f in findings):
                continue
            sql = sql_of(contract, contracts, found)
            relations = catalogue.relations(connection, table.oid, contract.source_columns)
            triggers = catalogue.triggers(connection, (r.oid for r in relations))
            findings += outdated(sql, relations, functions, triggers)
            findings += rewritten(contract.entity, relations, before)
        return findings + _drift(connection, contracts, found) + _stray(connection, contracts)
    except psycopg.Error as error:
        raise translate(error, "install --check") from None


def misfits(connection: Connection, contracts: Mapping[str, Contract]) -> list[Finding]:
    """What of the tables does not fit the contracts, whether or not anything is installed."""
    found = catalogue.tables(connection, table_names(contracts))
    return [f for c in contracts.values() for f in misfits_of(c, found)] + _drift(connection, contracts, found)


def misfits_of(contract: Contract, found: Mapping[str, Table]) -> list[Finding]:
    return [*unfit(contract, found.get(contract.table)), *led_astray(contract, found)]


def _drift(connection: Connection, contracts: Mapping[str, Contract], found: Mapping[str, Table]) -> list[Finding]:
    written = (column.physical_type for contract in contracts.values() for column in contract.columns.values())
    known = catalogue.type_names(connection, written)
    return [f for c in contracts.values() if (table := found.get(c.table)) for f in drifted(c, table, known)]


def sql_of(contract: Contract, contracts: Mapping[str, Contract], found: Mapping[str, Table]) -> EntitySql:
    by_table = {c.table: c.key_column for c in contracts.values()}
    parents = {step.table: by_table.get(step.table, "id") for step in contract.subject}
    binary = frozenset(name for name, kind in found[contract.table].columns.items() if kind == "bytea")
    return EntitySql(contract, binary, parents)


def sequence_findings(connection: Connection) -> list[Finding]:
    cache = catalogue.sequence_cache(connection)
    if cache is None:
        return [Finding("publisher", "the publisher's schema is missing", "Run `publisher install`")]
    if cache > 1:
        remedy = "Run ALTER SEQUENCE publisher.seq CACHE 1: with a cache, sessions number their rows out of commit order"
        return [Finding("publisher", f"the sequence publisher.seq has CACHE {cache}", remedy)]
    return []


def _stray(connection: Connection, contracts: Mapping[str, Contract]) -> list[Finding]:
    """Capture without a contract: what it puts in the outbox can only become dead letters."""
    stray = connection.execute(
        "SELECT DISTINCT t.tgrelid::regclass::text, p.proname::text FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
        " JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'publisher' AND NOT p.proname = ANY (%s)",
        [[f"capture_{name}" for name in contracts]],
    ).fetchall()
    remedy = "Restore the contract, or drop the function with CASCADE"
    return [Finding(str(p).removeprefix("capture_"), f"{t} is captured without a contract", remedy) for t, p in stray]


def known_relations(connection: Connection) -> dict[int, tuple[int | None, str]]:
    there = connection.execute("SELECT to_regclass('publisher.captured')").fetchone()
    if there is None or there[0] is None:
        return {}
    rows = connection.execute("SELECT relation::int8, filenode::int8, columns FROM publisher.captured").fetchall()
    return {int(str(oid)): (None if node is None else int(str(node)), str(columns)) for oid, node, columns in rows}


def table_names(contracts: Mapping[str, Contract]) -> list[str]:
    tables = [[contract.table, *(step.table for step in contract.subject)] for contract in contracts.values()]
    return sorted({name for each in tables for name in each})
