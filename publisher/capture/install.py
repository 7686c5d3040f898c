"""`publisher install`: brings the database to what the contracts demand, or says what is missing.

Belongs here: the order of things, locks, transactions. Not here: judging (judge.py), SQL text (tables.py, triggers.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from publisher import epoch
from publisher.capture import catalogue
from publisher.capture.catalogue import Relation, Table
from publisher.capture.judge import Finding, outdated, rewritten, unfit
from publisher.capture.tables import TABLES
from publisher.capture.triggers import TRIGGERS, EntitySql
from publisher.contracts.model import Contract
from publisher.database import LOCK_TIMEOUT_MS, Connection, ident, literal, translate
from publisher.errors import InstallError

INSTALL_LOCK = 0x707573685F696E73
"""Advisory lock: two installations at once would undo each other's work."""


@dataclass(frozen=True)
class Installed:
    """What `install` did: entities whose triggers it wrote, entities that must be backfilled, and the epoch."""

    written: tuple[str, ...]
    backfill_due: tuple[str, ...]
    epoch: int


def install(connection: Connection, contracts: Mapping[str, Contract]) -> Installed:
    """Writes the publisher's schema, functions and triggers. Idempotent; what is right already is not locked.

    Each entity is one transaction under a lock_timeout, so that the platform's writes queue behind it for 2 s at most. Raises InstallError
    where the database does not fit, TransientError where a lock was not to be had.
    """
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", [INSTALL_LOCK])
        with connection.transaction():
            connection.execute(literal(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
            sqls = _fit(connection, contracts)
            connection.execute(literal("SET LOCAL client_min_messages = warning"))
            connection.execute(literal(TABLES))
            _refuse(_sequence(connection))
            current = epoch.ensure_first(connection, next(iter(contracts.values())).key_version)
        written = [sql.contract.entity for sql in sqls if _install_entity(connection, sql)]
        with connection.transaction():
            _note_rewrites(connection, sqls)
            due = _backfills_due(connection, contracts)
    except psycopg.Error as error:
        raise translate(error, "install") from None
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", [INSTALL_LOCK])
    return Installed(tuple(written), due, current)


def check_installation(connection: Connection, contracts: Mapping[str, Contract]) -> list[Finding]:
    """All that is missing, disabled, outdated or in need of a backfill. Changes nothing."""
    try:
        found = catalogue.tables(connection, _table_names(contracts))
        findings = [f for c in contracts.values() for f in unfit(c, found.get(c.table))]
        findings += _sequence(connection)
        functions = catalogue.functions(connection)
        before = _known_relations(connection)
        for contract in contracts.values():
            table = found.get(contract.table)
            if table is None or any(f.entity == contract.entity for f in findings):
                continue
            sql = _sql(contract, contracts, found)
            relations = catalogue.relations(connection, table.oid, contract.source_columns)
            triggers = catalogue.triggers(connection, (r.oid for r in relations))
            findings += outdated(sql, relations, functions, triggers)
            findings += rewritten(contract.entity, relations, before)
        return findings + _stray(connection, contracts)
    except psycopg.Error as error:
        raise translate(error, "install --check") from None


def record_relations(connection: Connection, contract: Contract) -> None:
    """Remembers what the entity's table looks like now: after the install, and after each finished backfill."""
    table = catalogue.tables(connection, [contract.table])[contract.table]
    rows = catalogue.relations(connection, table.oid, contract.source_columns)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM publisher.captured WHERE entity = %s", [contract.entity])
        cursor.executemany(
            "INSERT INTO publisher.captured VALUES (%s, %s, %s, %s)",
            [(r.oid, contract.entity, r.filenode, r.columns) for r in rows],
        )


def entity_sql(connection: Connection, contracts: Mapping[str, Contract], entity: str) -> tuple[EntitySql, str]:
    """The entity's SQL and its key's type, as the database has them now. Raises InstallError where it does not fit."""
    found = catalogue.tables(connection, _table_names(contracts))
    contract = contracts[entity]
    _refuse([*unfit(contract, found.get(contract.table))])
    return _sql(contract, contracts, found), found[contract.table].columns[contract.key_column]


def _fit(connection: Connection, contracts: Mapping[str, Contract]) -> list[EntitySql]:
    found = catalogue.tables(connection, _table_names(contracts))
    _refuse([f for c in contracts.values() for f in unfit(c, found.get(c.table))])
    return [_sql(c, contracts, found) for c in contracts.values()]


def _sql(contract: Contract, contracts: Mapping[str, Contract], found: Mapping[str, Table]) -> EntitySql:
    by_table = {c.table: c.key_column for c in contracts.values()}
    parents = {step.table: by_table.get(step.table, "id") for step in contract.subject}
    binary = frozenset(name for name, kind in found[contract.table].columns.items() if kind == "bytea")
    return EntitySql(contract, binary, parents)


def _install_entity(connection: Connection, sql: EntitySql) -> bool:
    contract = sql.contract
    with connection.transaction():
        connection.execute(literal(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
        table = catalogue.tables(connection, [contract.table])[contract.table]
        relations = catalogue.relations(connection, table.oid, contract.source_columns)
        before = catalogue.triggers(connection, (r.oid for r in relations))
        if not list(outdated(sql, relations, catalogue.functions(connection), before)):
            return False
        connection.execute(literal(sql.create_function()))
        if sql.link is not None:
            connection.execute(literal(sql.create_subject_function(table.columns[sql.link]) or ""))
        for relation in relations:
            _write_triggers(connection, sql, relation)
        known = connection.execute("SELECT 1 FROM publisher.captured WHERE entity = %s", [contract.entity]).fetchone()
        new = [(r.oid, contract.entity, r.filenode, r.columns) for r in relations]
        connection.cursor().executemany("INSERT INTO publisher.captured VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING", new)
        # Capture that was off for a while, or reads other columns now, has missed what was written before.
        has_rows = connection.execute(literal(f"SELECT 1 FROM {sql.table} LIMIT 1")).fetchone()  # noqa: S608
        if has_rows:
            _demand_backfill(connection, contract.entity, "capture was rewritten" if known else "captured for the first time")
    return True


def _note_rewrites(connection: Connection, sqls: list[EntitySql]) -> None:
    before = _known_relations(connection)
    found = catalogue.tables(connection, [sql.contract.table for sql in sqls])
    for sql in sqls:
        relations = catalogue.relations(connection, found[sql.contract.table].oid, sql.contract.source_columns)
        if list(rewritten(sql.contract.entity, relations, before)):
            _demand_backfill(connection, sql.contract.entity, "its table was rewritten")


def _demand_backfill(connection: Connection, entity: str, why: str) -> None:
    """From the start: a position that an earlier one reached says nothing any more, and one that is under way begins anew."""
    connection.execute(
        "INSERT INTO publisher.backfills (entity, due) VALUES (%s, %s)"
        " ON CONFLICT (entity) DO UPDATE SET due = excluded.due, position = NULL, upto = NULL, started_at = NULL",
        [entity, why],
    )


def _write_triggers(connection: Connection, sql: EntitySql, relation: Relation) -> None:
    row = connection.execute(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s",
        [relation.oid],
    ).fetchone()
    if row is None:
        raise InstallError(
            f"{sql.contract.entity}: the relation {relation.name} went away meanwhile: run `publisher install` again"
        )
    name = f"{ident(str(row[0]))}.{ident(str(row[1]))}"
    for trigger in TRIGGERS:
        connection.execute(literal(trigger.create(name, sql.function)))


def _sequence(connection: Connection) -> list[Finding]:
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


def _known_relations(connection: Connection) -> dict[int, tuple[int | None, str]]:
    there = connection.execute("SELECT to_regclass('publisher.captured')").fetchone()
    if there is None or there[0] is None:
        return {}
    rows = connection.execute("SELECT relation::int8, filenode::int8, columns FROM publisher.captured").fetchall()
    return {int(str(oid)): (None if node is None else int(str(node)), str(columns)) for oid, node, columns in rows}


def _backfills_due(connection: Connection, contracts: Mapping[str, Contract]) -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT entity FROM publisher.backfills WHERE due IS NOT NULL AND entity = ANY (%s) ORDER BY entity", [list(contracts)]
    ).fetchall()
    return tuple(str(row[0]) for row in rows)


def _table_names(contracts: Mapping[str, Contract]) -> list[str]:
    return [contract.table for contract in contracts.values()]


def _refuse(findings: list[Finding]) -> None:
    if findings:
        raise InstallError("\n".join(str(finding) for finding in sorted(findings)))
