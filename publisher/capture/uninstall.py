"""Takes capture away again: the way back of a migration.

Belongs here: dropping triggers and functions, and the schema when nothing is lost by it. Not here: writing them (install.py).
"""

from __future__ import annotations

import psycopg

from publisher.database import LOCK_TIMEOUT_MS, Connection, ident, literal, translate
from publisher.errors import InstallError


def uninstall(connection: Connection, *, drop_schema: bool = False) -> tuple[str, ...]:
    """Drops every trigger and function of ours. Returns the entities that are no longer captured.

    The outbox stays, and a relay goes on sending it; a later install demands a backfill. `drop_schema` removes everything: raises InstallError, and changes
    nothing, while something waits that was not sent. Raises TransientError where a table was locked.
    """
    try:
        with connection.transaction():
            connection.execute(literal(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
            connection.execute("SET LOCAL client_min_messages = warning")
            functions = connection.execute(FUNCTIONS).fetchall()
            for name, arguments in functions:
                connection.execute(literal(f"DROP FUNCTION publisher.{ident(str(name))}({arguments}) CASCADE"))
            if drop_schema:
                _drop_schema(connection)
    except psycopg.Error as error:
        raise translate(error, "uninstall") from None
    return tuple(sorted(str(name).removeprefix("capture_") for name, _ in functions if str(name).startswith("capture_")))


def _drop_schema(connection: Connection) -> None:
    there = connection.execute("SELECT to_regclass('publisher.outbox')").fetchone()
    waits = connection.execute(WAITS).fetchone() if there and there[0] is not None else None
    if waits and any(waits):
        raise InstallError(
            f"{waits[0]} rows wait in the outbox and {waits[1]} are parked: `publisher relay --drain`, mend and `publisher replay`, then again"
        )
    connection.execute("DROP SCHEMA IF EXISTS publisher CASCADE")


FUNCTIONS = """
SELECT p.proname::text, pg_get_function_identity_arguments(p.oid) FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'publisher' ORDER BY 1
"""

WAITS = "SELECT (SELECT count(*) FROM publisher.outbox), (SELECT count(*) FROM publisher.parked)"
