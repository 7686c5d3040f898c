"""Connections to the platform's database.

Belongs here: how a session of the publisher is opened, and what it may say about an error. Not here: any statement.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import LiteralString

import psycopg
from psycopg import errors

from publisher.errors import InstallError, PublisherError, SettingsError, TransientError

Connection = psycopg.Connection[tuple[object, ...]]

LOCK_TIMEOUT_MS = 2_000
"""How long a statement of ours may make the platform's own statements queue behind it."""


def connect(url: str, application: str) -> psycopg.Connection[tuple[object, ...]]:
    """Opens a direct session that commits durably and notices within seconds that the other side is gone.

    `synchronous_commit` is set whatever the role or database says: the relay relies on its own commits being flushed (outbox.py).
    Raises TransientError when the database cannot be reached, SettingsError when it refuses us.
    """
    try:
        connection = psycopg.connect(
            url, autocommit=True, application_name=f"publisher {application}", connect_timeout=10,
            keepalives=1, keepalives_idle=5, keepalives_interval=2, keepalives_count=3, tcp_user_timeout=15_000,
        )  # fmt: skip
    except psycopg.OperationalError as error:
        refused = error.sqlstate is not None and error.sqlstate[:2] in ("28", "3D")
        text = "the database refuses the user or has not this name" if refused else "the database cannot be reached"
        kind: type[PublisherError] = SettingsError if refused else TransientError
        raise kind(f"{text} ({reason_of(error)}): check PLATFORM_DATABASE_URL, and that PostgreSQL runs") from None
    except psycopg.ProgrammingError:
        raise SettingsError("PLATFORM_DATABASE_URL cannot be read: write postgresql://user@host:5432/name") from None
    connection.execute("SET synchronous_commit = on")
    connection.execute("SET timezone = 'UTC'")
    return connection


def reason_of(error: psycopg.Error) -> str:
    """A database error's class and code. Its text is left out: details and contexts hold values of rows."""
    return f"{type(error).__name__} {error.sqlstate}" if error.sqlstate else type(error).__name__


def translate(error: psycopg.Error, doing: str) -> PublisherError:
    """The error of ours for a database's: transient where repeating may help."""
    if isinstance(error, errors.InsufficientPrivilege):
        return InstallError(f"{doing}: the database role lacks a privilege: run it as the owner of the tables")
    if isinstance(error, (errors.UndefinedTable, errors.InvalidSchemaName, errors.UndefinedFunction, errors.UndefinedColumn)):
        return InstallError(f"{doing}: the publisher's tables are missing or of another version: run `publisher install`")
    if isinstance(error, (errors.ReadOnlySqlTransaction, errors.ObjectNotInPrerequisiteState)):
        return TransientError(f"{doing}: the database is a standby, or read-only: let PLATFORM_DATABASE_URL lead to the primary")
    if isinstance(error, errors.LockNotAvailable):
        return TransientError(f"{doing}: a table was locked for too long by another session, nothing was changed: run it again")
    return TransientError(f"{doing}: {reason_of(error)}")


def literal(text: str) -> LiteralString:
    """Marks SQL that was built from contract names (quoted by `ident`) for the type checker; never from a row's values."""
    return text


def bigints(numbers: Iterable[int]) -> str:
    """An array as PostgreSQL writes it: psycopg's dumper asks each element for its type, which costs more than the delete."""
    return "{" + ",".join(map(str, numbers)) + "}"


def ident(name: str) -> str:
    """Quotes an identifier."""
    return '"' + name.replace('"', '""') + '"'


def quoted(text: str) -> str:
    """Quotes a string constant (standard_conforming_strings, the default since PostgreSQL 9.1)."""
    return "'" + text.replace("'", "''") + "'"
