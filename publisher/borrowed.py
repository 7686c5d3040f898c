"""A platform's own session, lent to us: psycopg's, SQLAlchemy's or Django's, within the transaction that the platform has begun.

Belongs here: finding the session inside. Not here: sessions of our own (database.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from psycopg.rows import tuple_row

from publisher.database import Connection, connect
from publisher.errors import SettingsError


@contextmanager
def borrowed(lent: Any) -> Iterator[Connection]:
    """Psycopg 3's session inside of `lent`, or one of our own for a `postgresql://` URL. What we set on it is undone.

    Raises SettingsError for a session of another driver.
    """
    if isinstance(lent, str):
        with connect(lent, "borrowed") as own:
            yield own
        return
    session = _session_in(lent)
    factory, session.row_factory = session.row_factory, tuple_row
    try:
        yield cast("Connection", session)
    finally:
        session.row_factory = factory


def _session_in(lent: Any) -> psycopg.Connection[Any]:
    if hasattr(lent, "ensure_connection"):  # Django opens it when it is first needed
        lent.ensure_connection()
    found = lent
    for _ in range(3):
        if isinstance(found, psycopg.Connection):
            return found
        found = getattr(found, "driver_connection", None) or getattr(found, "connection", None)
    raise SettingsError(
        "the session is none of psycopg 3's: use the driver `postgresql+psycopg`, or give a postgresql:// URL of what is committed"
    )
