"""`publisher install`: brings the database to what the contracts demand, or says what is missing.

Belongs here: the order of things, locks, transactions. Not here: judging (judge.py), SQL text (tables.py, triggers.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg import errors

from publisher import epoch
from publisher.capture import catalogue
from publisher.capture.catalogue import Relation
from publisher.capture.check import known_relations, misfits_of, sequence_findings, sql_of, table_names
from publisher.capture.judge import Finding, outdated, rewritten
from publisher.capture.tables import TABLES
from publisher.capture.triggers import TRIGGERS, EntitySql
from publisher.contracts.model import Contract
from publisher.database import LOCK_TIMEOUT_MS, Connection, ident, literal, translate
from publisher.errors import InstallError, TransientError

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

    Each entity is one transaction that waits 2 s at most for all its locks, so that the platform's writes queue behind it for no longer. An
    entity whose table others keep locked stays as it was; the others are installed all the same. Raises InstallError where the database does not fit, TransientError with the
    entities whose locks were not to be had.
    """
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", [INSTALL_LOCK])
        with connection.transaction():
            connection.execute(literal(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
            sqls = _fit(connection, contracts)
            connection.execute(literal("SET LOCAL client_min_messages = warning"))
            connection.execute(literal(TABLES))
            _refuse(sequence_findings(connection))
            current = epoch.ensure_first(connection, next(iter(contracts.values())).key_version)
        written, locked = _install_entities(connection, sqls)
        with connection.transaction():
            _note_rewrites(connection, sqls)
            due = _backfills_due(connection, contracts)
    except psycopg.Error as error:
        raise translate(error, "install") from None
    else:
        if locked:
            raise TransientError(
                f"install: another session kept a table locked for longer than {LOCK_TIMEOUT_MS / 1000:g} s: capture of {', '.join(locked)} is as it "
                "was, that of all others is written: run it again, at a quieter time"
            )
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", [INSTALL_LOCK])
    return Installed(tuple(written), due, current)


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
    found = catalogue.tables(connection, table_names(contracts))
    contract = contracts[entity]
    _refuse(misfits_of(contract, found))
    return sql_of(contract, contracts, found), found[contract.table].columns[contract.key_column]


def _fit(connection: Connection, contracts: Mapping[str, Contract]) -> list[EntitySql]:
    found = catalogue.tables(connection, table_names(contracts))
    _refuse([f for c in contracts.values() for f in misfits_of(c, found)])
    return [sql_of(c, contracts, found) for c in contracts.values()]


def _install_entities(connection: Connection, sqls: list[EntitySql]) -> tuple[list[str], list[str]]:
    """The entities whose capture was written, and those whose tables were locked."""
    written, locked = [], []
    for sql in sqls:
        try:
            if _install_entity(connection, sql):
                written.append(sql.contract.entity)
        except (errors.LockNotAvailable, errors.QueryCanceled):
            locked.append(sql.contract.entity)
    return written, locked


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
        names = [_qualified(connection, sql, relation) for relation in relations]
        _lock_all(connection, names)
        for name in names:
            for trigger in TRIGGERS:
                connection.execute(literal(trigger.create(name, sql.function)))
        known = connection.execute("SELECT 1 FROM publisher.captured WHERE entity = %s", [contract.entity]).fetchone()
        new = [(r.oid, contract.entity, r.filenode, r.columns) for r in relations]
        connection.cursor().executemany("INSERT INTO publisher.captured VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING", new)
        # Capture that was off for a while, or reads other columns now, has missed what was written before.
        has_rows = connection.execute(literal(f"SELECT 1 FROM {sql.table} LIMIT 1")).fetchone()  # noqa: S608
        if has_rows:
            _demand_backfill(connection, contract.entity, "capture was rewritten" if known else "captured for the first time")
    return True


def _note_rewrites(connection: Connection, sqls: list[EntitySql]) -> None:
    before = known_relations(connection)
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


def _lock_all(connection: Connection, names: list[str]) -> None:
    """At once and before anything is changed: a lock_timeout counts for each partition anew, and writers of the others would queue meanwhile."""
    connection.execute(literal(f"SET LOCAL statement_timeout = {LOCK_TIMEOUT_MS}"))
    connection.execute(literal(f"LOCK TABLE {', '.join(f'ONLY {name}' for name in names)} IN SHARE ROW EXCLUSIVE MODE"))
    connection.execute("SET LOCAL statement_timeout = 0")


def _qualified(connection: Connection, sql: EntitySql, relation: Relation) -> str:
    row = connection.execute(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s",
        [relation.oid],
    ).fetchone()
    if row is None:
        raise InstallError(
            f"{sql.contract.entity}: the relation {relation.name} went away meanwhile: run `publisher install` again"
        )
    return f"{ident(str(row[0]))}.{ident(str(row[1]))}"


def _backfills_due(connection: Connection, contracts: Mapping[str, Contract]) -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT entity FROM publisher.backfills WHERE due IS NOT NULL AND entity = ANY (%s) ORDER BY entity", [list(contracts)]
    ).fetchall()
    return tuple(str(row[0]) for row in rows)


def _refuse(findings: list[Finding]) -> None:
    if findings:
        raise InstallError("\n".join(str(finding) for finding in sorted(findings)))
